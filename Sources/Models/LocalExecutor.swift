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
    public var cacheType = KVCacheType.float16
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

/// The executor of one process: a decoder, its KV cache and its compute threads.
public final class LocalExecutor: Executor {
    public let cacheCapacity: CacheCapacity
    public let vocabularySize: Int
    public let maximumRows: Int
    public let maximumLogitRows: Int
    public let instructionSet: InstructionSet
    /// Bytes of the packed weights.
    public let weightBytes: Int

    private let arena: Arena
    let pool: WorkerPool
    let decoder: Decoder
    private let maximumModelLength: Int
    private var plan: AttentionPlan

    /// Loads the weights of `checkpoint` and allocates everything that a step needs.
    ///
    /// - Parameter progress: Told the share loaded so far, 0…1, from the calling thread.
    public init(
        _ checkpoint: ModelCheckpoint, options: LocalExecutorOptions, progress: @escaping (Double) -> Void = { _ in }
    ) throws {
        let configuration = checkpoint.configuration
        let architecture = try DecoderArchitecture.named(configuration.architecture)
        let file = checkpoint.weights.fileName
        try Self.check(configuration, options, file: file)
        let settings = try DecoderSettings(configuration, architecture, format: checkpoint.format, file: file)
        arena = Arena()
        pool = try WorkerPool(workerCount: options.threadCount)
        let kernels = KernelSet(options.instructionSet)
        let weights = try DecoderWeights(
            checkpoint, architecture: architecture,
            options: WeightLoadingOptions(
                asFloat32: options.computesInFloat32, rounding: options.rounding, headRounding: options.headRounding,
                contextLength: options.maximumModelLength, progress: progress),
            in: arena, pool: pool)
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
            maximumLength: options.maximumModelLength, groupSize: groupSize, workerCount: pool.workerCount)
        plan = AttentionPlan(configuration, workerCount: pool.workerCount, partialCapacity: partialCount)
        let arena = arena
        let rotary = try weights.rotary.map { try $0.table(positions: options.maximumModelLength, in: arena) }
        decoder = Decoder(
            configuration: configuration, settings: settings, weights: weights,
            buffers: try DecoderBuffers(
                configuration, rows: options.maximumRows, logitRows: options.maximumLogitRows,
                scratchSize: cache.attentionScratch(groupSize: groupSize), partialCount: partialCount,
                workerCount: pool.workerCount, in: arena),
            rotary: rotary,
            slidingRotary: try weights.slidingRotary?.table(positions: options.maximumModelLength, in: arena),
            cache: cache, kernels: kernels, workerCount: pool.workerCount)
    }

    /// The shape of the KV cache that a model has under `options`; the start-up memory plan needs it before loading.
    public static func cacheShape(
        _ configuration: ModelConfiguration, _ options: LocalExecutorOptions
    ) -> KVCacheShape {
        KVCacheShape(
            layerCount: configuration.layerCount, keyValueHeadCount: configuration.keyValueHeadCount,
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
        for copy in batch.blockCopies {
            decoder.cache.copyBlock(from: Int(copy.source), to: Int(copy.destination))
        }
        plan.make(for: batch.sequences)
        let plan = plan, decoder = decoder
        pool.run { worker in decoder.forward(batch, plan: plan, into: logits, worker) }
    }

    /// Every index that kernels will follow is inside its buffer.
    private func check(_ batch: ForwardBatch, _ logits: LogitsBuffer) throws(ExecutionError) {
        let rows = batch.rowCount, blockSize = cacheCapacity.blockSize
        func require(_ condition: Bool, _ reason: String) throws(ExecutionError) {
            guard condition else { throw .invalidBatch(reason) }
        }
        try require(rows <= maximumRows, "\(rows) rows, \(maximumRows) allowed")
        try require(batch.positions.count == rows && batch.slotMapping.count == rows, "rows of different counts")
        try require(
            batch.logitRows.count <= min(maximumLogitRows, logits.rowCapacity)
                && logits.vocabularySize == vocabularySize,
            "\(batch.logitRows.count) rows of logits")
        for row in 0..<rows {
            try require(batch.tokenIDs[row] >= 0 && batch.tokenIDs[row] < vocabularySize, "token out of the vocabulary")
            try require(batch.positions[row] >= 0 && batch.positions[row] < maximumModelLength, "position out of range")
            try require(
                batch.slotMapping[row] >= 0 && batch.slotMapping[row] < cacheCapacity.blockCount * blockSize,
                "slot out of range")
        }
        for row in batch.logitRows { try require(row >= 0 && row < rows, "logits of a row that is not there") }
        for id in batch.blockTables { try require(id >= 0 && id < cacheCapacity.blockCount, "block out of range") }
        for copy in batch.blockCopies {
            try require(
                copy.source >= 0 && copy.source < cacheCapacity.blockCount && copy.destination >= 0
                    && copy.destination < cacheCapacity.blockCount, "block copy out of range")
        }
        for sequence in batch.sequences {
            let blocks = (Int(sequence.contextLength) + blockSize - 1) / blockSize
            try require(
                sequence.rowCount > 0 && sequence.firstRow >= 0 && Int(sequence.firstRow + sequence.rowCount) <= rows
                    && sequence.contextLength >= sequence.rowCount && sequence.contextLength <= maximumModelLength
                    && sequence.promptLength > 0 && sequence.promptLength <= maximumModelLength
                    && sequence.blockTableOffset >= 0
                    && Int(sequence.blockTableOffset) + blocks <= batch.blockTables.count, "sequence out of range")
        }
    }
}
