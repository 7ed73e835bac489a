// Timelines as /debug/requests shows them.

import Engine
import JSON
import Primitives

extension RequestTimeline {
    /// Appends the request as an object. Moments are seconds since its arrival.
    ///
    /// - Parameters:
    ///   - live: Its sequences that the engine still has.
    ///   - now: How far the time of an unfinished request is counted.
    func write(to writer: inout JSONWriter, live: [SequenceStatistics], now: Instant) {
        var summary = summary
        for sequence in live { summary.add(sequence) }
        writer.beginObject()
        writer.member("id", identity.id)
        if let trace = identity.trace { writer.member("trace_id", trace.traceID.description) }
        writer.member("endpoint", subject.endpoint)
        if let client = identity.client {
            writer.member("client", client)
            writer.member("tenant", identity.tenant)
        }
        writer.key("stream")
        writer.value(subject.streams)
        writer.member("n", subject.sampleCount)
        writer.member("arrival", clock.wallTime(of: subject.arrival).iso8601)
        writer.member("state", state(live: live).rawValue)
        if let answer {
            writer.member("status", answer.status)
            writer.member("outcome", answer.outcome.rawValue)
        }
        writer.member("prompt_tokens", promptTokenCount)
        writer.member("cached_tokens", summary.cachedTokenCount)
        writer.member("generated_tokens", summary.generatedTokenCount)
        writer.member("preemptions", summary.preemptionCount)
        writer.moment("first_token", summary.firstToken, since: subject.arrival)
        writer.moment("answered", answer?.moment, since: subject.arrival)
        writer.moment("total_seconds", end ?? now, since: subject.arrival)
        if summary.count > 0 { writer.parts(partsWithClient(of: summary, live: live)) }
        writeSequences(to: &writer, live: live)
        writer.endObject()
    }

    enum State: String {
        case preparing, waiting, running, preempted, answering, finished
    }

    /// Where the furthest of its sequences is.
    private func state(live: [SequenceStatistics]) -> State {
        if isComplete { return .finished }
        let phases = Set(live.map(\.phase))
        if phases.contains(.decode) || phases.contains(.prefill) { return .running }
        if phases.contains(.preempted) { return .preempted }
        if phases.contains(.queued) { return .waiting }
        return summary.count > 0 ? .answering : .preparing
    }

    /// What came after the last sequence's end is the client's: the parts add up to the whole.
    private func partsWithClient(of summary: SequenceSummary, live: [SequenceStatistics]) -> LatencyParts {
        var parts = summary.parts
        if live.isEmpty, let answered = answer?.moment, let finished = summary.finished, answered > finished {
            parts[.client] += answered.nanoseconds - finished.nanoseconds
        }
        return parts
    }

    private func writeSequences(to writer: inout JSONWriter, live: [SequenceStatistics]) {
        let shown = (ended + live).prefix(Self.sequenceLimit)
        writer.key("sequences")
        writer.beginArray()
        for sequence in shown {
            sequence.write(to: &writer, prompt: prompts.count > 1 ? promptIndex(of: sequence) : nil)
        }
        writer.endArray()
        let hiddenCount = summary.count + live.count - shown.count
        if hiddenCount > 0 { writer.member("sequences_not_shown", hiddenCount) }
    }
}

extension SequenceStatistics {
    /// - Parameter prompt: Which prompt it continues, if the request has several.
    fileprivate func write(to writer: inout JSONWriter, prompt: Int?) {
        writer.beginObject()
        if let prompt { writer.member("prompt", prompt) }
        writer.member("choice", choice)
        writer.member("phase", phase.rawValue)
        if let reason { writer.member("finish_reason", reason.rawValue) }
        writer.member("prompt_tokens", promptTokenCount)
        writer.member("cached_tokens", cachedPromptTokenCount)
        writer.member("generated_tokens", generatedTokenCount)
        writer.moment("queued", queued, since: arrival)
        writer.moment("scheduled", scheduled, since: arrival)
        writer.key("prefill_chunks")
        writer.beginArray()
        for chunk in prefillChunks {
            writer.beginObject()
            writer.moment("from", chunk.started, since: arrival)
            writer.moment("to", chunk.ended, since: arrival)
            writer.member("tokens", chunk.tokenCount)
            if chunk.stepCount > 1 { writer.member("steps", chunk.stepCount) }
            writer.endObject()
        }
        writer.endArray()
        writer.moment("first_token", firstToken, since: arrival)
        writer.moment("last_token", lastToken, since: arrival)
        writer.member("preemption_count", preemptionCount)
        writer.key("preemptions")
        writer.beginArray()
        for preemption in preemptions {
            writer.beginObject()
            writer.moment("from", preemption.started, since: arrival)
            writer.moment("to", preemption.recovered, since: arrival)
            writer.endObject()
        }
        writer.endArray()
        if phase == .ended { writer.moment("finished", finished, since: arrival) }
        writer.parts(parts)
        writer.endObject()
    }
}

extension JSONWriter {
    fileprivate mutating func member(_ key: String, _ value: String) {
        self.key(key)
        self.value(value)
    }

    fileprivate mutating func member(_ key: String, _ value: Int) {
        self.key(key)
        self.value(value)
    }

    /// Seconds, exact to the nanosecond; null if it has not come about.
    fileprivate mutating func moment(_ key: String, _ moment: Instant?, since start: Instant) {
        self.key(key)
        guard let moment else { return null() }
        value(Double(moment.nanoseconds &- start.nanoseconds) / 1e9)
    }

    fileprivate mutating func parts(_ parts: LatencyParts) {
        key("parts")
        beginObject()
        for part in LatencyPart.allCases {
            key(part.name)
            value(Double(parts[part]) / 1e9)
        }
        endObject()
    }
}
