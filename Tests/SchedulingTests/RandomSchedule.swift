// One random machine, its requests, and what comes of them: numbers alone, so that many can be tried.

import Primitives
import Scheduling

/// Draws limits, arrivals, cancellations and lengths from a seed, runs them to their end, and looks after each step
/// whether the scheduler's laws and the queue's order held.
struct RandomSchedule: ~Copyable {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// What the schedule itself knows of a sequence.
    private struct Life {
        /// The order in which the queue should be: what its priority and arrival come to, then its number.
        var urgency: Double
        var number: Int
        var tenant: Int
        /// Tokens it gets before it ends.
        var outputCount: Int
        var tokenCount: Int
        var isShared: Bool
        /// It stands in the queue itself, not as a sample that waits for its prompt.
        var leads: Bool
        var hasRun = false
        var overtakenCount = 0
    }

    private let limits: SchedulerLimits
    private var scheduler: Scheduler
    private var random: SplitMix64
    private var batch = Batch()
    private var lives: [Life?] = []
    private var now = Instant(nanoseconds: 0)
    private var arrivedCount = 0
    private(set) var endedCount = 0
    private(set) var refusedCount = 0
    private(set) var overtakenCount = 0
    private(set) var preemptedCount = 0

    init(seed: UInt64) {
        random = SplitMix64(state: seed)
        limits = Self.randomLimits(&random)
        scheduler = Scheduler(limits: limits)
    }

    private static func randomLimits(_ random: inout SplitMix64) -> SchedulerLimits {
        let blockSize = [1, 2, 4, 8].randomElement(using: &random) ?? 1
        let isTight = Int.random(in: 0..<4, using: &random) == 0
        var limits = SchedulerLimits(
            maxModelLength: Int.random(in: 3...40, using: &random), blockSize: blockSize,
            blockCount: isTight ? 2 : Int.random(in: 2...max(3, 64 / blockSize), using: &random))
        limits.maxRunningSequences = Int.random(in: 1...6, using: &random)
        limits.maxBatchedTokens = Int.random(in: 1...24, using: &random)
        limits.maxLogitRows = Int.random(in: 1...12, using: &random)
        limits.maxPrefillChunk = Bool.random(using: &random) ? Int.random(in: 1...8, using: &random) : nil
        limits.maxBypassCount = Int.random(in: 0...3, using: &random)
        limits.policy = Bool.random(using: &random) ? .fcfs : .priority
        limits.priorityAging = [.zero, .milliseconds(2), .seconds(30)].randomElement(using: &random) ?? .zero
        if limits.policy == .priority, Bool.random(using: &random) {
            limits.urgentPriority = Int.random(in: -1...1, using: &random)
        }
        limits.admissionDelay = Int.random(in: 0..<4, using: &random) == 0 ? .milliseconds(3) : .zero
        for _ in 0..<Int.random(in: 0...2, using: &random) {
            var tenant = TenantLimits()
            tenant.weight = [0.5, 1, 4].randomElement(using: &random) ?? 1
            tenant.maxRunningSequences = Bool.random(using: &random) ? Int.random(in: 1...3, using: &random) : nil
            tenant.maxBlocks = Bool.random(using: &random) ? Int.random(in: 1...limits.blockCount, using: &random) : nil
            limits.tenants.append(tenant)
        }
        return limits
    }

    // MARK: - The run

    /// Runs to the end. Throws what went wrong.
    mutating func run() throws {
        var left = Int.random(in: 1...10, using: &random)
        var steps = 0
        while left > 0 || scheduler.hasWork {
            while left > 0, Int.random(in: 0..<3, using: &random) == 0 {
                left -= 1
                try submit()
            }
            if Int.random(in: 0..<20, using: &random) == 0 { try cancelOne() }
            try step()
            steps += 1
            if steps > 3_000 { throw Failure(description: "no end in sight") }
        }
        guard scheduler.usedBlockCount == 0 else { throw Failure(description: "blocks are in use at the end") }
        guard lives.allSatisfy({ $0 == nil }) else { throw Failure(description: "a sequence has not ended") }
    }

    private mutating func submit() throws {
        var request = SequenceRequest(
            promptCount: Int.random(in: 1...24, using: &random), maximumTokens: Int.random(in: 1...16, using: &random))
        // Most could run alone.
        if Int.random(in: 0..<8, using: &random) > 0 {
            let slots = min(limits.blockSize * limits.blockCount, limits.maxModelLength - 1)
            request.promptCount = min(request.promptCount, max(1, slots * 2 / 3))
            request.maximumTokens = min(request.maximumTokens, max(1, slots - request.promptCount))
        }
        request.sampleCount = Int.random(in: 0..<4, using: &random) == 0 ? Int.random(in: 1...3, using: &random) : 1
        request.priority = Int.random(in: -1...2, using: &random)
        request.wantsPromptLogits = Int.random(in: 0..<8, using: &random) == 0
        request.tenant = Int.random(in: 0..<limits.tenants.count, using: &random)
        let isShared = Int.random(in: 0..<3, using: &random) > 0
        let number = arrivedCount
        arrivedCount += 1
        if isShared {
            let commonCount = Int.random(in: 0...request.promptCount, using: &random)
            request.blockHashes = (0..<request.promptCount / limits.blockSize).map { place in
                (place + 1) * limits.blockSize <= commonCount
                    ? Self.name(UInt64(place)) : Self.name(UInt64(number * 1_000 + place + 100))
            }
        }
        let handles: [SequenceHandle]
        do throws(SchedulingError) {
            handles = try scheduler.submit(request, at: now)
        } catch {
            refusedCount += request.sampleCount
            return
        }
        let aging =
            Double(limits.priorityAging.components.attoseconds) * 1e-18
            + Double(limits.priorityAging.components.seconds)
        let level = limits.policy == .fcfs ? 0 : Double(request.priority)
        let arrival = limits.policy == .fcfs ? 0 : Double(now.nanoseconds) * 1e-9
        for (sample, handle) in handles.enumerated() {
            while lives.count <= handle.index { lives.append(nil) }
            let longest = min(request.maximumTokens, limits.maxModelLength - request.promptCount)
            lives[handle.index] = Life(
                urgency: aging > 0 ? arrival + level * aging : level, number: number * 8 + sample,
                tenant: request.tenant,
                outputCount: Int.random(in: 1...longest, using: &random), tokenCount: request.promptCount,
                isShared: isShared, leads: sample == 0)
        }
        try scheduler.checkInvariants()
    }

