// How sequences enter and leave the scheduler's queues.

import Primitives

extension Scheduler {
    /// Looked at beyond the first one that does not fit, so that a step's planning has a bound.
    private static let bypassDepth = 8

    /// Admits waiting sequences in order until a limit is reached.
    ///
    /// One that does not fit yet, for want of places or blocks, may be overtaken by those behind it that do, so many
    /// times as the limits say; then everybody waits for it. Nobody overtakes one that has run and lost its blocks.
    ///
    /// - Returns: what keeps the first of those that still wait from running; nil if nobody waits.
    mutating func admitWaiting(at now: Instant, into batch: inout Batch) -> WaitingCause? {
        guard let oldest = waiting.first else { return nil }
        guard !isGathering(oldest, at: now) else { return .tokenBudget }
        var promised = promisedBlockCount()
        var cause: WaitingCause?
        // All before it have been looked at, and stay.
        var place = 0
        while place < waiting.count, place <= Self.bypassDepth {
            guard hasPrefillRows(beside: batch) else { return cause ?? .tokenBudget }
            if let obstacle = admit(at: place, promised: &promised, into: &batch) {
                cause = cause ?? obstacle
                guard canBeBypassed(waiting[place]) else { break }
                place += 1
            } else if place > 0, noteBypass(ofFirst: place) {
                break
            }
        }
        return waiting.isEmpty ? nil : cause ?? .tokenBudget
    }

    /// Blocks that running sequences still need for what they already have to compute.
    func promisedBlockCount() -> Int {
        var count = 0
        for sequence in running { count += promisedBlockCount(to: sequence) }
        return count
    }

    func promisedBlockCount(to sequence: SequenceHandle) -> Int {
        let tokenCount = sequences[sequence.index].tokenCount
        return max(0, limits.blockCount(forTokens: tokenCount) - sequences[sequence.index].blocks.count)
    }

    private func canBeBypassed(_ sequence: SequenceHandle) -> Bool {
        sequences[sequence.index].preemptionCount == 0
            && sequences[sequence.index].bypassCount < limits.maxBypassCount
    }

    /// - Returns: whether one of them must not be overtaken again.
    private mutating func noteBypass(ofFirst count: Int) -> Bool {
        var isExhausted = false
        for sequence in waiting[..<count] {
            sequences[sequence.index].bypassCount += 1
            if !canBeBypassed(sequence) { isExhausted = true }
        }
        return isExhausted
    }

    /// Admits the waiting sequence at `place` to a step that has rows for it.
    ///
    /// - Parameter promised: Of the free blocks, those that the running ones still need.
    /// - Returns: what keeps it as a whole from running; nothing has changed then.
    private mutating func admit(at place: Int, promised: inout Int, into batch: inout Batch) -> WaitingCause? {
        let sequence = waiting[place], index = sequence.index
        let siblingCount = sequences[index].unforkedSiblings.count
        guard running.count + reservedCount + 1 + siblingCount <= limits.maxRunningSequences else { return .slots }
        // All of it must fit, not just the first chunk, beside what the running ones still need of their own prompts:
        // otherwise long prompts would push each other out again and again.
        let found = foundBlocks(for: sequence, from: 0)
        let needed = limits.blockCount(forTokens: sequences[index].tokenCount)
        let used = found.count { pool.referenceCount(of: $0) > 0 }
        guard needed - used + promised <= pool.freeCount else { return .blocks }
        dequeue(at: place)
        take(found, forAdmitted: sequence, in: &batch)
        guard let entry = plan(sequence, beside: batch, sparing: 0), provideBlocks(for: entry, in: &batch) else {
            releaseBlocks(of: sequence)
            enqueue(sequence)
            return .blocks
        }
        promised += needed - sequences[index].blocks.count
        reservedCount += siblingCount
        enterRunning(sequence)
        batch.admitted.append(sequence)
        batch.append(entry)
        return nil
    }

    /// Ends `sequence` wherever it is and frees its blocks; an unforked group ends with its first sample.
    public mutating func finish(_ sequence: SequenceHandle) {
        let siblings = sequences[sequence.index].unforkedSiblings
        switch sequences[sequence.index].phase {
        case .vacant:
            return
        case .waiting:
            dequeue(at: position(of: sequence, in: waiting))
        case .running:
            running.remove(at: position(of: sequence, in: running))
            reservedCount -= siblings.count
        case .unforked:
            leaveGroup(sequence)
        }
        for sibling in siblings {
            vacate(sibling)
        }
        releaseBlocks(of: sequence)
        vacate(sequence)
    }

    // MARK: - Places

    mutating func place(_ state: SequenceState) -> SequenceHandle {
        if let handle = vacancies.popLast() {
            sequences[handle.index] = state
            return handle
        }
        sequences.append(state)
        return SequenceHandle(index: sequences.count - 1)
    }

    private mutating func vacate(_ sequence: SequenceHandle) {
        sequences[sequence.index] = SequenceState()
        vacancies.append(sequence)
    }

    private mutating func leaveGroup(_ sibling: SequenceHandle) {
        guard let leader = sequences[sibling.index].leader else { return }
        sequences[leader.index].unforkedSiblings.removeAll { $0 == sibling }
        if sequences[leader.index].phase == .running { reservedCount -= 1 } else { waitingSiblingCount -= 1 }
    }

    // MARK: - Queues

    mutating func enqueue(_ sequence: SequenceHandle) {
        sequences[sequence.index].phase = .waiting
        waiting.insert(sequence, at: position(of: sequence, in: waiting))
        waitingTokenCount += sequences[sequence.index].pendingCount
        waitingSiblingCount += sequences[sequence.index].unforkedSiblings.count
    }

    private mutating func dequeue(at place: Int) {
        let sequence = waiting.remove(at: place)
        waitingTokenCount -= sequences[sequence.index].pendingCount
        waitingSiblingCount -= sequences[sequence.index].unforkedSiblings.count
    }

    mutating func enterRunning(_ sequence: SequenceHandle) {
        sequences[sequence.index].phase = .running
        running.insert(sequence, at: position(of: sequence, in: running))
    }

    /// Where `sequence` is in `queue`, or would have to be put.
    private func position(of sequence: SequenceHandle, in queue: [SequenceHandle]) -> Int {
        let rank = sequences[sequence.index].rank
        var low = 0
        var high = queue.count
        while low < high {
            let middle = (low + high) / 2
            if sequences[queue[middle].index].rank < rank { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func isGathering(_ oldest: SequenceHandle, at now: Instant) -> Bool {
        let state = sequences[oldest.index]
        let queue = AdmissionWindow.Queue(
            runningCount: running.count + reservedCount, waitingCount: waiting.count + waitingSiblingCount,
            waitingTokenCount: waitingTokenCount,
            oldestArrival: state.preemptionCount == 0 ? state.arrival : nil,
            latestArrival: latestArrival, arrivalBefore: arrivalBefore)
        return AdmissionWindow(delay: limits.admissionDelay).holds(
            queue, now: now, maxRunningSequences: limits.maxRunningSequences,
            maxBatchedTokens: limits.maxBatchedTokens)
    }
}
