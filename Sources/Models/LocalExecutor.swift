// Runs a decoder on this machine's cores.

public import Kernels
public import ModelFiles
internal import Primitives

/// How a model is to be run here.
public struct LocalExecutorOptions: Sendable {
    public var threadCount = 1
    public var instructionSet = InstructionSet.best
    /// Reference mode: weights dequantised exactly, all arithmetic in fp32.
    public var computesInFloat32 = false
    /// Rounds linear layers that are stored in 16 or 32 bits as they are loaded; not in reference mode.
    public var rounding: RoundedForm?
    /// Rounds the output head likewise.
    public var headRounding: RoundedForm?
    public var cacheType = KVCacheType.int16
    /// Tokens a KV block holds; a multiple of 8.
    public var blockSize = 16
    public var blockCount = 1
    public var maximumModelLength = 2048
    /// Rows of the largest batch (`--max-num-batched-tokens`).
    public var maximumRows = 2048
    /// The most rows whose logits one batch may want (`--max-num-seqs`, or more for prompt logprobs).
    public var maximumLogitRows = 128

    public init() {}
}

/// A decoder, its KV cache and its compute threads: all of a model, or one rank's part of it.
public final class LocalExecutor: MeasuredExecutor {
    public let cacheCapacity: CacheCapacity
    public let vocabularySize: Int
    public let maximumRows: Int
    public let maximumLogitRows: Int
    public let instructionSet: InstructionSet
    /// Bytes of the packed weights.
    public let weightBytes: Int
    /// The part of the model that is here.
    public let shard: ModelShard

    private let arena: Arena
    let pool: WorkerPool
    private(set) var decoder: Decoder
    let maximumModelLength: Int
    private var plan: AttentionPlan

    /// Loads the weights of `checkpoint` and allocates everything that a step needs.
    ///
    /// - Parameter progress: Told the share loaded so far, 0…1, from the calling thread.
    public convenience init(
        _ checkpoint: ModelCheckpoint, options: LocalExecutorOptions, progress: @escaping (Double) -> Void = { _ in }
    ) throws {
        let shard = try ModelShard(rank: 0, of: 1, checkpoint.configuration)
        try self.init(checkpoint, options: options, shard: shard, progress: progress)
    }

    /// Loads the part of `checkpoint` that a rank holds. Of several, each must `join` the others before it executes.
    ///
    /// - Parameters:
    ///   - options: `threadCount` is the rank's own.
    ///   - cpus: Those that the compute threads are bound to; nil leaves them to the system.
    public init(
        _ checkpoint: ModelCheckpoint, options: LocalExecutorOptions, shard: ModelShard, cpus: CPUSet? = nil,
        progress: @escaping (Double) -> Void = { _ in }
    ) throws {
        let architecture = try DecoderArchitecture.named(checkpoint.configuration.architecture)
        let file = checkpoint.weights.fileName
        try Self.check(checkpoint.configuration, options, file: file)
        let settings = try DecoderSettings(
            checkpoint.configuration, architecture, format: checkpoint.format, file: file)
        let configuration = shard.local(checkpoint.configuration)
        arena = Arena()
        pool = try WorkerPool(workerCount: options.threadCount, cpus: cpus)
        let kernels = KernelSet(options.instructionSet)
        let weights = try DecoderWeights(
            checkpoint, architecture: architecture, shard: shard,
            options: WeightLoadingOptions(
                asFloat32: options.computesInFloat32, rounding: options.rounding, headRounding: options.headRounding,
                contextLength: options.maximumModelLength, progress: progress),
            in: arena, pool: pool)
        self.shard = shard
        weightBytes = arena.byteCount
        let cache = try KVCacheStorage(
            shape: Self.cacheShape(configuration, options), blockCount: options.blockCount, in: arena)
        maximumRows = options.maximumRows
        maximumLogitRows = options.maximumLogitRows
        maximumModelLength = options.maximumModelLength
        vocabularySize = configuration.vocabularySize
        cacheCapacity = CacheCapacity(blockCount: options.blockCount, blockSize: options.blockSize)
        instructionSet = kernels.instructionSet
        let groupSize = configuration.headCount / configuration.keyValueHeadCount
        let partialCount = AttentionPlan.partialCount(
            configuration, maximumLength: options.maximumModelLength,
            cacheTokens: options.blockCount * options.blockSize, workerCount: pool.workerCount)
        plan = AttentionPlan(configuration, workerCount: pool.workerCount, partialCapacity: partialCount)
        let arena = arena
        let rotary = try weights.rotary.map { try $0.table(positions: options.maximumModelLength, in: arena) }
        decoder = Decoder(
            configuration: configuration, settings: settings, weights: weights,
            buffers: try DecoderBuffers(
                configuration, rankCount: shard.rankCount, rows: options.maximumRows,
                logitRows: options.maximumLogitRows, scratchSize: cache.attentionScratch(groupSize: groupSize),
                partialCount: partialCount, workerCount: pool.workerCount, in: arena),
            rotary: rotary,
            slidingRotary: try weights.slidingRotary?.table(positions: options.maximumModelLength, in: arena),
            cache: cache, kernels: kernels, workerCount: pool.workerCount, share: .whole)
    }

