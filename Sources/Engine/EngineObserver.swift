// What the engine reports of its work: plain values, from its own thread, from which every metric is computed.

public import Primitives

/// Watches an engine. Called on the engine's thread, once or twice a step: must not block.
public protocol EngineObserver: AnyObject, Sendable {
    /// After every step, and after every change of the queues without a step (an abort on an idle engine).
    func stepEnded(_ step: borrowing StepStatistics)
}

/// One step: what ran, what changed, and the queues afterwards.
///
/// All counts are of sequences (a request with n samples is n), as vLLM counts.
public struct StepStatistics: Sendable {
    public var startedAt = Instant(nanoseconds: 0)
    public var endedAt = Instant(nanoseconds: 0)
    /// Seconds of `startedAt…endedAt` by phase.
    public var scheduleSeconds = 0.0
    public var forwardSeconds = 0.0
    public var sampleSeconds = 0.0

    /// Sequences taken in since the step before.
    public var arrivedCount = 0
    /// After the step.
    public var runningCount = 0
    public var waitingCount = 0

    /// Rows computed: prompt tokens (recomputed ones too) and tokens of decoding sequences.
    public var prefillTokenCount = 0
    public var decodeTokenCount = 0
    /// The largest number of rows one sequence had in this step beyond a decode's single row; 0 without prefill.
    public var largestPrefillChunk = 0
    /// Prompt lengths of sequences that got their first token in this step, summed.
    public var promptTokenCount = 0
    /// Tokens sampled in this step.
    public var generatedTokenCount = 0
    public var preemptionCount = 0

    public var blockCount = 0
    public var usedBlockCount = 0
    /// Tokens held in used blocks, shared ones counted once.
    public var cachedTokenCount = 0

    /// For each sequence that got its first token in this step, seconds since its arrival.
    public var timesToFirstToken: [Double] = []
    /// For each other sequence that got tokens, seconds since its token before.
    public var interTokenLatencies: [Double] = []
    /// Sequences that ended in this step or were aborted before it.
    public var finished: [SequenceStatistics] = []

    public init() {}
}

/// The whole life of one sequence, told when it ends.
public struct SequenceStatistics: Sendable {
    public var request: RequestID
    public var choice: Int
    public var reason: FinishReason
    public var promptTokenCount: Int
    public var generatedTokenCount: Int
    public var sampleCount: Int
    public var maximumTokens: Int
    public var preemptionCount: Int
    /// When the client's request came in, the engine took it, it first ran, had its first and last token, and ended.
    public var arrival: Instant
    public var queued: Instant
    public var scheduled: Instant?
    public var firstToken: Instant?
    public var lastToken: Instant?
    public var finished: Instant

    public init(
        request: RequestID, choice: Int, reason: FinishReason, promptTokenCount: Int, generatedTokenCount: Int,
        sampleCount: Int, maximumTokens: Int, preemptionCount: Int, arrival: Instant, queued: Instant,
        scheduled: Instant?, firstToken: Instant?, lastToken: Instant?, finished: Instant
    ) {
        self.request = request
        self.choice = choice
        self.reason = reason
        self.promptTokenCount = promptTokenCount
        self.generatedTokenCount = generatedTokenCount
        self.sampleCount = sampleCount
        self.maximumTokens = maximumTokens
        self.preemptionCount = preemptionCount
        self.arrival = arrival
        self.queued = queued
        self.scheduled = scheduled
        self.firstToken = firstToken
        self.lastToken = lastToken
        self.finished = finished
    }
}
