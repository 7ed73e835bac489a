// What the scheduler itself costs: a step's plan, and operations on blocks.

import Primitives
public import Scheduling

/// A scheduler whose sequences all decode, without an engine or a model.
public struct SchedulerBenchmark: ~Copyable {
    /// Seconds of each step.
    public struct Times: Sendable {
        /// `Scheduler.schedule`.
        public var planning: [Double] = []
        /// `Scheduler.commit` and an `extend` for each sequence.
        public var commit: [Double] = []
    }

    private let sequenceCount: Int
    private let tokenCount: Int
    private var scheduler: Scheduler
    private var batch = Batch()
    /// In the order of their arrival.
    private var sequences: [SequenceHandle] = []
    /// Of each sequence, by handle.
    private var tokenCounts: [Int] = []
    private var nameCount: UInt64 = 0

    /// - Parameters:
    ///   - sequenceCount: Sequences that run.
    ///   - tokenCount: Tokens of each at the beginning.
    ///   - stepLimit: Steps that will be measured at most.
    public init(
        sequenceCount: Int, tokenCount: Int, blockSize: Int, stepLimit: Int
    ) throws(SchedulingError) {
        self.sequenceCount = sequenceCount
        self.tokenCount = tokenCount
        let longest = tokenCount + stepLimit + 2
        let blocks = (longest + blockSize - 1) / blockSize
        var limits = SchedulerLimits(
            maxModelLength: longest + 1, blockSize: blockSize, blockCount: blocks * (sequenceCount + 1))
        limits.maxRunningSequences = sequenceCount
        limits.maxBatchedTokens = sequenceCount * tokenCount
        limits.maxLogitRows = sequenceCount
        limits.admissionDelay = .zero
        scheduler = Scheduler(limits: limits)
        for _ in 0..<sequenceCount { sequences.append(try submit()) }
        step()
    }

    /// Blocks in use.
    public var usedBlockCount: Int { scheduler.usedBlockCount }

    private mutating func submit() throws(SchedulingError) -> SequenceHandle {
        var request = SequenceRequest(
            promptCount: tokenCount, maximumTokens: scheduler.limits.maxModelLength - tokenCount)
        for _ in 0..<tokenCount / scheduler.limits.blockSize { request.blockHashes.append(nextName()) }
        let handle = try scheduler.submit(request, at: Instant(nanoseconds: 0))[0]
        while tokenCounts.count <= handle.index { tokenCounts.append(0) }
        tokenCounts[handle.index] = tokenCount
        return handle
    }

    private mutating func nextName() -> BlockHash {
        nameCount += 1
        return BlockHash(words: [nameCount &* 0x9E37_79B9_7F4A_7C15, nameCount, 0, 0])
    }

    @discardableResult
    private mutating func step() -> (planning: Double, commit: Double) {
        let begun = Instant.now()
        scheduler.schedule(at: begun, into: &batch)
        let planned = Instant.now()
        scheduler.commit(batch)
        for entry in batch.entries where entry.samples {
            let count = tokenCounts[entry.sequence.index] + 1
            tokenCounts[entry.sequence.index] = count
            let isFull = count % scheduler.limits.blockSize == 0
            scheduler.extend(entry.sequence, blockHash: isFull ? nextName() : nil)
        }
        return (planned.seconds(since: begun), Instant.now().seconds(since: planned))
    }

    /// Steps in which every sequence gets a token, with `waitingCount` more in the queue that find no place.
    public mutating func steps(_ count: Int, waitingCount: Int) throws(SchedulingError) -> Times {
        var waiting: [SequenceHandle] = []
        for _ in 0..<waitingCount { waiting.append(try submit()) }
        var times = Times()
        for _ in 0..<count {
            let step = self.step()
            times.planning.append(step.planning)
            times.commit.append(step.commit)
        }
        for sequence in waiting { scheduler.finish(sequence) }
        return times
    }

    /// Seconds of ending the oldest sequence and taking in another one, without the plan between them.
    public mutating func turnover(_ count: Int) throws(SchedulingError) -> [Double] {
        var times: [Double] = []
        for _ in 0..<count {
            let begun = Instant.now()
            scheduler.finish(sequences.removeFirst())
            sequences.append(try submit())
            times.append(Instant.now().seconds(since: begun))
            step()
        }
        return times
    }

    /// Seconds of one operation on a pool of so many blocks: taking one, sharing it, and giving both references back.
    public static func blockOperation(poolSize: Int, rounds: Int) -> Double {
        var pool = BlockPool(blockCount: poolSize)
        var held: [BlockID] = []
        held.reserveCapacity(poolSize)
        let begun = Instant.now()
        for _ in 0..<rounds {
            while let block = pool.allocate() { held.append(block) }
            for block in held { pool.retain(block) }
            for block in held { pool.release(block) }
            for block in held.reversed() { pool.release(block) }
            held.removeAll(keepingCapacity: true)
        }
        return Instant.now().seconds(since: begun) / Double(rounds * poolSize * 4)
    }
}