    /// What this rank shares with the others.
    public var memory: RankMemory { decoder.memory(shard, vocabularySize: vocabularySize) }

    /// From here on steps are computed together with other ranks.
    public func join(_ exchange: any RankExchange) {
        decoder = decoder.joined(RankShare(memory, exchange: exchange))
    }

    /// The shape of the KV cache that a model has under `options`, for one rank or, replicated heads counted as often
    /// as they are held, for all of them; the start-up memory plan needs it before loading.
    public static func cacheShape(
        _ configuration: ModelConfiguration, _ options: LocalExecutorOptions, rankCount: Int = 1
    ) -> KVCacheShape {
        KVCacheShape(
            layerCount: configuration.layerCount,
            keyValueHeadCount: max(configuration.keyValueHeadCount, rankCount),
            headSize: configuration.headSize, blockSize: options.blockSize, type: options.cacheType)
    }

    static func check(
        _ configuration: ModelConfiguration, _ options: LocalExecutorOptions, file: String
    ) throws(ModelError) {
        var widths = [
            ("head size", configuration.headSize), ("hidden size", configuration.hiddenSize),
            ("intermediate size", configuration.intermediateSize), ("block size", options.blockSize),
        ]
        if let experts = configuration.experts {
            widths.append(("intermediate size of experts", experts.intermediateSize))
            widths.append(("intermediate size of the shared expert", experts.sharedIntermediateSize ?? 0))
        }
        for (name, width) in widths where width % 8 != 0 {
            throw .unsupportedFeature("a \(name) of \(width), which is not a multiple of 8,", file: file)
        }
        guard configuration.rotaryDimensions % 2 == 0, configuration.rotaryDimensions <= configuration.headSize else {
            throw .unsupportedFeature("a rotation of \(configuration.rotaryDimensions) dimensions", file: file)
        }
        guard options.maximumModelLength <= configuration.contextLength else {
            throw .contextTooLong(asked: options.maximumModelLength, supported: configuration.contextLength)
        }
    }

    public func execute(_ batch: borrowing ForwardBatch, into logits: LogitsBuffer) throws(ExecutionError) {
        let batch = copy batch
        try check(batch, logits)
        compute(batch, into: logits)
    }

    /// Computes a batch that has been checked.
    func compute(_ batch: ForwardBatch, into logits: LogitsBuffer) {
        for copy in batch.blockCopies {
            decoder.cache.copyBlock(from: Int(copy.source), to: Int(copy.destination))
        }
        plan.make(for: batch.sequences)
        let plan = plan, decoder = decoder
        pool.run { worker in decoder.forward(batch, plan: plan, into: logits, worker) }
    }
}
