// A request and its samples as the engine's thread keeps them.

import Primitives
import Sampling
import Scheduling

/// One sample of a request.
struct SequenceRun {
    let handle: SequenceHandle
    /// Made with the first draw, since its counts are as large as the vocabulary and a queue may be long.
    var sampler: SequenceSampler?
    var output: [TokenID] = []
    var scheduled: Instant?
    var firstToken: Instant?
    var lastToken: Instant?
    var hasEnded = false
}

/// A request from submission to the end of its last choice. Belongs to the engine's thread.
final class RequestRun {
    let request: EngineRequest
    let queue: EventQueue
    let queued: Instant
    let stopRule: StopRule
    /// By choice.
    var sequences: [SequenceRun]
    var openCount: Int
    /// Of the prompt's tokens from the second on, as far as computed.
    var promptLogprobs: [PositionLogprobs] = []
    /// This step's events, and how many of them end a choice.
    private var outbox: [EngineEvent] = []
    private var endingCount = 0

    init(_ submission: Submission, handles: [SequenceHandle], maxModelLength: Int) {
        request = submission.request
        queue = submission.queue
        queued = submission.queued
        stopRule = StopRule(
            parameters: request.parameters, promptTokenCount: request.promptTokenIDs.count,
            maxModelLength: maxModelLength)
        sequences = handles.map { SequenceRun(handle: $0) }
        openCount = handles.count
    }

    /// Whether the step has something to tell the client.
    var hasNews: Bool { !outbox.isEmpty }

    func append(_ event: EngineEvent) {
        outbox.append(event)
        if case .finished = event { endingCount += 1 }
    }

    func deliver() {
        queue.deliver(outbox, endingCount: endingCount)
        outbox.removeAll(keepingCapacity: true)
        endingCount = 0
    }

    /// The token at `position` of sample `choice`.
    func token(at position: Int, choice: Int) -> TokenID {
        let promptCount = request.promptTokenIDs.count
        return position < promptCount
            ? request.promptTokenIDs[position] : sequences[choice].output[position - promptCount]
    }

    func statistics(
        of choice: Int, reason: FinishReason, preemptionCount: Int, finished: Instant
    ) -> SequenceStatistics {
        let sequence = sequences[choice]
        return SequenceStatistics(
            request: request.id, choice: choice, reason: reason, promptTokenCount: request.promptTokenIDs.count,
            generatedTokenCount: sequence.output.count, sampleCount: request.sampleCount,
            maximumTokens: request.parameters.maximumTokens, preemptionCount: preemptionCount,
            arrival: request.arrival, queued: queued, scheduled: sequence.scheduled,
            firstToken: sequence.firstToken, lastToken: sequence.lastToken, finished: finished)
    }
}
