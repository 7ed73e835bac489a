// What a scheduler may use, and what it must refuse because it could never be done.

import Primitives

/// Who goes first. Both queues keep this order, so the last of the running ones is the one to give way.
public enum SchedulingPolicy: String, Sendable, CaseIterable {
    /// By arrival.
    case fcfs
    /// By the request's priority, lower first, then by arrival; those of a lower number take the place of others.
    case priority
}

public struct SchedulerLimits: Sendable, Equatable {
    /// Sequences that run at once (`--max-num-seqs`).
    public var maxRunningSequences = 128
    /// Rows of one step (`--max-num-batched-tokens`).
    public var maxBatchedTokens = 2048
    /// Rows of one step whose logits may be wanted.
    public var maxLogitRows = 2048
    /// Tokens of a sequence, prompt and output together (`--max-model-len`).
    public var maxModelLength: Int
    /// Rows one sequence may have in a step (`--long-prefill-token-threshold`). Nil: as many as the step has left.
    public var maxPrefillChunk: Int?
    /// How many others may go before a waiting sequence that does not fit yet (`--max-bypass`). 0: nobody overtakes.
    public var maxBypassCount = 16
    public var blockSize: Int
    public var blockCount: Int
    public var policy = SchedulingPolicy.fcfs
    /// What waiting is worth under `SchedulingPolicy.priority` (`--priority-aging`): one level of priority each time so
    /// much has passed. 0: nothing, so that whoever is less urgent waits for as long as there is anybody else.
    public var priorityAging = Duration.seconds(30)
    /// Under `SchedulingPolicy.priority`: requests of this priority, or a more urgent one, are to have their first
    /// token soon whenever they come, and less urgent ones give way to them within each step. Nil: nobody does.
    public var urgentPriority: Int?
    /// As long as priorities mean something.
    var yieldThreshold: Int? { policy == .priority ? urgentPriority : nil }
    /// At least one, whose index is that of everybody who has no other.
    public var tenants = [TenantLimits()]
    /// See `AdmissionWindow`.
    public var admissionDelay = Duration.milliseconds(10)

    public init(maxModelLength: Int, blockSize: Int, blockCount: Int) {
        self.maxModelLength = maxModelLength
        self.blockSize = blockSize
        self.blockCount = blockCount
    }

    /// Blocks that hold `tokenCount` tokens.
    @inlinable
    public func blockCount(forTokens tokenCount: Int) -> Int {
        (tokenCount + blockSize - 1) / blockSize
    }

    /// A sequence's place in the queues before ties: whoever has a lower one goes first.
    ///
    /// Everybody gains by waiting at the same rate, so that the order of two never changes: a priority stands for a
    /// later or earlier arrival, and no queue has to be sorted anew.
    func urgency(priority: Int, arrival: Instant) -> Int64 {
        guard policy == .priority else { return 0 }
        let aging = agingNanoseconds
        guard aging > 0 else { return Int64(priority) }
        let (offset, isFar) = Int64(priority).multipliedReportingOverflow(by: aging)
        let (urgency, isBeyond) = arrival.nanoseconds.addingReportingOverflow(offset)
        return isFar || isBeyond ? (priority < 0 ? .min : .max) : urgency
    }

    /// A priority as it stands at `now`: that of `urgency` in whole levels, to be compared between tenants.
    func level(priority: Int, arrival: Instant, now: Instant) -> Int {
        guard policy == .priority else { return 0 }
        let aging = agingNanoseconds
        guard aging > 0 else { return priority }
        let (level, isBeyond) = priority.subtractingReportingOverflow(
            Int(max(0, now.nanoseconds &- arrival.nanoseconds) / aging))
        return isBeyond ? .min : level
    }

    private var agingNanoseconds: Int64 {
        let (seconds, attoseconds) = priorityAging.components
        return seconds &* 1_000_000_000 &+ attoseconds / 1_000_000_000
    }

    /// Throws if `request` could never run to its end, however empty the machine is.
    public func check(_ request: SequenceRequest) throws(SchedulingError) {
        guard request.promptCount > 0 else { throw .emptyPrompt }
        guard request.promptCount < maxModelLength else {
            throw .promptTooLong(tokenCount: request.promptCount, limit: maxModelLength)
        }
        guard request.maximumTokens > 0 else { throw .nothingToGenerate }
        guard request.sampleCount > 0, request.sampleCount <= maxRunningSequences else {
            throw .tooManySamples(count: request.sampleCount, limit: maxRunningSequences)
        }
        let (sum, overflow) = request.promptCount.addingReportingOverflow(request.maximumTokens)
        let tokenCount = overflow ? maxModelLength : min(sum, maxModelLength)
        // The last token is drawn but never computed, so it needs no slot.
        let needed = blockCount(forTokens: tokenCount - 1)
        guard needed <= blockCount else { throw .neverFits(neededBlocks: needed, blockCount: blockCount) }
        guard tenants.indices.contains(request.tenant) else { throw .unknownTenant(request.tenant) }
        let own = tenants[request.tenant]
        if let limit = own.maxRunningSequences, request.sampleCount > limit {
            throw .tooManySamples(count: request.sampleCount, limit: limit)
        }
        if let limit = own.maxBlocks, needed > limit { throw .neverFits(neededBlocks: needed, blockCount: limit) }
    }
}

/// What the scheduler must know of a request: numbers only.
public struct SequenceRequest: Sendable, Equatable {
    public var promptCount: Int
    public var maximumTokens: Int
    public var sampleCount = 1
    /// Lower goes first under `SchedulingPolicy.priority`; ignored otherwise.
    public var priority = 0
    /// Index of the limits' tenants.
    public var tenant = 0
    /// Logits of all the prompt's rows are wanted, not of its last alone.
    public var wantsPromptLogits = false
    /// Names of the prompt's full blocks, in order; empty: its blocks are not shared with other requests.
    public var blockHashes: [BlockHash] = []

    public init(promptCount: Int, maximumTokens: Int) {
        self.promptCount = promptCount
        self.maximumTokens = maximumTokens
    }
}

/// Why a request can't be scheduled at all.
public enum SchedulingError: Error, Equatable {
    case emptyPrompt
    case nothingToGenerate
    case promptTooLong(tokenCount: Int, limit: Int)
    case tooManySamples(count: Int, limit: Int)
    case neverFits(neededBlocks: Int, blockCount: Int)
    case unknownTenant(Int)
}
