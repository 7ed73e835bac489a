// Who of the waiting sequences joins a step.

import Primitives

extension Scheduler {
    /// Looked at beyond the first one that does not fit, so that a step's planning has a bound.
    private static let bypassDepth = 8

    /// Admits waiting sequences in order until a limit is reached.
    ///
    /// Among tenants whoever has the most urgent sequence is next, and among equals whoever has had the least for its
    /// weight. A sequence that does not fit yet, for want of places or blocks, may be overtaken by those behind it that
    /// do, so many times as the limits say; then everybody waits for it. Nobody overtakes one that has run and lost its
    /// blocks. A tenant that has all it may have holds up nobody else.
    mutating func admitWaiting(at now: Instant, into batch: inout Batch) {
        guard queuedCount > 0 else { return }
        var round = makeRound()
        guard let first = nextTenant(in: round, at: now) else { return }
        guard !isGathering(tenants[first].waiting[0], at: now) else { return note(.tokenBudget, in: &batch) }
        var end = WaitingCause.tokenBudget
        while round.passed.count <= Self.bypassDepth, let tenant = nextTenant(in: round, at: now) {
            let sequence = tenants[tenant].waiting[round.places[tenant]]
            guard hasPrefillRows(for: sequence, beside: batch) else { break }
            guard let obstacle = admit(sequence, in: &round, into: &batch) else {
                if noteBypass(of: round.passed) { break }
                continue
            }
            batch.tenantCauses[tenant] = batch.tenantCauses[tenant] ?? obstacle
            guard obstacle != .tenant else {
                round.isClosed[tenant] = true
                continue
            }
            if round.passed.isEmpty { end = obstacle }
            round.passed.append(sequence)
            guard canBeBypassed(sequence) else { break }
            round.places[tenant] += 1
        }
        noteCeilings(in: round, in: &batch)
        note(end, in: &batch)
    }

    /// Who has all it may have waits for that, also if a step has no rows left that show it.
    private func noteCeilings(in round: AdmissionRound, in batch: inout Batch) {
        for tenant in tenants.indices where batch.tenantCauses[tenant] == nil {
            guard let next = tenants[tenant].waiting.first, lacksGrant(next, in: round) else { continue }
            batch.tenantCauses[tenant] = .tenant
        }
    }

    /// Whoever waits, and has not been told why yet, does so because of `cause`.
    func note(_ cause: WaitingCause, in batch: inout Batch) {
        for tenant in tenants.indices {
            guard !tenants[tenant].waiting.isEmpty else {
                batch.tenantCauses[tenant] = nil
                continue
            }
            let own = batch.tenantCauses[tenant] ?? cause
            batch.tenantCauses[tenant] = own
            // What holds up all is told rather than what holds up one.
            if batch.waitingCause == nil || batch.waitingCause == .tenant { batch.waitingCause = own }
        }
    }

    // MARK: - Order

    func makeRound() -> AdmissionRound {
        var round = AdmissionRound(tenantCount: tenants.count)
        for sequence in running {
            let index = sequence.index, tenant = sequences[index].tenant
            let promised = promisedBlockCount(to: sequence)
            round.promised += promised
            round.placeCounts[tenant] += 1 + sequences[index].unforkedSiblings.count
            round.blockCounts[tenant] += promised + sequences[index].blocks.count
        }
        return round
    }

    /// Blocks that a running sequence still needs for what it already has to compute.
    func promisedBlockCount(to sequence: SequenceHandle) -> Int {
        let tokenCount = sequences[sequence.index].tokenCount
        return max(0, limits.blockCount(forTokens: tokenCount) - sequences[sequence.index].blocks.count)
    }

    /// Whose sequence is to be looked at next; nil: nobody's.
    func nextTenant(in round: AdmissionRound, at now: Instant) -> Int? {
        var next: Int?
        for tenant in tenants.indices {
            guard !round.isClosed[tenant], round.places[tenant] < tenants[tenant].waiting.count else { continue }
            guard let best = next else {
                next = tenant
                continue
            }
            if isBefore(tenant, best, in: round, at: now) { next = tenant }
        }
        return next
    }

    private func isBefore(_ left: Int, _ right: Int, in round: AdmissionRound, at now: Instant) -> Bool {
        let leftIndex = tenants[left].waiting[round.places[left]].index
        let rightIndex = tenants[right].waiting[round.places[right]].index
        let leftLevel = level(of: leftIndex, at: now), rightLevel = level(of: rightIndex, at: now)
        if leftLevel != rightLevel { return leftLevel < rightLevel }
        if tenants[left].served != tenants[right].served { return tenants[left].served < tenants[right].served }
        return sequences[leftIndex].rank < sequences[rightIndex].rank
    }

    /// The priority that counts between tenants, after what it has gained by waiting.
    private func level(of index: Int, at now: Instant) -> Int {
        limits.level(priority: sequences[index].priority, arrival: sequences[index].arrival, now: now)
    }

