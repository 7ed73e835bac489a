// What the scheduler knows of one sequence.

import Primitives

/// One sequence: how far it is known, how far it is computed, and which blocks hold that.
struct SequenceState: Sendable {
    enum Phase: Sendable {
        /// The entry is free for another sequence.
        case vacant
        case waiting
        /// A sample that waits for its group's first one to compute their prompt.
        case unforked
        case running
    }

    /// Its place in both queues: unique, and the same for the whole of its life.
    struct Rank: Comparable, Sendable {
        /// `SchedulerLimits.urgency`.
        var urgency: Int64
        var arrival: UInt64
        var sample: Int

        static func < (left: Rank, right: Rank) -> Bool {
            (left.urgency, left.arrival, left.sample) < (right.urgency, right.arrival, right.sample)
        }
    }

    var phase = Phase.vacant
    var rank = Rank(urgency: 0, arrival: 0, sample: 0)
    /// Index of the limits' tenants.
    var tenant = 0
    /// The request's own.
    var priority = 0
    var arrival = Instant(nanoseconds: 0)
    var promptCount = 0
    /// Prompt and output.
    var tokenCount = 0
    /// Tokens whose K and V are in the cache.
    var computedCount = 0
    /// The first position of the prompt whose logits are still wanted; `promptCount` if none are.
    var unscoredPosition = 0
    var preemptionCount = 0
    /// Others that went before it while it waited for room.
    var bypassCount = 0
    /// Block i holds the tokens from i × block size on.
    var blocks: [BlockID] = []
    /// Of the full blocks of its tokens, in order; empty if it shares nothing.
    var blockHashes: [BlockHash] = []
    /// Tokens of the prompt that it did not compute, having found them.
    var foundCount = 0
    /// Of a group's first sample: those that still wait for it, in order.
    var unforkedSiblings: [SequenceHandle] = []
    /// Of an unforked one: the sample it waits for.
    var leader: SequenceHandle?

    var pendingCount: Int { tokenCount - computedCount }

    /// How many of the last rows of `computedCount..<end` need their logits.
    func logitCount(through end: Int) -> Int {
        // No output exists before the prompt is scored, so such rows never reach beyond the prompt.
        if unscoredPosition < promptCount { return max(0, end - max(computedCount, unscoredPosition)) }
        return end == tokenCount ? 1 : 0
    }

    /// The most rows whose wanted logits are no more than `limit`, at least 1.
    func rowLimit(forLogits limit: Int) -> Int {
        unscoredPosition < promptCount ? max(0, unscoredPosition - computedCount) + limit : Int.max
    }
}
