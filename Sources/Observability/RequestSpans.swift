// What a trace shows of a request: vLLM's span with its attributes, and below it where the time went.

import Engine
import Primitives
import Tracing

extension OTLPTracer {
    /// Begins the span of a request, which stands for it in its trace from here on.
    func startRequest(_ identity: RequestIdentity, at arrival: WallTime) -> OTLPSpan {
        var context = InstrumentationContext.topLevel
        context.traceContext = identity.trace
        let span = startSpan("llm_request", context: context, ofKind: .server, at: arrival)
        if let place = span.context.traceContext { identity.enter(place) }
        return span
    }

    /// Ends the span of a request, with a child for each time of each of its sequences.
    func end(_ span: OTLPSpan, of timeline: RequestTimeline) {
        guard span.isRecording else { return }
        span.attributes = timeline.spanAttributes
        if let answer = timeline.answer, answer.outcome != .success {
            span.setStatus(SpanStatus(code: .error, message: answer.outcome.rawValue))
        }
        for sequence in timeline.ended {
            let prompt = timeline.prompts.count > 1 ? timeline.promptIndex(of: sequence) : nil
            for time in SequenceTime.all(of: sequence) {
                let child = startSpan(time.name, context: span.context, at: timeline.clock.wallTime(of: time.start))
                var attributes = time.attributes
                if sequence.sampleCount > 1 { attributes["pagoda.choice"] = sequence.choice }
                attributes["pagoda.prompt"] = prompt
                child.attributes = attributes
                for (name, moment) in time.events {
                    child.addEvent(SpanEvent(name: name, at: timeline.clock.wallTime(of: moment)))
                }
                child.end(at: timeline.clock.wallTime(of: time.end))
            }
        }
        span.end(at: timeline.clock.wallTime(of: timeline.end ?? .now()))
    }
}

extension RequestTimeline {
    /// Names and conditions are vLLM's (vllm/tracing/utils.py, v1/engine/output_processor.py); times of several
    /// sequences go from the first one's beginning to the last one's end.
    fileprivate var spanAttributes: SpanAttributes {
        var attributes = SpanAttributes()
        attributes["gen_ai.request.id"] = identity.id
        attributes["gen_ai.request.n"] = subject.sampleCount
        attributes["gen_ai.usage.prompt_tokens"] = promptTokenCount
        attributes["gen_ai.usage.completion_tokens"] = summary.generatedTokenCount
        if let sequence = ended.first {
            attributes["gen_ai.request.max_tokens"] = sequence.maximumTokens
            if sequence.topP > 0 { attributes["gen_ai.request.top_p"] = Self.decimal(sequence.topP) }
            let temperature = Self.decimal(sequence.temperature)
            if temperature > 0 { attributes["gen_ai.request.temperature"] = temperature }
        }
        func time(_ name: String, from start: Instant?, to end: Instant?) {
            guard let start, let end else { return }
            attributes["gen_ai.latency.\(name)"] = end.seconds(since: start)
        }
        time("time_in_queue", from: summary.queued, to: summary.scheduled)
        time("time_to_first_token", from: subject.arrival, to: summary.firstToken)
        time("e2e", from: subject.arrival, to: summary.finished ?? end)
        time("time_in_model_prefill", from: summary.scheduled, to: summary.firstToken)
        time("time_in_model_decode", from: summary.firstToken, to: summary.lastToken)
        time("time_in_model_inference", from: summary.scheduled, to: summary.lastToken)
        attributes["http.route"] = subject.endpoint
        if let answer, answer.status > 0 { attributes["http.response.status_code"] = answer.status }
        return attributes
    }

    /// The number that was written, rather than its neighbour with 24 bits.
    private static func decimal(_ value: Float) -> Double {
        Double("\(value)") ?? Double(value)
    }
}

/// One of the times of a sequence's life.
private struct SequenceTime {
    var name: String
    var start: Instant
    var end: Instant
    var attributes = SpanAttributes()
    var events: [(name: String, moment: Instant)] = []

    static func all(of sequence: SequenceStatistics) -> [SequenceTime] {
        var times = [
            SequenceTime(name: "queue", start: sequence.queued, end: sequence.scheduled ?? sequence.finished)
        ]
        if let scheduled = sequence.scheduled {
            let prefillEnd = sequence.firstToken ?? sequence.finished
            var prefill = SequenceTime(name: "prefill", start: scheduled, end: prefillEnd)
            prefill.attributes["pagoda.prompt_tokens"] = sequence.promptTokenCount
            prefill.attributes["pagoda.cached_tokens"] = sequence.cachedPromptTokenCount
            prefill.attributes["pagoda.prefill_steps"] = sequence.prefillChunks.reduce(0) { $0 + $1.stepCount }
            prefill.addPreemptions(of: sequence, until: { $0 < prefillEnd })
            times.append(prefill)
        }
        if let firstToken = sequence.firstToken {
            var decode = SequenceTime(name: "decode", start: firstToken, end: sequence.lastToken ?? sequence.finished)
            decode.attributes["pagoda.generated_tokens"] = sequence.generatedTokenCount
            decode.attributes["pagoda.finish_reason"] = sequence.reason?.rawValue
            decode.addPreemptions(of: sequence, until: { $0 <= sequence.finished })
            times.append(decode)
        }
        return times
    }

    /// - Parameter isInside: Whether a moment after the beginning belongs to this time.
    private mutating func addPreemptions(of sequence: SequenceStatistics, until isInside: (Instant) -> Bool) {
        for preemption in sequence.preemptions {
            for (name, moment) in [("preempted", preemption.started), ("recovered", preemption.recovered)] {
                if let moment, moment >= start, isInside(moment) { events.append((name, moment)) }
            }
        }
    }
}
