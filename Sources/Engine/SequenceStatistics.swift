// The life of one sequence, as the engine tells it.

public import Primitives

/// Where a sequence stands.
public enum SequencePhase: String, Sendable, CaseIterable {
    /// In the queue, for the first time.
    case queued
    /// Its prompt is being computed, in one step or in several.
    case prefill
    /// It has its first token.
    case decode
    /// It lost its blocks: waits to get them back, or is computed again up to where it was.
    case preempted
    case ended
}

/// One step in which a sequence's prompt was computed, or a run of them.
public struct PrefillChunk: Sendable, Equatable {
    public var started: Instant
    public var ended: Instant
    public var tokenCount: Int
    /// Above 1 only in the last of a list: it takes in what came after the list was full.
    public var stepCount = 1

    public init(started: Instant, ended: Instant, tokenCount: Int) {
        self.started = started
        self.ended = ended
        self.tokenCount = tokenCount
    }
}

/// A time without blocks.
public struct PreemptionSpan: Sendable, Equatable {
    public var started: Instant
    /// When everything it had was computed again; nil if that did not come about.
    public var recovered: Instant?

    public init(started: Instant, recovered: Instant? = nil) {
        self.started = started
        self.recovered = recovered
    }
}

/// The whole life of one sequence, told when it ends; of one in flight, its life so far.
public struct SequenceStatistics: Sendable {
    public var request: RequestID
    public var origin = RequestOrigin(arrival: Instant(nanoseconds: 0))
    public var choice: Int
    public var phase = SequencePhase.ended
    /// Nil as long as it goes on.
    public var reason: FinishReason?
    /// Set if the engine dropped it.
    public var expiry: RequestExpiry?
    public var promptTokenCount: Int
    /// Of the prompt's tokens, those that another request had left in the cache.
    public var cachedPromptTokenCount = 0
    public var generatedTokenCount: Int
    public var sampleCount: Int
    public var maximumTokens: Int
    public var temperature: Float = 1
    public var topP: Float = 1
    /// Lower goes first, under the priority policy alone.
    public var priority = 0
    /// Of the prompt's full blocks, in order: equal names mean equal prompts up to there, of the same tenant. Random
    /// numbers to whoever does not know the prompt. None without a prefix cache.
    public var blockNames: [UInt64] = []
    public var preemptionCount: Int
    /// When the client's request came in, the engine took it, it first ran, had its first and last token, and ended
    /// (of one in flight: when it was looked at).
    public var arrival: Instant
    public var queued: Instant
    public var scheduled: Instant?
    public var firstToken: Instant?
    public var lastToken: Instant?
    public var finished: Instant
    /// `arrival…finished`, split among its owners; of samples of one prompt, each has the prompt's time.
    public var parts = LatencyParts()
    /// `arrival…firstToken`, likewise; nil without a first token.
    public var firstTokenParts: LatencyParts?
    /// The steps that computed its prompt, recomputation after preemption not among them; the first 32.
    public var prefillChunks: [PrefillChunk] = []
    /// The first 32.
    public var preemptions: [PreemptionSpan] = []

    public init(
        request: RequestID, choice: Int, reason: FinishReason?, promptTokenCount: Int, generatedTokenCount: Int,
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
