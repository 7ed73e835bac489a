// What a server was asked for, how it was set, and what its steps took: all that replaying it needs.

/// The arrivals of a time at a server, to be replayed under other settings.
public struct Workload: Sendable, Equatable {
    /// Seconds that were looked at. Requests arrive within them.
    public var duration: Double
    public var settings: WorkloadSettings
    /// In the order of their arrival.
    public var requests: [WorkloadRequest] = []
    /// Some of the server's steps, of every size that it had.
    public var steps: [StepSample] = []
    /// Seconds from a sequence's token to its next: the last ones measured.
    public var interTokenLatencies: [Double] = []
    /// How many times a sequence of these requests lost its blocks, as measured.
    public var preemptionCount = 0
    /// Sequences that had not ended yet, and are not among the requests.
    public var unfinishedCount = 0

    public init(duration: Double, settings: WorkloadSettings) {
        self.duration = duration
        self.settings = settings
    }
}

/// One client's request.
public struct WorkloadRequest: Sendable, Equatable {
    /// Seconds from the beginning of the workload.
    public var arrival: Double
    public var promptTokenCount: Int
    /// Tokens that each sample had at its end.
    public var generatedTokenCounts: [Int]
    public var priority = 0
    /// Index of `WorkloadSettings.tenants`.
    public var tenant = 0
    /// Names of the prompt's full blocks of `WorkloadSettings.blockSize` tokens, a chain: equal names mean equal
    /// prompts up to there. Empty: it shares with nobody.
    public var prefixBlocks: [UInt64] = []
    /// Seconds from its arrival to its first token and to its end, as measured; nil: it never came.
    public var firstTokenLatency: Double?
    public var endLatency: Double?
    /// Its client left, or it was dropped: it took what it had, and says nothing of latency.
    public var wasAborted = false

    public init(arrival: Double, promptTokenCount: Int, generatedTokenCounts: [Int]) {
        self.arrival = arrival
        self.promptTokenCount = promptTokenCount
        self.generatedTokenCounts = generatedTokenCounts
    }
}

/// The settings that decide what runs when.
public struct WorkloadSettings: Sendable, Equatable {
    /// `--max-num-seqs`.
    public var maxRunningSequences = 128
    /// `--max-num-batched-tokens`, after the executor's own limit.
    public var maxBatchedTokens = 2048
    /// Rows of one step whose logits may be wanted.
    public var maxLogitRows = 2048
    /// `--max-model-len`.
    public var maxModelLength: Int
    /// `--long-prefill-token-threshold`.
    public var maxPrefillChunk: Int?
    /// `--max-bypass`.
    public var maxBypassCount = 16
    /// `--max-decode-slowdown`.
    public var maxDecodeSlowdown = 0.0
    /// `--scheduling-policy`: fcfs or priority.
    public var policy = "fcfs"
    /// `--priority-aging`, in seconds.
    public var priorityAging = 30.0
    /// Requests of this priority, or a more urgent one, are those that others give way to within a step, where
    /// priorities mean something; nil: all tenants are equally urgent.
    public var urgentPriority: Int?
    /// `--scheduler-delay`, in seconds.
    public var schedulerDelay = 0.01
    /// `--enable-prefix-caching`.
    public var cachesPrefixes = true
    public var blockSize: Int
    public var blockCount: Int
    /// K and V of one token, all layers.
    public var cacheBytesPerToken = 0
    /// At least one: the first is that of everybody who has no other.
    public var tenants = [WorkloadTenant(name: "default")]

    public init(maxModelLength: Int, blockSize: Int, blockCount: Int) {
        self.maxModelLength = maxModelLength
        self.blockSize = blockSize
        self.blockCount = blockCount
    }
}

/// A tenant, as far as the scheduler knows it.
public struct WorkloadTenant: Sendable, Equatable {
    public var name: String
    public var weight = 1.0
    public var maxRunningSequences: Int?
    public var maxBlocks: Int?

    public init(name: String) {
        self.name = name
    }
}

/// The sizes of one step, and what it took.
public struct StepSample: Sendable, Equatable {
    public var sequenceCount: Int
    /// Rows of prompts (recomputed ones too) and of decoding sequences.
    public var prefillRowCount: Int
    public var decodeRowCount: Int
    public var logitRowCount: Int
    /// Summed over all rows: tokens that the row attends to.
    public var attendedTokenCount: Int
    /// Summed over all sequences: tokens in the cache at the end of the step.
    public var contextTokenCount: Int
    /// From the step's plan to the next one's, without sleep.
    public var seconds: Double

    public init(
        sequenceCount: Int, prefillRowCount: Int, decodeRowCount: Int, logitRowCount: Int, attendedTokenCount: Int,
        contextTokenCount: Int, seconds: Double
    ) {
        self.sequenceCount = sequenceCount
        self.prefillRowCount = prefillRowCount
        self.decodeRowCount = decodeRowCount
        self.logitRowCount = logitRowCount
        self.attendedTokenCount = attendedTokenCount
        self.contextTokenCount = contextTokenCount
        self.seconds = seconds
    }
}
