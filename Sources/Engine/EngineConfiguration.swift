// What an engine is allowed to use, and how it refuses.

public import Models
public import Scheduling

public struct EngineConfiguration: Sendable, Equatable {
    /// `--max-num-seqs`.
    public var maxRunningSequences = 128
    /// `--max-num-batched-tokens`; the executor's own limit stands above it.
    public var maxBatchedTokens = 2048
    /// `--max-model-len`: tokens of a sequence, prompt and output together.
    public var maxModelLength: Int
    /// `--long-prefill-token-threshold`: rows one sequence may have in a step. Nil: no limit of its own.
    public var maxPrefillChunk: Int?
    /// `--max-bypass`: requests that may go before one that does not fit yet.
    public var maxBypassCount = 16
    /// `--max-decode-slowdown`: see `PrefillPacer`. 0: prompts take what a step has left.
    public var maxDecodeSlowdown = 0.0
    /// `--scheduling-policy`.
    public var policy = SchedulingPolicy.fcfs
    /// `--priority-aging`: see `SchedulerLimits.priorityAging`.
    public var priorityAging = Duration.seconds(30)
    /// `--scheduler-delay`: see `AdmissionWindow`.
    public var schedulerDelay = Duration.milliseconds(10)
    /// `--enable-prefix-caching`: requests with a common prefix share its blocks, and compute it once.
    public var cachesPrefixes = true
    /// Requests whose keys are rotated differently share no prefix.
    public var rotaryVariants = RotaryVariants()
    /// `--seed`: from it come the seeds of requests that bring none.
    public var seed: UInt64 = 0

    /// Whoever is not among them is one tenant together.
    public var tenants: [EngineTenant] = []

    /// Whether a request's priority means something.
    public var heedsPriorities: Bool { policy == .priority }

    public init(maxModelLength: Int) {
        self.maxModelLength = maxModelLength
    }

    /// The scheduler's limits on an executor with this cache. Their tenants are that of everybody who has no other,
    /// then the others of `tenants` in their order.
    public func limits(
        _ capacity: CacheCapacity, maximumRows: Int, maximumLogitRows: Int
    ) throws(EngineError) -> SchedulerLimits {
        let named = [
            ("max-num-seqs", maxRunningSequences), ("max-num-batched-tokens", maxBatchedTokens),
            ("max-model-len", maxModelLength), ("long-prefill-token-threshold", maxPrefillChunk ?? 1),
            ("block-size", capacity.blockSize), ("number of blocks", capacity.blockCount),
            ("executor's rows", maximumRows), ("executor's rows of logits", maximumLogitRows),
        ]
        for (name, value) in named where Int32(exactly: value).map({ $0 < 1 }) ?? true {
            throw .invalidConfiguration("\(name) is \(value), outside 1...\(Int32.max)")
        }
        // Slots are 32 bits wide in a batch.
        guard Int32(exactly: capacity.blockCount * capacity.blockSize) != nil else {
            throw .invalidConfiguration("the cache has more than \(Int32.max) slots")
        }
        var limits = SchedulerLimits(
            maxModelLength: maxModelLength, blockSize: capacity.blockSize, blockCount: capacity.blockCount)
        limits.maxRunningSequences = maxRunningSequences
        limits.maxBatchedTokens = min(maxBatchedTokens, maximumRows)
        limits.maxLogitRows = maximumLogitRows
        limits.maxPrefillChunk = maxPrefillChunk
        limits.maxBypassCount = max(0, maxBypassCount)
        limits.policy = policy
        limits.priorityAging = priorityAging
        limits.admissionDelay = schedulerDelay
        let index = try TenantIndex(tenants, blockCount: capacity.blockCount)
        limits.tenants = index.limits
        limits.urgentPriority = index.urgentPriority
        return limits
    }
}
