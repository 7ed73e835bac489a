// What the scheduler can tell of the cache.

extension Scheduler {
    /// Tokens held in used blocks, shared ones counted once. Valid between steps.
    public var cachedTokenCount: Int {
        var partialTokenCount = 0.0
        var partialBlockCount = 0.0
        for sequence in running {
            let tail = sequences[sequence.index].computedCount % limits.blockSize
            guard tail > 0, let last = sequences[sequence.index].blocks.last else { continue }
            // Each holder of a shared block counts its part of it.
            let share = 1 / Double(pool.referenceCount(of: last))
            partialTokenCount += share * Double(tail)
            partialBlockCount += share
        }
        let fullBlockCount = pool.usedCount - Int(partialBlockCount.rounded())
        return fullBlockCount * limits.blockSize + Int(partialTokenCount.rounded())
    }

    /// How often `sequence` lost its blocks.
    public func preemptionCount(of sequence: SequenceHandle) -> Int {
        sequences[sequence.index].preemptionCount
    }

    /// Tokens of the prompt of `sequence` that others had computed.
    public func foundTokenCount(of sequence: SequenceHandle) -> Int {
        sequences[sequence.index].foundCount
    }

    public func isRunning(_ sequence: SequenceHandle) -> Bool {
        sequences[sequence.index].phase == .running
    }

    /// Tokens of `sequence` in the cache.
    public func computedTokenCount(of sequence: SequenceHandle) -> Int {
        sequences[sequence.index].computedCount
    }
}
