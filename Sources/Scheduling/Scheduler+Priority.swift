// How an urgent sequence gets the place, and the rows, of less urgent ones.

import Primitives

extension Scheduler {
    /// So many running sequences give way in a step at most.
    private static let displacementDepth = 8
    /// Whoever has lost its blocks so often gives way to nobody for the sake of priority alone.
    private static let displacementLimit = 3

    /// Takes blocks and places from the last of the running sequences, if the first waiting one is of a more urgent
    /// priority, not just earlier, and has no room without them but has with them.
    mutating func displace(at now: Instant, into batch: inout Batch) {
        guard queuedCount > 0, let last = running.last else { return }
        let round = makeRound()
        guard let tenant = nextTenant(in: round, at: now) else { return }
        let head = tenants[tenant].waiting[0], index = head.index
        guard canGiveWay(last, to: head), !isGathering(head, at: now) else { return }
        let places = 1 + sequences[index].unforkedSiblings.count
        let needed = limits.blockCount(forTokens: sequences[index].tokenCount)
        guard fits(places: places, blocks: needed, of: tenant, in: round) else { return }
        let used = foundBlocks(for: head, from: 0).count { pool.referenceCount(of: $0) > 0 }
        var missingPlaces = places - (limits.maxRunningSequences - running.count - reservedCount)
        var missingBlocks = needed - used + round.promised - pool.freeCount
        var victims = 0
        while missingPlaces > 0 || missingBlocks > 0 {
            guard victims < min(Self.displacementDepth, running.count) else { return }
            let victim = running[running.count - 1 - victims]
            guard canGiveWay(victim, to: head) else { return }
            missingPlaces -= 1 + sequences[victim.index].unforkedSiblings.count
            missingBlocks -= sequences[victim.index].blocks.count { pool.referenceCount(of: $0) == 1 }
            missingBlocks -= promisedBlockCount(to: victim)
            victims += 1
        }
        for _ in 0..<victims {
            if let victim = running.last { preempt(victim, in: &batch) }
        }
        batch.displacedCount = victims
    }

    /// Whether `sequence` leaves rows of a step to more urgent ones.
    func isYielding(_ sequence: SequenceHandle) -> Bool {
        guard let urgentPriority = limits.yieldThreshold else { return false }
        return sequences[sequence.index].priority > urgentPriority
    }

    /// Rows to be kept for the first waiting sequence, if it is one that others give way to and can be admitted: the
    /// running ones are planned for first, and prompts among them would take what it needs.
    func urgentHeadRowCount(at now: Instant) -> Int {
        guard limits.yieldThreshold != nil, queuedCount > 0 else { return 0 }
        let round = makeRound()
        guard let tenant = nextTenant(in: round, at: now) else { return 0 }
        let head = tenants[tenant].waiting[0]
        guard !isYielding(head), !isGathering(head, at: now) else { return 0 }
        let found = foundBlocks(for: head, from: 0)
        guard obstacle(to: head, finding: found, in: round) == nil else { return 0 }
        return max(1, sequences[head.index].tokenCount - found.count * limits.blockSize)
    }

    private func canGiveWay(_ running: SequenceHandle, to waiting: SequenceHandle) -> Bool {
        sequences[running.index].priority > sequences[waiting.index].priority
            && sequences[running.index].rank > sequences[waiting.index].rank
            && sequences[running.index].preemptionCount < Self.displacementLimit
    }
}
