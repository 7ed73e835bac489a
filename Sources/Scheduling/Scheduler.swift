// Decides which sequences run in the next step, and on which blocks.

public import Primitives

/// Plans steps over a pool of blocks: `schedule` → (the step is computed) → `commit` → `extend` or `finish` for
/// each sequence that got a token.
///
/// There are no phases of prefill and decode: each sequence only catches up with its pending tokens. Both queues are
/// ordered by rank (urgency, arrival, sample), so whoever must give way is always the last of the running ones, has
/// not been planned for in this step yet, and comes back before everyone who arrived later.
/// Pure: no clock, no input or output, no token ids. Behaviour follows vLLM's `v1/core/sched/scheduler.py`.
public struct Scheduler: ~Copyable, Sendable {
    public let limits: SchedulerLimits
    var pool: BlockPool
    var sequences: [SequenceState] = []
    var vacancies: [SequenceHandle] = []
    var running: [SequenceHandle] = []
    /// With the queues of those that wait.
    var tenants: [TenantState]
    /// The most that a tenant had been served when a sequence of its was admitted.
    var servedByLast = 0.0
    /// Sequences in the tenants' queues.
    var queuedCount = 0
    /// Samples whose group is running but not yet forked: they will run without being asked again.
    var reservedCount = 0
    /// Samples whose group itself waits.
    var waitingSiblingCount = 0
    /// Pending tokens of those in the queues.
    var waitingTokenCount = 0
    private var arrivalCount: UInt64 = 0
    var latestArrival: Instant?
    var arrivalBefore: Instant?
    /// Of the step that is being planned.
    private var prefillRowLimits = PrefillRowLimits()

    /// - Parameter blockOrder: the order in which blocks are handed out, for tests of block placement.
    public init(limits: SchedulerLimits, blockOrder: [BlockID]? = nil) {
        self.limits = limits
        pool = BlockPool(blockCount: limits.blockCount, order: blockOrder)
        tenants = Array(repeating: TenantState(), count: limits.tenants.count)
    }

    public var runningCount: Int { running.count }
    /// Samples waiting for their group's prompt count as waiting.
    public var waitingCount: Int { queuedCount + reservedCount + waitingSiblingCount }
    public var hasWork: Bool { !running.isEmpty || queuedCount > 0 }
    public var usedBlockCount: Int { pool.usedCount }
    /// Running sequences that wait for nothing but their next token.
    public var decodingCount: Int {
        var count = 0
        for sequence in running where sequences[sequence.index].pendingCount == 1 { count += 1 }
        return count
    }
    /// Prompts that could be computed now: the other running sequences, and as many waiting ones as there are places.
    public var pendingPromptCount: Int {
        let places = limits.maxRunningSequences - running.count - reservedCount
        return running.count - decodingCount + min(queuedCount, max(0, places))
    }
    /// Decoding sequences that give way to nobody; nil where nobody gives way.
    public var urgentDecodingCount: Int? {
        guard limits.yieldThreshold != nil else { return nil }
        var count = 0
        for sequence in running where !isYielding(sequence) && sequences[sequence.index].pendingCount == 1 {
            count += 1
        }
        return count
    }

    /// Takes a request in: a handle for each sample, in order.
    public mutating func submit(
        _ request: SequenceRequest, at arrival: Instant
    ) throws(SchedulingError) -> [SequenceHandle] {
        try limits.check(request)
        var state = SequenceState()
        state.arrival = arrival
        state.promptCount = request.promptCount
        state.tokenCount = request.promptCount
        state.unscoredPosition = request.wantsPromptLogits ? 0 : request.promptCount
        state.blockHashes = request.blockHashes
        state.tenant = request.tenant
        state.priority = request.priority
        state.rank.urgency = limits.urgency(priority: request.priority, arrival: arrival)
        state.rank.arrival = arrivalCount
        arrivalCount += 1
        (arrivalBefore, latestArrival) = (latestArrival, arrival)

        let leader = place(state)
        state.leader = leader
        state.phase = .unforked
        state.unscoredPosition = request.promptCount
        for sample in 1..<max(1, request.sampleCount) {
            state.rank.sample = sample
            let sibling = place(state)
            sequences[leader.index].unforkedSiblings.append(sibling)
        }
        let siblings = sequences[leader.index].unforkedSiblings
        wake(request.tenant)
        enqueue(leader)
        return [leader] + siblings
    }

