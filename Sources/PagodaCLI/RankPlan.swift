// `--tensor-parallel-size`: how many ranks share the model, and where they run.

internal import Kernels
internal import Logging
internal import MessagePassing
internal import ModelFiles
internal import Models

/// The ranks that mpirun started, seen from one of them.
struct RankProcesses {
    let transport: any RankTransport
    /// Ends this process: the ranks can no longer work together.
    let fail: @Sendable (RankError) -> Void
}

/// Ranks are groups of threads in this process, or processes of one group of threads each.
struct RankPlan {
    let count: Int
    let processes: RankProcesses?
    /// Of this process.
    let threadCount: Int
    private let shard: ModelShard

    init(
        _ options: ParallelOptions, _ configuration: ModelConfiguration, _ processes: RankProcesses?
    ) throws {
        self.processes = processes
        let asked = options.tensorParallelSize, threads = try options.checkedThreads()
        guard (1...256).contains(asked) else {
            throw CommandError.invalidOption(name: "tensor-parallel-size", value: "\(asked)", allowed: "1 to 256")
        }
        guard let transport = processes?.transport else {
            count = asked
            shard = try ModelShard(rank: 0, of: asked, configuration)
            threadCount = threads ?? Machine.coreCount
            return
        }
        count = transport.rankCount
        guard asked == 1 || asked == count else {
            throw CommandError.invalidOption(
                name: "tensor-parallel-size", value: "\(asked)",
                allowed: "the \(count) processes that mpirun started, or nothing")
        }
        shard = try ModelShard(rank: transport.rank, of: count, configuration)
        if let threads {
            let placements = ParallelExecutor.placements(rankCount: count, threadCount: threads, nodes: [])
            threadCount = placements[transport.rank].threadCount
        } else {
            // mpirun may have given each process cores of its own.
            threadCount = Machine.isBound ? Machine.coreCount : max(1, Machine.coreCount / transport.localCount)
        }
    }

    var ranksHere: Int { processes == nil ? count : 1 }
    var processCount: Int { processes == nil ? 1 : count }
    var processesHere: Int { processes?.transport.localCount ?? 1 }

    /// The configuration that this process's part of the KV cache has.
    func configurationHere(_ configuration: ModelConfiguration) -> ModelConfiguration {
        processes == nil ? configuration : shard.local(configuration)
    }

    /// What the log says of the ranks; nil if there is one.
    var summary: String? {
        guard count > 1 else { return nil }
        if let transport = processes?.transport {
            return """
                tensor parallel: rank \(transport.rank) of \(count) processes (\(transport.localCount) on this \
                machine), \(threadCount) threads
                """
        }
        let nodes = MemoryNode.all()
        let placements = ParallelExecutor.placements(rankCount: count, threadCount: threadCount, nodes: nodes)
        let ranks = placements.enumerated().map { rank, place in
            let node = place.node.map { " on memory node \($0.number) (CPUs \($0.cpus))" } ?? ""
            return "rank \(rank): \(place.threadCount) threads\(node)"
        }
        return "tensor parallel: \(count) ranks; " + ranks.joined(separator: ", ")
            + (nodes.count > 1 ? "" : "; one memory node, threads are not bound")
    }

    /// Loads this process's part of the model: all of it, unless others have theirs.
    func makeExecutor(
        _ checkpoint: ModelCheckpoint, _ options: LocalExecutorOptions, progress: @escaping @Sendable (Double) -> Void
    ) throws -> sending any MeasuredExecutor {
        if processes != nil { return try makeRank(checkpoint, options, progress: progress) }
        guard count > 1 else { return try LocalExecutor(checkpoint, options: options, progress: progress) }
        return try ParallelExecutor(checkpoint, options: options, rankCount: count, progress: progress)
    }

    /// Loads this process's rank, and meets the others.
    func makeRank(
        _ checkpoint: ModelCheckpoint, _ options: LocalExecutorOptions, progress: @escaping @Sendable (Double) -> Void
    ) throws -> sending DistributedExecutor {
        guard let processes else { throw RankError.notBuilt }
        let local = try LocalExecutor(checkpoint, options: options, shard: shard, progress: progress)
        return try DistributedExecutor(
            local, options: options, transport: processes.transport, fail: processes.fail)
    }
}

extension LoadPlan {
    /// - Parameter threadCount: Instead of the planned one.
    func makeExecutor(
        threadCount: Int? = nil, progress: @escaping @Sendable (Double) -> Void = { _ in }
    ) throws -> sending any MeasuredExecutor {
        var options = executor
        options.threadCount = threadCount ?? options.threadCount
        return try ranks.makeExecutor(checkpoint, options, progress: progress)
    }
}
