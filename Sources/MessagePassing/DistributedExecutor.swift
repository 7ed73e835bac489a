// A model whose ranks are processes: the first one plans and serves, the others follow.

public import Kernels
public import Models

/// One rank of a model that is shared by processes.
///
/// Rank 0 executes batches as any executor does, and sends them to the others first; those `follow`.
public final class DistributedExecutor: MeasuredExecutor {
    public let cacheCapacity: CacheCapacity
    public let vocabularySize: Int
    public let maximumRows: Int
    public let maximumLogitRows: Int
    public let costs: ModelCosts
    private let rates: ModelMachineRates
    private let local: LocalExecutor
    private let transport: any RankTransport
    private let message: BatchMessage
    private let fail: @Sendable (RankError) -> Void
    private var words: [Int32] = []

    /// Called by all ranks at once, each with its own part of the model.
    ///
    /// - Parameters:
    ///   - options: As `local` was loaded with; the same for all ranks but for threads.
    ///   - fail: Told when the ranks can no longer work together; should end the process.
    public init(
        _ local: LocalExecutor, options: LocalExecutorOptions, transport: any RankTransport,
        fail: @escaping @Sendable (RankError) -> Void
    ) throws {
        try Self.compare(local, options, transport)
        self.local = local
        self.transport = transport
        self.fail = fail
        cacheCapacity = local.cacheCapacity
        vocabularySize = local.vocabularySize
        maximumRows = local.maximumRows
        maximumLogitRows = local.maximumLogitRows
        let blockSize = local.cacheCapacity.blockSize
        message = BatchMessage(
            BatchMessage.Limits(
                rows: local.maximumRows, logitRows: local.maximumLogitRows, blocks: local.cacheCapacity.blockCount,
                blocksPerSequence: (options.maximumModelLength + blockSize - 1) / blockSize))
        let own = local.costs, ownRates = try local.measuredRates()
        let sums = try transport.sum([
            own.multiplyAddsPerRow, own.multiplyAddsPerLogitRow, own.multiplyAddsPerAttendedToken, own.weightBytes,
            own.headBytes, own.cacheBytesPerToken, ownRates.multiplyAddsPerSecond, ownRates.readBytesPerSecond,
        ])
        costs = ModelCosts(
            multiplyAddsPerRow: sums[0], multiplyAddsPerLogitRow: sums[1], multiplyAddsPerAttendedToken: sums[2],
            weightBytes: sums[3], headBytes: sums[4], cacheBytesPerToken: sums[5])
        rates = ModelMachineRates(multiplyAddsPerSecond: sums[6], readBytesPerSecond: sums[7])
        local.join(ProcessExchange(memory: local.memory, transport: transport, fail: fail))
    }

    public var weightBytes: Int { local.weightBytes }

    /// Every rank was started with the same options on the same model, or they would compute different things.
    private static func compare(
        _ local: LocalExecutor, _ options: LocalExecutorOptions, _ transport: any RankTransport
    ) throws(RankError) {
        let own = """
            vocabulary \(local.vocabularySize), \(local.shard.rankCount) ranks, rows \(local.maximumRows), logit rows \
            \(local.maximumLogitRows), \(local.cacheCapacity.blockCount) blocks of \(local.cacheCapacity.blockSize), \
            context \(options.maximumModelLength), KV cache \(options.cacheType.rawValue), \
            float32 \(options.computesInFloat32), model \(local.memory.summary)
            """
        let first = try transport.broadcast(Array(own.utf8), limit: 4096)
        let theirs = String(decoding: first, as: UTF8.self)
        guard own == theirs else { throw .differs("rank \(transport.rank) has \(own); rank 0 has \(theirs)") }
    }

    /// As measured when the ranks met.
    public func measuredRates() throws -> ModelMachineRates { rates }

    public func execute(_ batch: borrowing ForwardBatch, into logits: LogitsBuffer) throws(ExecutionError) {
        let batch = copy batch
        try local.check(batch, logits)
        message.write(batch, to: &words)
        do throws(RankError) {
            try transport.send(words)
        } catch {
            fail(error)
            throw .deviceLost(error.description)
        }
        try local.execute(batch, into: logits)
    }

    /// Executes what rank 0 sends, until the transport is interrupted.
    public func follow() throws {
        let logits = LogitsBuffer(rowCapacity: maximumLogitRows, vocabularySize: vocabularySize)
        var batch = ForwardBatch()
        while try transport.receive(limit: message.wordLimit, into: &words) {
            try message.read(words, into: &batch)
            try local.execute(batch, into: logits)
        }
    }
}