    /// Plans a step: running sequences first, then waiting ones, within one budget of rows.
    public mutating func schedule(
        at now: Instant, allowing allowance: PrefillAllowance = PrefillAllowance(), into batch: inout Batch
    ) {
        batch.removeAll(tenantCount: tenants.count)
        prefillRowLimits = PrefillRowLimits(allowance)
        if limits.policy == .priority { displace(at: now, into: &batch) }
        let reserved = urgentHeadRowCount(at: now)
        prefillRowLimits.reserved = reserved
        continueRunning(into: &batch)
        prefillRowLimits.reserved = 0
        // Whoever lacked blocks comes first, and there was no room for it.
        let lacksBlocks = batch.preempted.count > batch.displacedCount
        if lacksBlocks { note(.blocks, in: &batch) } else { admitWaiting(at: now, into: &batch) }
        // Whoever the rows were kept for may not have come after all.
        if batch.entries.isEmpty, reserved > 0 { continueRunning(into: &batch) }
        assert(batch.rowCount <= limits.maxBatchedTokens && batch.logitRowCount <= limits.maxLogitRows)
    }

    /// Records that the planned step was computed. Samples whose prompt it completed are forked and run from now on.
    public mutating func commit(_ batch: Batch) {
        for entry in batch.entries {
            let index = entry.sequence.index
            sequences[index].computedCount = entry.end
            let scored = min(entry.end, sequences[index].promptCount)
            sequences[index].unscoredPosition = max(sequences[index].unscoredPosition, scored)
            if !entry.catchesUp, entry.start >= sequences[index].promptCount { serve(1, to: sequences[index].tenant) }
            if entry.samples { forkSiblings(of: entry.sequence) }
        }
    }

    /// A token was drawn for `sequence`, which goes on.
    ///
    /// - Parameter blockHash: The name of the block that this token is the last of, of a sequence that shares blocks.
    public mutating func extend(_ sequence: SequenceHandle, blockHash: BlockHash? = nil) {
        sequences[sequence.index].tokenCount += 1
        if let blockHash { sequences[sequence.index].blockHashes.append(blockHash) }
    }

    /// Samples that take their first token from the same row as `leader`, as long as its prompt isn't committed.
    public func unforkedSiblings(of leader: SequenceHandle) -> [SequenceHandle] {
        sequences[leader.index].unforkedSiblings
    }

    /// The blocks that hold `sequence`, in the order of its tokens.
    public func blockTable(of sequence: SequenceHandle) -> [BlockID] {
        sequences[sequence.index].blocks
    }

    // MARK: - Running sequences

    private mutating func continueRunning(into batch: inout Batch) {
        var index = 0
        while index < running.count, hasRows(beside: batch) {
            let sequence = running[index]
            takeFoundBlocks(for: sequence, in: &batch)
            // A row for each of those behind, so that a long prompt never stalls their tokens.
            guard let entry = plan(sequence, beside: batch, sparing: running.count - index - 1) else {
                index += 1
                continue
            }
            while !provideBlocks(for: entry, in: &batch) {
                let victim = running[running.count - 1]
                preempt(victim, in: &batch)
                if victim == sequence { return }
            }
            batch.append(entry)
            index += 1
        }
    }

    /// Whether the step can take anybody beside `batch`.
    func hasRows(beside batch: borrowing Batch) -> Bool {
        batch.rowCount < limits.maxBatchedTokens && batch.logitRowCount < limits.maxLogitRows
    }

