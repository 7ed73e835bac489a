// Tensor parallelism in one process: ranks are groups of threads.

public import Kernels
public import ModelFiles

/// Runs every batch on N ranks at once. Each has its part of the weights and of the KV cache, in memory that its own
/// threads touch first; on a machine of several memory nodes they are bound to one of them.
public final class ParallelExecutor: MeasuredExecutor {
    /// Where a rank runs.
    public struct Placement: Sendable, Equatable {
        public let threadCount: Int
        /// Nil on machines of one memory node.
        public let node: MemoryNode?
    }

    public let cacheCapacity: CacheCapacity
    public let vocabularySize: Int
    public let maximumRows: Int
    public let maximumLogitRows: Int
    public let placements: [Placement]
    private let ranks: [LocalExecutor]
    /// One worker a rank, which is the first of the rank's own.
    private let leaders: WorkerPool

    /// Loads the ranks' parts of `checkpoint` side by side.
    ///
    /// - Parameters:
    ///   - options: `threadCount` is that of all ranks together.
    ///   - progress: Told the share loaded so far, 0…1, from the calling thread.
    public init(
        _ checkpoint: ModelCheckpoint, options: LocalExecutorOptions, rankCount: Int,
        nodes: [MemoryNode] = MemoryNode.all(), progress: @escaping (Double) -> Void = { _ in }
    ) throws {
        let shards = try (0..<rankCount).map { try ModelShard(rank: $0, of: rankCount, checkpoint.configuration) }
        placements = Self.placements(rankCount: rankCount, threadCount: options.threadCount, nodes: nodes)
        leaders = try WorkerPool(workerCount: rankCount)
        ranks = try Self.load(checkpoint, options, shards, placements, leaders, progress)
        let first = ranks[0]
        cacheCapacity = first.cacheCapacity
        vocabularySize = first.vocabularySize
        maximumRows = first.maximumRows
        maximumLogitRows = first.maximumLogitRows
        let members = ranks.map(\.memory)
        for (index, rank) in ranks.enumerated() {
            rank.join(SharedMemoryExchange(rank: index, members: members, leaders: leaders))
        }
    }

    /// Shares threads and memory nodes among the ranks; each has one thread at least.
    public static func placements(rankCount: Int, threadCount: Int, nodes: [MemoryNode]) -> [Placement] {
        (0..<rankCount).map { rank in
            let share = threadCount * (rank + 1) / rankCount - threadCount * rank / rankCount
            return Placement(
                threadCount: max(1, share), node: nodes.count > 1 ? nodes[rank * nodes.count / rankCount] : nil)
        }
    }

    /// What became of loading one rank; written by its leader alone.
    private final class Outcome {
        var executor: LocalExecutor?
        var error: (any Error)?
    }

    private static func load(
        _ checkpoint: ModelCheckpoint, _ options: LocalExecutorOptions, _ shards: [ModelShard],
        _ placements: [Placement], _ leaders: WorkerPool, _ progress: @escaping (Double) -> Void
    ) throws -> [LocalExecutor] {
        let outcomes = shards.map { _ in Outcome() }
        leaders.run { leader in
            let rank = leader.index
            var own = options
            own.threadCount = placements[rank].threadCount
            do {
                outcomes[rank].executor = try LocalExecutor(
                    checkpoint, options: own, shard: shards[rank], cpus: placements[rank].node?.cpus,
                    progress: rank == 0 ? progress : { _ in })
                // The thread that loads is not the one that will run.
                if rank == 0 { outcomes[rank].executor?.pool.releaseCaller() }
            } catch {
                outcomes[rank].error = error
            }
        }
        if let error = outcomes.compactMap(\.error).first { throw error }
        return outcomes.compactMap(\.executor)
    }

    public func execute(_ batch: borrowing ForwardBatch, into logits: LogitsBuffer) throws(ExecutionError) {
        let batch = copy batch, ranks = ranks
        try ranks[0].check(batch, logits)
        leaders.run { leader in ranks[leader.index].compute(batch, into: logits) }
    }

    /// Bytes of the packed weights of all ranks.
    public var weightBytes: Int { ranks.reduce(0) { $0 + $1.weightBytes } }
    public var weightBytesOfRanks: [Int] { ranks.map(\.weightBytes) }

    /// Of all ranks together.
    public var costs: ModelCosts {
        let parts = ranks.map(\.costs)
        func sum(_ value: (ModelCosts) -> Double) -> Double { parts.reduce(0) { $0 + value($1) } }
        return ModelCosts(
            multiplyAddsPerRow: sum(\.multiplyAddsPerRow), multiplyAddsPerLogitRow: sum(\.multiplyAddsPerLogitRow),
            multiplyAddsPerAttendedToken: sum(\.multiplyAddsPerAttendedToken), weightBytes: sum(\.weightBytes),
            headBytes: sum(\.headBytes), cacheBytesPerToken: sum(\.cacheBytesPerToken))
    }

    /// What the ranks reach side by side.
    public func measuredRates() throws -> ModelMachineRates {
        let ranks = ranks
        let outcomes = ranks.map { _ in RateOutcome() }
        leaders.run { leader in
            outcomes[leader.index].result = Result { try ranks[leader.index].measuredRates() }
        }
        ranks[0].pool.releaseCaller()
        let rates = try outcomes.compactMap { try $0.result?.get() }
        return ModelMachineRates(
            multiplyAddsPerSecond: rates.reduce(0) { $0 + $1.multiplyAddsPerSecond },
            readBytesPerSecond: rates.reduce(0) { $0 + $1.readBytesPerSecond })
    }

    private final class RateOutcome {
        var result: Result<ModelMachineRates, any Error>?
    }
}