    private static func name(_ value: UInt64) -> BlockHash {
        BlockHash(words: [SplitMix64.mixed(value), value, 0, 0])
    }

    private mutating func step() throws {
        now = now.advanced(by: .milliseconds(Int.random(in: 0...2, using: &random)))
        var allowance = PrefillAllowance()
        if Bool.random(using: &random) { allowance.rows = Int.random(in: 1...12, using: &random) }
        if Bool.random(using: &random) { allowance.yieldingRows = Int.random(in: 1...12, using: &random) }
        scheduler.schedule(at: now, allowing: allowance, into: &batch)
        try scheduler.checkInvariants(of: batch)
        try checkOrder()
        if Int.random(in: 0..<40, using: &random) == 0 { return try fail() }
        let siblings = batch.entries.map { $0.samples ? scheduler.unforkedSiblings(of: $0.sequence) : [] }
        scheduler.commit(batch)
        for (entry, siblings) in zip(batch.entries, siblings) where entry.samples {
            for sequence in [entry.sequence] + siblings { draw(sequence) }
        }
        try scheduler.checkInvariants()
    }

    /// The step can't be computed: everybody who runs is lost, as the engine has it.
    private mutating func fail() throws {
        scheduler.abandon(batch)
        for index in lives.indices where lives[index] != nil {
            let sequence = SequenceHandle(index: index)
            if scheduler.isRunning(sequence) { end(sequence) }
        }
        try scheduler.checkInvariants()
    }

    private mutating func draw(_ sequence: SequenceHandle) {
        guard var life = lives[sequence.index] else { return }
        life.outputCount -= 1
        life.tokenCount += 1
        life.leads = true
        life.hasRun = true
        lives[sequence.index] = life
        if life.outputCount == 0 { return end(sequence) }
        let isFull = life.isShared && life.tokenCount % limits.blockSize == 0
        let name = Self.name(UInt64(life.number + 1) << 32 + UInt64(life.tokenCount))
        scheduler.extend(sequence, blockHash: isFull ? name : nil)
    }

    private mutating func cancelOne() throws {
        let indexes = lives.indices.filter { lives[$0] != nil }
        guard let index = indexes.randomElement(using: &random) else { return }
        end(SequenceHandle(index: index))
        try scheduler.checkInvariants()
    }

    /// Ends a sequence, and with it those that wait for its prompt.
    private mutating func end(_ sequence: SequenceHandle) {
        for ended in [sequence] + scheduler.unforkedSiblings(of: sequence) where lives[ended.index] != nil {
            lives[ended.index] = nil
            endedCount += 1
        }
        scheduler.finish(sequence)
    }

    // MARK: - The order

    /// Whoever was admitted went before those alone that may be overtaken, and not too often.
    private mutating func checkOrder() throws {
        for sequence in batch.preempted {
            preemptedCount += 1
            lives[sequence.index]?.hasRun = true
        }
        var waiting = lives.indices.filter { index in
            let isAdmitted = batch.admitted.contains(SequenceHandle(index: index))
            return lives[index]?.leads == true && (isAdmitted || !scheduler.isRunning(SequenceHandle(index: index)))
        }
        for sequence in batch.admitted {
            guard let life = lives[sequence.index] else { throw Failure(description: "a stranger was admitted") }
            waiting.removeAll { $0 == sequence.index }
            for index in waiting {
                // Among tenants the order is another one.
                guard let other = lives[index], other.tenant == life.tenant, isBefore(other, life) else { continue }
                overtakenCount += 1
                lives[index]?.overtakenCount += 1
                guard !other.hasRun else { throw Failure(description: "one that had run was overtaken") }
                guard other.overtakenCount < limits.maxBypassCount else {
                    throw Failure(description: "a sequence was overtaken too often")
                }
            }
        }
        for sequence in batch.admitted { lives[sequence.index]?.hasRun = true }
        guard limits.policy == .priority || batch.displacedCount == 0 else {
            throw Failure(description: "somebody gave way without priorities")
        }
    }

    private func isBefore(_ left: Life, _ right: Life) -> Bool {
        // Closer than the rounding of seconds: the number decides.
        abs(left.urgency - right.urgency) < 1e-9 ? left.number < right.number : left.urgency < right.urgency
    }
}