    /// Whether it can take `sequence`, which catches up.
    func hasPrefillRows(for sequence: SequenceHandle, beside batch: borrowing Batch) -> Bool {
        hasRows(beside: batch) && prefillRowCount(for: sequence, beside: batch) > 0
    }

    private func prefillRowCount(for sequence: SequenceHandle, beside batch: borrowing Batch) -> Int {
        prefillRowLimits.rows(isYielding: isYielding(sequence)) - batch.prefillRowCount
    }

    /// The next rows of `sequence` in a step that has some, leaving `sparedCount` to others if it can. Nil if it
    /// catches up, and the step has no rows for that left.
    func plan(_ sequence: SequenceHandle, beside batch: borrowing Batch, sparing sparedCount: Int) -> Batch.Entry? {
        let index = sequence.index, start = sequences[index].computedCount
        let pending = sequences[index].pendingCount
        let rows = limits.maxBatchedTokens - batch.rowCount
        let logitRows = limits.maxLogitRows - batch.logitRowCount
        var count = min(pending, max(1, rows - sparedCount), limits.maxPrefillChunk ?? pending)
        if pending > 1 {
            count = min(count, prefillRowCount(for: sequence, beside: batch))
            guard count > 0 else { return nil }
        }
        count = min(count, sequences[index].rowLimit(forLogits: max(1, logitRows - sparedCount)))
        let end = start + count
        return Batch.Entry(
            sequence: sequence, start: start, count: count, logitCount: sequences[index].logitCount(through: end),
            samples: end == sequences[index].tokenCount)
    }

    /// The last of the running ones loses its blocks.
    mutating func preempt(_ victim: SequenceHandle, in batch: inout Batch) {
        running.removeLast()
        releaseBlocks(of: victim)
        reservedCount -= sequences[victim.index].unforkedSiblings.count
        sequences[victim.index].preemptionCount += 1
        enqueue(victim)
        batch.preempted.append(victim)
    }

    // MARK: - Blocks

    /// Takes the blocks that `entry` writes to. On `false` too few were free, and nothing has changed.
    mutating func provideBlocks(for entry: Batch.Entry, in batch: inout Batch) -> Bool {
        let index = entry.sequence.index
        let held = sequences[index].blocks.count
        // Between steps a table ends with the block of its last computed token: no other one can be written again.
        let written = entry.start / limits.blockSize
        let shared = written < held && pool.referenceCount(of: sequences[index].blocks[written]) > 1
        let added = limits.blockCount(forTokens: entry.end) - held
        guard added + (shared ? 1 : 0) <= pool.freeCount else { return false }
        if shared, let copy = pool.allocate() {
            let source = sequences[index].blocks[written]
            batch.blockCopies.append(Batch.BlockCopy(source: source, destination: copy))
            pool.release(source)
            sequences[index].blocks[written] = copy
        }
        for _ in 0..<max(0, added) {
            if let block = pool.allocate() { sequences[index].blocks.append(block) }
        }
        nameBlocks(of: entry)
        return true
    }

    mutating func releaseBlocks(of sequence: SequenceHandle) {
        // The tail first, so that the beginning of a prompt, which others may share, is given to others last.
        for block in sequences[sequence.index].blocks.reversed() {
            pool.release(block)
        }
        sequences[sequence.index].blocks.removeAll(keepingCapacity: true)
        sequences[sequence.index].computedCount = 0
    }

    private mutating func forkSiblings(of leader: SequenceHandle) {
        let siblings = sequences[leader.index].unforkedSiblings
        guard !siblings.isEmpty else { return }
        let blocks = sequences[leader.index].blocks
        for sibling in siblings {
            for block in blocks {
                pool.retain(block)
            }
            sequences[sibling.index].blocks = blocks
            sequences[sibling.index].computedCount = sequences[leader.index].computedCount
            sequences[sibling.index].foundCount = sequences[leader.index].foundCount
            sequences[sibling.index].leader = nil
            enterRunning(sibling)
        }
        reservedCount -= siblings.count
        sequences[leader.index].unforkedSiblings = []
    }
}
