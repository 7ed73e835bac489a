// How sequences enter and leave the scheduler's queues.

import Primitives

extension Scheduler {
    /// What keeps `head` as a whole from running: too few places, or blocks of which the running ones still need
    /// `promised`. Nil: nothing.
    func obstacle(to head: SequenceHandle, promised: Int) -> WaitingCause? {
        let state = sequences[head.index]
        guard running.count + reservedCount + 1 + state.unforkedSiblings.count <= limits.maxRunningSequences else {
            return .slots
        }
        // All of it must fit, not just the first chunk, beside what the running ones still need of their own prompts:
        // otherwise long prompts would push each other out again and again.
        let needed = limits.blockCount(forTokens: state.tokenCount) - usedBlockCount(foundFor: state)
        return needed + promised <= pool.freeCount ? nil : .blocks
    }

    /// Admits waiting sequences in order until a limit is reached; nobody overtakes the head.
    ///
    /// - Returns: what keeps those that still wait from running; nil if nobody waits.
    mutating func admitWaiting(at now: Instant, into batch: inout Batch) -> WaitingCause? {
        guard let oldest = waiting.first else { return nil }
        guard !isGathering(oldest, at: now) else { return .tokenBudget }
        var promised = 0
        for sequence in running {
            let state = sequences[sequence.index]
            promised += max(0, limits.blockCount(forTokens: state.tokenCount) - state.blocks.count)
        }
        while let head = waiting.first {
            if let obstacle = obstacle(to: head, promised: promised) { return obstacle }
            guard plan(head, beside: batch, sparing: 0) != nil else { return .tokenBudget }
            dequeue(head)
            lookUp(head, in: &batch)
            guard let entry = plan(head, beside: batch, sparing: 0), provideBlocks(for: entry, in: &batch) else {
                releaseBlocks(of: head)
                enqueue(head)
                return .blocks
            }
            let state = sequences[head.index]
            promised += limits.blockCount(forTokens: state.tokenCount) - state.blocks.count
            reservedCount += state.unforkedSiblings.count
            enterRunning(head)
            batch.admitted.append(head)
            batch.append(entry)
        }
        return nil
    }

    /// Ends `sequence` wherever it is and frees its blocks; an unforked group ends with its first sample.
    public mutating func finish(_ sequence: SequenceHandle) {
        let state = sequences[sequence.index]
        switch state.phase {
        case .vacant:
            return
        case .waiting:
            dequeue(sequence)
        case .running:
            running.removeAll { $0 == sequence }
            reservedCount -= state.unforkedSiblings.count
        case .unforked:
            leaveGroup(sequence)
        }
        for sibling in state.unforkedSiblings {
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

    private mutating func dequeue(_ sequence: SequenceHandle) {
        waiting.remove(at: position(of: sequence, in: waiting))
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

    private func isGathering(_ oldest: SequenceHandle, at now: Instant) -> Bool {
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
