// Requests through a scheduler over a model of which every token depends on all that came before, in its own blocks.

import Primitives
import Scheduling
import Testing

/// What a client asks of the simulation.
struct SimulatedRequest {
    var prompt: [UInt64]
    var maximumTokens: Int
    var sampleCount = 1
    var priority = 0
    var wantsPromptLogits = false
    /// Requests of one scope share prefixes; nil: this one shares none.
    var scope: UInt64?

    /// The names of the full blocks of `tokens`.
    func blockHashes(of tokens: [UInt64], blockSize: Int) -> [BlockHash] {
        guard var name = scope else { return [] }
        return stride(from: 0, through: tokens.count - blockSize, by: blockSize).map { first in
            for token in tokens[first..<first + blockSize] { name = SplitMix64.mixed(name &+ SplitMix64.mixed(token)) }
            return BlockHash(words: [name, SplitMix64.mixed(name), 0, 0])
        }
    }
}

/// The K and V of a position is a hash of everything up to it, so any mistake with a block changes what follows.
struct SimulatedCache {
    private var slots: [UInt64?]
    private let blockSize: Int

    init(blockCount: Int, blockSize: Int) {
        slots = Array(repeating: nil, count: blockCount * blockSize)
        self.blockSize = blockSize
    }

    mutating func copy(_ copy: Batch.BlockCopy) {
        for offset in 0..<blockSize {
            slots[Int(copy.destination) * blockSize + offset] = slots[Int(copy.source) * blockSize + offset]
        }
    }

    func context(of position: Int, table: [BlockID]) -> UInt64 {
        var hash: UInt64 = 0
        for index in 0..<position {
            hash = SplitMix64.mixed(hash ^ (slots[slot(index, table)] ?? UInt64(index)))
        }
        return hash
    }

    mutating func write(_ token: UInt64, at position: Int, table: [BlockID]) {
        slots[slot(position, table)] = SplitMix64.mixed(context(of: position, table: table) &+ token)
    }

    private func slot(_ position: Int, _ table: [BlockID]) -> Int {
        Int(table[position / blockSize]) * blockSize + position % blockSize
    }
}

/// A scheduler, a cache and the sequences in it, advanced a step at a time; laws are checked after each.
struct Simulation: ~Copyable {
    struct Run {
        var request: Int
        var sample: Int
        var tokens: [UInt64]
        var promptCount: Int
        var scoredCount = 0
    }

    var scheduler: Scheduler
    var batch = Batch()
    var requests: [SimulatedRequest] = []
    var runs: [SequenceHandle: Run] = [:]
    /// Output of each ended sequence, and how often it ended, by request and sample.
    var outputs: [[Int]: [UInt64]] = [:]
    var endings: [[Int]: Int] = [:]
    var now = Instant(nanoseconds: 0)
    /// Rows of all steps, and prompt tokens found in the prefix cache.
    var computedCount = 0
    var foundCount = 0
    private var cache: SimulatedCache

    init(_ limits: SchedulerLimits, blockOrder: [BlockID]? = nil) {
        scheduler = Scheduler(limits: limits, blockOrder: blockOrder)
        cache = SimulatedCache(blockCount: limits.blockCount, blockSize: limits.blockSize)
    }

    @discardableResult
    mutating func submit(_ request: SimulatedRequest) throws -> [SequenceHandle] {
        var numbers = SequenceRequest(promptCount: request.prompt.count, maximumTokens: request.maximumTokens)
        numbers.sampleCount = request.sampleCount
        numbers.priority = request.priority
        numbers.wantsPromptLogits = request.wantsPromptLogits
        numbers.blockHashes = request.blockHashes(of: request.prompt, blockSize: scheduler.limits.blockSize)
        let handles = try scheduler.submit(numbers, at: now)
        for (sample, handle) in handles.enumerated() {
            runs[handle] = Run(
                request: requests.count, sample: sample, tokens: request.prompt, promptCount: request.prompt.count)
        }
        requests.append(request)
        try scheduler.checkInvariants()
        return handles
    }

    /// - Parameter prefillRows: As `PrefillAllowance.rows`.
    mutating func step(prefillRows: Int? = nil) throws {
        now = now.advanced(by: .milliseconds(1))
        scheduler.schedule(at: now, allowing: PrefillAllowance(rows: prefillRows), into: &batch)
        try scheduler.checkInvariants(of: batch)
        foundCount += batch.prefixHitCount
        for copy in batch.blockCopies {
            cache.copy(copy)
        }
        var contexts: [UInt64] = []
        for entry in batch.entries {
            let table = scheduler.blockTable(of: entry.sequence)
            guard let run = runs[entry.sequence] else { throw Issue.unknownSequence }
            computedCount += entry.count
            for position in entry.start..<entry.end {
                cache.write(run.tokens[position], at: position, table: table)
            }
            runs[entry.sequence]?.scoredCount += entry.logitCount
            contexts.append(cache.context(of: entry.end, table: table))
        }
        let siblings = batch.entries.map { $0.samples ? scheduler.unforkedSiblings(of: $0.sequence) : [] }
        scheduler.commit(batch)
        for (index, entry) in batch.entries.enumerated() where entry.samples {
            for sequence in [entry.sequence] + siblings[index] {
                draw(sequence, context: contexts[index])
            }
        }
        try scheduler.checkInvariants()
    }

    /// Ends `sequence` from outside.
    mutating func cancel(_ sequence: SequenceHandle) throws {
        for ended in [sequence] + scheduler.unforkedSiblings(of: sequence) {
            end(ended)
        }
        scheduler.finish(sequence)
        try scheduler.checkInvariants()
    }

    mutating func runToEnd(limit: Int = 5_000) throws {
        var count = 0
        while scheduler.hasWork {
            try step()
            count += 1
            if count > limit { throw Issue.neverEnds }
        }
    }

    enum Issue: Error {
        case unknownSequence
        case neverEnds
    }

    private mutating func draw(_ sequence: SequenceHandle, context: UInt64) {
        guard let run = runs[sequence] else { return }
        let token = SplitMix64.mixed(context &+ UInt64(run.sample)) % 1_000
        runs[sequence]?.tokens.append(token)
        let count = run.tokens.count + 1
        let isFull = count - run.promptCount >= requests[run.request].maximumTokens
        if isFull || count >= scheduler.limits.maxModelLength || token % 50 == 0 {
            end(sequence)
            scheduler.finish(sequence)
        } else {
            let names = requests[run.request].blockHashes(
                of: run.tokens + [token], blockSize: scheduler.limits.blockSize)
            scheduler.extend(sequence, blockHash: count % scheduler.limits.blockSize == 0 ? names.last : nil)
        }
    }

    private mutating func end(_ sequence: SequenceHandle) {
        guard let run = runs.removeValue(forKey: sequence) else { return }
        outputs[[run.request, run.sample]] = Array(run.tokens.dropFirst(run.promptCount))
        endings[[run.request, run.sample], default: 0] += 1
    }
}
