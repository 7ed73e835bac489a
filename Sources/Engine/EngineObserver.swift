// What the engine reports of its work: plain values, from its own thread, from which every metric is computed.

public import Primitives

/// Watches an engine. Called on the engine's thread, once or twice a step: must not block.
public protocol EngineObserver: AnyObject, Sendable {
    /// After every step, and after every change of the queues without a step (an abort on an idle engine).
    func stepEnded(_ step: borrowing StepStatistics)
}

/// The first token of a sequence.
public struct FirstToken: Sendable, Equatable {
    /// Since its arrival.
    public var seconds: Double
    /// The trace of its request, if it has one.
    public var trace: TraceID?
    public var tenant: String

    public init(seconds: Double, trace: TraceID? = nil, tenant: String = RequestOrigin.defaultTenant) {
        self.seconds = seconds
        self.trace = trace
        self.tenant = tenant
    }
}

/// One step: what ran, what changed, and the queues afterwards.
///
/// All counts are of sequences (a request with n samples is n), as vLLM counts.
public struct StepStatistics: Sendable {
    public var startedAt = Instant(nanoseconds: 0)
    public var endedAt = Instant(nanoseconds: 0)
    /// Seconds by phase. Together with the time that the engine slept (`EngineStatus.idleSeconds`) they are all of its
    /// thread's time: `publishSeconds` holds what came after the report before, too.
    public var scheduleSeconds = 0.0
    public var forwardSeconds = 0.0
    public var sampleSeconds = 0.0
    public var publishSeconds = 0.0

    /// Sequences taken in since the step before.
    public var arrivedCount = 0
    /// After the step.
    public var runningCount = 0
    public var waitingCount = 0
    /// Why the head of the queue was not admitted: one of the queue's parts. Nil: nobody waits.
    public var waitingCause: LatencyPart?

    /// Sequences computed; 0: no step took place.
    public var sequenceCount = 0
    /// Rows computed: prompt tokens (recomputed ones too) and tokens of decoding sequences.
    public var prefillTokenCount = 0
    public var decodeTokenCount = 0
    /// Rows whose logits were computed.
    public var logitRowCount = 0
    /// Summed over all rows: tokens that the row attends to, itself included.
    public var attendedTokenCount = 0
    /// Summed over all sequences computed: tokens in the cache at the end of the step, read once at least.
    public var contextTokenCount = 0
    /// The largest number of rows one sequence had in this step beyond a decode's single row; 0 without prefill.
    public var largestPrefillChunk = 0
    /// Prompt lengths of sequences that got their first token in this step, summed, and the part of it found cached.
    public var promptTokenCount = 0
    public var cachedPromptTokenCount = 0
    /// Tokens sampled in this step.
    public var generatedTokenCount = 0
    public var preemptionCount = 0
    /// Prompt tokens of sequences first admitted that were looked up in the prefix cache, and those found.
    public var prefixQueryTokenCount = 0
    public var prefixHitTokenCount = 0

    public var blockCount = 0
    public var usedBlockCount = 0
    /// Tokens held in used blocks, shared ones counted once.
    public var cachedTokenCount = 0

    /// For each sequence that got its first token in this step.
    public var firstTokens: [FirstToken] = []
    /// Of those together: the time since arrival, split among its owners.
    public var firstTokenParts = LatencyParts()
    /// For each other sequence that got tokens, seconds since its token before.
    public var interTokenLatencies: [Double] = []
    /// Sequences that ended in this step or were aborted before it.
    public var finished: [SequenceStatistics] = []
    /// Every tenant that has had a request, in the order of the first ones.
    public var tenants: [TenantStatistics] = []

    public init() {}

    /// Empties it for a new step, keeping the memory of its lists.
    mutating func begin(at now: Instant) {
        var lists = (firstTokens, interTokenLatencies, finished)
        var tenants = tenants
        self = StepStatistics()
        for place in tenants.indices { tenants[place].computedTokenCount = 0 }
        self.tenants = tenants
        lists.0.removeAll(keepingCapacity: true)
        lists.1.removeAll(keepingCapacity: true)
        lists.2.removeAll(keepingCapacity: true)
        (firstTokens, interTokenLatencies, finished) = lists
        startedAt = now
        endedAt = now
    }
}
