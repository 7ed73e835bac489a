// One step's plan, as a value.

public import Primitives

/// Names a sequence in its scheduler: an index, given to another sequence once this one has ended.
@frozen
public struct SequenceHandle: Hashable, Sendable {
    public let index: Int

    @inlinable
    public init(index: Int) {
        self.index = index
    }
}

/// Why the head of the queue stays there. Whoever is behind it stays as well, or overtakes it.
public enum WaitingCause: Sendable, Equatable, CaseIterable {
    /// As many sequences run as may.
    case slots
    /// Too few blocks of the cache are free.
    case blocks
    /// The step has no row left, or arrivals are being gathered.
    case tokenBudget
    /// It is another tenant's turn.
    case tenant
}

/// Which sequences compute how many tokens in a step, and what had to happen for it. Reused between steps.
public struct Batch: Sendable, Equatable {
    /// A sequence computes its tokens `start..<end`; its block table covers them.
    @frozen
    public struct Entry: Sendable, Equatable {
        public var sequence: SequenceHandle
        public var start: Int
        public var count: Int
        /// The logits of so many of the last rows are wanted.
        public var logitCount: Int
        /// The rows reach the end of what is known, so that the last one's logits give the next token.
        public var samples: Bool

        public init(sequence: SequenceHandle, start: Int, count: Int, logitCount: Int, samples: Bool) {
            self.sequence = sequence
            self.start = start
            self.count = count
            self.logitCount = logitCount
            self.samples = samples
        }

        public var end: Int { start + count }
        /// It is further behind than by the token that was drawn last: a prompt, or what was lost to preemption.
        var catchesUp: Bool { count > 1 || !samples }
    }

    /// To be copied before the step computes anything, in this order.
    @frozen
    public struct BlockCopy: Sendable, Equatable {
        public var source: BlockID
        public var destination: BlockID

        public init(source: BlockID, destination: BlockID) {
            self.source = source
            self.destination = destination
        }
    }

    public var entries: [Entry] = []
    /// Sequences that lost their blocks and wait again: first those that gave way to a more urgent one, then those
    /// for which there were too few blocks.
    public var preempted: [SequenceHandle] = []
    /// The first ones' number.
    public var displacedCount = 0
    /// Sequences that left the queue, for the first time or again.
    public var admitted: [SequenceHandle] = []
    public var blockCopies: [BlockCopy] = []
    /// Why those that wait now do; nil if nobody does.
    public var waitingCause: WaitingCause?
    /// The same by tenant.
    public var tenantCauses: [WaitingCause?] = []
    public var rowCount = 0
    public var logitRowCount = 0
    /// Of the rows, those of sequences that catch up.
    var prefillRowCount = 0
    /// Prompt tokens of sequences admitted for the first time that were looked up in the prefix cache, and prompt
    /// tokens found there.
    public var prefixQueryCount = 0
    public var prefixHitCount = 0

    public init() {}

    mutating func removeAll(tenantCount: Int) {
        entries.removeAll(keepingCapacity: true)
        preempted.removeAll(keepingCapacity: true)
        displacedCount = 0
        admitted.removeAll(keepingCapacity: true)
        blockCopies.removeAll(keepingCapacity: true)
        waitingCause = nil
        tenantCauses.removeAll(keepingCapacity: true)
        for _ in 0..<tenantCount { tenantCauses.append(nil) }
        rowCount = 0
        logitRowCount = 0
        prefillRowCount = 0
        prefixQueryCount = 0
        prefixHitCount = 0
    }

    mutating func append(_ entry: Entry) {
        entries.append(entry)
        rowCount += entry.count
        logitRowCount += entry.logitCount
        if entry.catchesUp { prefillRowCount += entry.count }
    }
}