    // MARK: - Overtaking

    private func canBeBypassed(_ sequence: SequenceHandle) -> Bool {
        sequences[sequence.index].preemptionCount == 0
            && sequences[sequence.index].bypassCount < limits.maxBypassCount
    }

    /// - Returns: whether one of them must not be overtaken again.
    private mutating func noteBypass(of passed: [SequenceHandle]) -> Bool {
        var isExhausted = false
        for sequence in passed {
            sequences[sequence.index].bypassCount += 1
            if !canBeBypassed(sequence) { isExhausted = true }
        }
        return isExhausted
    }

    // MARK: - Admission

    /// Admits a waiting sequence to a step that has rows for it.
    ///
    /// - Returns: what keeps it as a whole from running; nothing has changed then.
    private mutating func admit(
        _ sequence: SequenceHandle, in round: inout AdmissionRound, into batch: inout Batch
    ) -> WaitingCause? {
        let index = sequence.index, tenant = sequences[index].tenant
        let placeCount = 1 + sequences[index].unforkedSiblings.count
        let needed = limits.blockCount(forTokens: sequences[index].tokenCount)
        // Whoever has just given way does not come back in the same step, whatever is left.
        guard !batch.preempted.contains(sequence) else { return .blocks }
        let found = foundBlocks(for: sequence, from: 0)
        if let obstacle = obstacle(to: sequence, finding: found, in: round) { return obstacle }
        dequeue(sequence)
        take(found, forAdmitted: sequence, in: &batch)
        guard let entry = plan(sequence, beside: batch, sparing: 0), provideBlocks(for: entry, in: &batch) else {
            releaseBlocks(of: sequence)
            enqueue(sequence)
            return .blocks
        }
        round.promised += needed - sequences[index].blocks.count
        round.placeCounts[tenant] += placeCount
        round.blockCounts[tenant] += needed
        reservedCount += placeCount - 1
        charge(sequence)
        enterRunning(sequence)
        batch.admitted.append(sequence)
        batch.append(entry)
        return nil
    }

    /// What a waiting sequence lacks to run as a whole, having found blocks of its prompt.
    func obstacle(
        to sequence: SequenceHandle, finding found: [BlockID], in round: AdmissionRound
    ) -> WaitingCause? {
        let index = sequence.index
        let placeCount = 1 + sequences[index].unforkedSiblings.count
        let needed = limits.blockCount(forTokens: sequences[index].tokenCount)
        guard !lacksGrant(sequence, in: round) else { return .tenant }
        guard running.count + reservedCount + placeCount <= limits.maxRunningSequences else { return .slots }
        // All of it must fit, not just the first chunk, beside what the running ones still need of their own prompts:
        // otherwise long prompts would push each other out again and again.
        let used = found.count { pool.referenceCount(of: $0) > 0 }
        return needed - used + round.promised <= pool.freeCount ? nil : .blocks
    }

    /// Whether its tenant may not have so much more that it could run.
    private func lacksGrant(_ sequence: SequenceHandle, in round: AdmissionRound) -> Bool {
        let index = sequence.index
        return !fits(
            places: 1 + sequences[index].unforkedSiblings.count,
            blocks: limits.blockCount(forTokens: sequences[index].tokenCount), of: sequences[index].tenant, in: round)
    }

    /// Whether a tenant may have so much more.
    func fits(places: Int, blocks: Int, of tenant: Int, in round: AdmissionRound) -> Bool {
        let own = limits.tenants[tenant]
        return round.placeCounts[tenant] + places <= own.maxRunningSequences ?? .max
            && round.blockCounts[tenant] + blocks <= own.maxBlocks ?? .max
    }

    // MARK: - What tenants have had

    /// A tenant that had nothing to do has no claim on what it did not use.
    mutating func wake(_ tenant: Int) {
        guard tenants.count > 1, tenants[tenant].waiting.isEmpty,
            !running.contains(where: { sequences[$0.index].tenant == tenant })
        else { return }
        var least: Double?
        for other in tenants.indices where other != tenant && isActive(other) {
            least = min(least ?? .infinity, tenants[other].served)
        }
        tenants[tenant].served = max(tenants[tenant].served, least ?? servedByLast)
    }

    private func isActive(_ tenant: Int) -> Bool {
        !tenants[tenant].waiting.isEmpty || running.contains { sequences[$0.index].tenant == tenant }
    }

    /// A prompt is charged when it is admitted for the first time, so that one tenant does not take all places at once.
    private mutating func charge(_ sequence: SequenceHandle) {
        let index = sequence.index, tenant = sequences[index].tenant
        servedByLast = max(servedByLast, tenants[tenant].served)
        guard sequences[index].preemptionCount == 0 else { return }
        serve(sequences[index].tokenCount - sequences[index].computedCount, to: tenant)
    }

    mutating func serve(_ tokenCount: Int, to tenant: Int) {
        tenants[tenant].served += Double(tokenCount) / limits.tenants[tenant].weight
    }
}
