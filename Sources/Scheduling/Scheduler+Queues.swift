// How sequences enter and leave the scheduler's queues.

import Primitives

extension Scheduler {
    /// Ends `sequence` wherever it is and frees its blocks; an unforked group ends with its first sample.
    public mutating func finish(_ sequence: SequenceHandle) {
        let siblings = sequences[sequence.index].unforkedSiblings
        switch sequences[sequence.index].phase {
        case .vacant:
            return
        case .waiting:
            dequeue(sequence)
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
        let index = sequence.index, tenant = sequences[index].tenant
        sequences[index].phase = .waiting
        tenants[tenant].waiting.insert(sequence, at: position(of: sequence, in: tenants[tenant].waiting))
        queuedCount += 1
        waitingTokenCount += sequences[index].pendingCount
        waitingSiblingCount += sequences[index].unforkedSiblings.count
    }

    mutating func dequeue(_ sequence: SequenceHandle) {
        let index = sequence.index, tenant = sequences[index].tenant
        tenants[tenant].waiting.remove(at: position(of: sequence, in: tenants[tenant].waiting))
        queuedCount -= 1
        waitingTokenCount -= sequences[index].pendingCount
        waitingSiblingCount -= sequences[index].unforkedSiblings.count
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
            runningCount: running.count + reservedCount, waitingCount: queuedCount + waitingSiblingCount,
            waitingTokenCount: waitingTokenCount,
            oldestArrival: state.preemptionCount == 0 ? state.arrival : nil,
            latestArrival: latestArrival, arrivalBefore: arrivalBefore)
        return AdmissionWindow(delay: limits.admissionDelay).holds(
            queue, now: now, maxRunningSequences: limits.maxRunningSequences,
            maxBatchedTokens: limits.maxBatchedTokens)
    }
}
