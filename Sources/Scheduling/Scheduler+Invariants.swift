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
        try checkEntries(of: batch)
        let rowCount = batch.entries.reduce(0) { $0 + $1.count }
        let logitRowCount = batch.entries.reduce(0) { $0 + $1.logitCount }
        let prefillRowCount = batch.entries.reduce(0) { $0 + ($1.catchesUp ? $1.count : 0) }
        try require(rowCount == batch.rowCount && rowCount <= limits.maxBatchedTokens, "the row budget is exceeded")
        try require(
            logitRowCount == batch.logitRowCount && logitRowCount <= limits.maxLogitRows,
            "the budget of logits is exceeded")
        try require(prefillRowCount == batch.prefillRowCount, "rows of those who catch up are counted wrongly")
        try require(
            batch.preempted.count == batch.displacedCount || batch.admitted.isEmpty,
            "a step both lacked blocks and admitted")
        try require(
            batch.preempted.allSatisfy { !batch.admitted.contains($0) }, "a sequence was preempted for its own sake")
        try require(!batch.entries.isEmpty || running.isEmpty, "running sequences, but nothing runs")
    }

    private func checkEntries(of batch: Batch) throws(SchedulerViolation) {
        var isSeen = Array(repeating: false, count: sequences.count)
        // By block, up to which position of its table it is written; 0: it is not.
        var written = Array(repeating: 0, count: limits.blockCount)
        for entry in batch.entries {
            let index = entry.sequence.index
            try require(!isSeen[index], "a sequence is in the batch twice")
            isSeen[index] = true
            try require(sequences[index].phase == .running, "a sequence in the batch is not running")
            try require(
                entry.count > 0 && entry.end <= sequences[index].tokenCount, "an entry is empty or beyond its tokens")
            try require(entry.start == sequences[index].computedCount, "an entry leaves a gap")
            let first = entry.start / limits.blockSize, last = (entry.end - 1) / limits.blockSize
            try require(last < sequences[index].blocks.count, "a row has no block")
            for place in first...last {
                let block = Int(sequences[index].blocks[place])
                try require(written[block] == 0, "two sequences write one block")
                written[block] = min(entry.end, (place + 1) * limits.blockSize)
            }
        }
        for entry in batch.entries {
            // Others may read in this very step what it writes: full blocks, which they begin behind.
            for (place, block) in sequences[entry.sequence.index].blocks.enumerated() {
                let end = (place + 1) * limits.blockSize
                guard written[Int(block)] > 0, end <= entry.start else { continue }
                try require(written[Int(block)] == end, "a block is read that is not full")
            }
        }
        for (block, end) in written.enumerated() where end % limits.blockSize != 0 {
            try require(pool.referenceCount(of: BlockID(block)) == 1, "a shared block is written")
        }
    }

    private func checkQueues() throws(SchedulerViolation) {
        var isQueued = Array(repeating: false, count: sequences.count)
        let queues = tenants.map { ($0.waiting, SequenceState.Phase.waiting) } + [(running, .running)]
        for (queue, phase) in queues {
            for (place, sequence) in queue.enumerated() {
                let index = sequence.index
                try require(!isQueued[index], "a sequence is queued twice")
                isQueued[index] = true
                try require(sequences[index].phase == phase, "a sequence's phase is not its queue's")
                try require(
                    place == 0 || sequences[queue[place - 1].index].rank < sequences[index].rank,
                    "a queue is out of order")
                try require(sequences[index].pendingCount > 0, "a sequence has nothing to compute")
                try require(sequences[index].bypassCount <= limits.maxBypassCount, "a sequence was overtaken too often")
            }
        }
        let waiting = tenants.flatMap(\.waiting)
        try require(waiting.count == queuedCount, "waiting sequences are counted wrongly")
        let siblingCounts = [running, waiting].map { $0.reduce(0) { $0 + sequences[$1.index].unforkedSiblings.count } }
        try require(siblingCounts[0] == reservedCount, "reserved places are counted wrongly")
        try require(siblingCounts[1] == waitingSiblingCount, "waiting samples are counted wrongly")
        try require(
            waiting.reduce(0) { $0 + sequences[$1.index].pendingCount } == waitingTokenCount,
            "waiting tokens are counted wrongly")
        try require(running.count + reservedCount <= limits.maxRunningSequences, "too many sequences run")
        let round = makeRound()
        for (tenant, count) in round.placeCounts.enumerated() {
            try require(count <= limits.tenants[tenant].maxRunningSequences ?? .max, "a tenant has too many places")
        }
        let vacantCount = sequences.count { $0.phase == .vacant }
        try require(vacantCount == vacancies.count, "places are lost")
        let knownCount = running.count + waiting.count + reservedCount + waitingSiblingCount + vacantCount
        try require(knownCount == sequences.count, "sequences are lost")
    }

    private func checkBlocks() throws(SchedulerViolation) {
        var holders = Array(repeating: 0, count: limits.blockCount)
        for index in sequences.indices {
            let isRunning = sequences[index].phase == .running
            let expected = isRunning ? limits.blockCount(forTokens: sequences[index].computedCount) : 0
            try require(sequences[index].blocks.count == expected, "a table does not cover just what is computed")
            for block in sequences[index].blocks {
                holders[Int(block)] += 1
            }
            let nameCount = sequences[index].blockHashes.count
            try require(
                nameCount == 0 || nameCount == sequences[index].tokenCount / limits.blockSize,
                "a full block has no name")
        }
        try require(pool.namesAgree, "a name leads to another block")
        for block in pool.freeBlocks() {
            try require(holders[Int(block)] == 0, "a block is free twice, or both free and used")
            try require(pool.referenceCount(of: block) == 0, "a free block is referenced")
            holders[Int(block)] = -1
        }
        for (block, count) in holders.enumerated() {
            try require(count != 0, "blocks are lost")
            try require(
                count < 0 || pool.referenceCount(of: BlockID(block)) == count, "block \(block) is referenced wrongly")
        }
        try require(pool.freeCount == holders.count { $0 < 0 }, "free blocks are counted wrongly")
    }

    private func require(_ condition: Bool, _ law: @autoclosure () -> String) throws(SchedulerViolation) {
        if !condition { throw SchedulerViolation(description: law()) }
    }
}
