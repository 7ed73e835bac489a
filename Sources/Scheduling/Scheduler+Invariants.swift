// What must be true of a scheduler between any two calls, as code.

import Primitives

/// A law of the scheduler that does not hold: a bug.
public struct SchedulerViolation: Error, Equatable, CustomStringConvertible {
    public let description: String
}

extension Scheduler {
    /// Throws if blocks are lost, counted wrongly or in two places, or if the queues disagree with the sequences.
    ///
    /// Valid before `schedule` and after `commit` with its `extend` and `finish` calls. Linear in sequences and blocks.
    public func checkInvariants() throws(SchedulerViolation) {
        try checkQueues()
        try checkBlocks()
    }

    /// Throws if `batch` exceeds a limit or has a row whose block nobody or somebody else holds.
    public func checkInvariants(of batch: Batch) throws(SchedulerViolation) {
        var seen = Set<SequenceHandle>()
        var written: [BlockID: Int] = [:]
        for entry in batch.entries {
            let state = sequences[entry.sequence.index]
            try require(seen.insert(entry.sequence).inserted, "a sequence is in the batch twice")
            try require(state.phase == .running, "a sequence in the batch is not running")
            try require(entry.count > 0 && entry.end <= state.tokenCount, "an entry is empty or beyond its tokens")
            try require(entry.start == state.computedCount, "an entry leaves a gap")
            let first = entry.start / limits.blockSize
            let last = (entry.end - 1) / limits.blockSize
            try require(last < state.blocks.count, "a row has no block")
            for (offset, block) in state.blocks[first...last].enumerated() {
                let end = min(entry.end, (first + offset + 1) * limits.blockSize)
                try require(written.updateValue(end, forKey: block) == nil, "two sequences write one block")
            }
        }
        for entry in batch.entries {
            // Others may read in this very step what it writes: full blocks, which they begin behind.
            for (index, block) in sequences[entry.sequence.index].blocks.enumerated() {
                let end = (index + 1) * limits.blockSize
                guard let filled = written[block], end <= entry.start else { continue }
                try require(filled == end, "a block is read that is not full")
            }
        }
        for (block, end) in written where end % limits.blockSize != 0 {
            try require(pool.referenceCount(of: block) == 1, "a shared block is written")
        }
        let rowCount = batch.entries.reduce(0) { $0 + $1.count }
        let logitRowCount = batch.entries.reduce(0) { $0 + $1.logitCount }
        try require(rowCount == batch.rowCount && rowCount <= limits.maxBatchedTokens, "the row budget is exceeded")
        try require(
            logitRowCount == batch.logitRowCount && logitRowCount <= limits.maxLogitRows,
            "the budget of logits is exceeded")
        let prefillRowCount = batch.entries.reduce(0) { $0 + ($1.catchesUp ? $1.count : 0) }
        try require(prefillRowCount == batch.prefillRowCount, "rows of those who catch up are counted wrongly")
        try require(
            batch.preempted.count == batch.displacedCount || batch.admitted.isEmpty,
            "a step both lacked blocks and admitted")
        try require(
            Set(batch.preempted).isDisjoint(with: batch.admitted), "a sequence was preempted for its own sake")
        try require(!batch.entries.isEmpty || running.isEmpty, "running sequences, but nothing runs")
    }

    private func checkQueues() throws(SchedulerViolation) {
        let queued = Set(running).union(waiting)
        try require(queued.count == running.count + waiting.count, "a sequence is queued twice")
        for (queue, phase) in [(running, SequenceState.Phase.running), (waiting, .waiting)] {
            let states = queue.map { sequences[$0.index] }
            try require(states.allSatisfy { $0.phase == phase }, "a sequence's phase is not its queue's")
            try require(zip(states, states.dropFirst()).allSatisfy { $0.rank < $1.rank }, "a queue is out of order")
            try require(states.allSatisfy { $0.pendingCount > 0 }, "a sequence has nothing to compute")
            try require(
                states.allSatisfy { $0.bypassCount <= limits.maxBypassCount }, "a sequence was overtaken too often")
        }
        let siblingCounts = [running, waiting].map { $0.reduce(0) { $0 + sequences[$1.index].unforkedSiblings.count } }
        try require(siblingCounts[0] == reservedCount, "reserved places are counted wrongly")
        try require(siblingCounts[1] == waitingSiblingCount, "waiting samples are counted wrongly")
        try require(
            waiting.reduce(0) { $0 + sequences[$1.index].pendingCount } == waitingTokenCount,
            "waiting tokens are counted wrongly")
        try require(running.count + reservedCount <= limits.maxRunningSequences, "too many sequences run")
        let vacantCount = sequences.count { $0.phase == .vacant }
        try require(vacantCount == vacancies.count, "places are lost")
        let knownCount = queued.count + reservedCount + waitingSiblingCount + vacantCount
        try require(knownCount == sequences.count, "sequences are lost")
    }

    private func checkBlocks() throws(SchedulerViolation) {
        var holders = Array(repeating: 0, count: limits.blockCount)
        for state in sequences {
            let expected = state.phase == .running ? limits.blockCount(forTokens: state.computedCount) : 0
            try require(state.blocks.count == expected, "a table does not cover just what is computed")
            for block in state.blocks {
                holders[Int(block)] += 1
            }
        }
        for (block, count) in holders.enumerated() {
            try require(pool.referenceCount(of: BlockID(block)) == count, "block \(block) is referenced wrongly")
        }
        try require(pool.namesAgree, "a name leads to another block")
        for state in sequences where !state.blockHashes.isEmpty {
            try require(
                state.blockHashes.count == state.tokenCount / limits.blockSize, "a full block has no name")
        }
        let free = pool.freeBlocks()
        try require(free.count == pool.freeCount && Set(free).count == free.count, "the free list is broken")
        try require(free.allSatisfy { holders[Int($0)] == 0 }, "a block is both free and used")
        try require(free.count + holders.count { $0 > 0 } == limits.blockCount, "blocks are lost")
    }

    private func require(_ condition: Bool, _ law: @autoclosure () -> String) throws(SchedulerViolation) {
        if !condition { throw SchedulerViolation(description: law()) }
    }
}
