// A decoder run one layer at a time, by whoever changes the layers as it goes.

public import Kernels
public import ModelFiles
public import Primitives

/// A linear module of a layer, as a quantiser sees it: out = weights × in.
public struct LinearModule: Sendable, Equatable {
    /// As the checkpoint names it, such as `model.layers.0.mlp.up_proj`.
    public let name: String
    public let rowCount: Int
    public let columnCount: Int
}

/// Where the linear modules of a layer read their input; modules of one site read the same.
public enum LayerSite: Int, Sendable, CaseIterable {
    case queryKeyValue, attentionOutput, gateUp, down
}

/// Sequences on their way through a decoder in fp32, all of them together, layer by layer.
///
/// Only one layer's weights are in memory. For each layer: `load`, then for each site in its order `forEachInput`, and
/// `replace` where its modules are to compute with other weights from there on; then `finish`. What a site reads has
/// been computed with the replaced weights of all sites before it.
public final class LayerwiseDecoder {
    public let layerCount: Int
    public let sequenceCount: Int
    /// Tokens of each sequence.
    public let length: Int

    private let loader: WeightLoader
    private let pool: WorkerPool
    private let kernels: KernelSet
    /// Memory that lives as long as this object.
    private let arena = Arena()
    /// Memory of the layer at hand.
    private var layerArena = Arena()
    private let frame: Decoder
    private var layer: (index: Int, weights: DecoderLayer)?
    /// The residual stream of all sequences, shape [sequenceCount × length, hiddenSize].
    private let hidden: FloatMatrix
    private var batch: ForwardBatch
    private let plan: AttentionPlan
    private let configuration: ModelConfiguration

    /// - Parameters:
    ///   - checkpoint: With weights stored as numbers of 16 or 32 bits.
    ///   - sequences: At least one; all of one length.
    public init(
        _ checkpoint: ModelCheckpoint, sequences: [[TokenID]], instructionSet: InstructionSet, pool: WorkerPool
    ) throws {
        let configuration = checkpoint.configuration
        let length = sequences.first?.count ?? 0
        precondition(length > 0 && sequences.allSatisfy { $0.count == length }, "sequences of one length")
        var options = LocalExecutorOptions()
        options.instructionSet = instructionSet
        options.cacheType = .float32
        options.maximumModelLength = length
        options.blockCount = (length + options.blockSize - 1) / options.blockSize
        try LocalExecutor.check(configuration, options, file: checkpoint.weights.fileName)
        guard configuration.experts == nil else {
            throw ModelError.unsupportedFeature(
                "calibration of a mixture of experts", file: checkpoint.weights.fileName)
        }
        self.configuration = configuration
        self.length = length
        self.pool = pool
        layerCount = configuration.layerCount
        sequenceCount = sequences.count
        kernels = KernelSet(instructionSet)
        loader = WeightLoader(
            checkpoint: checkpoint, architecture: try DecoderArchitecture.named(configuration.architecture),
            asFloat32: true, rounding: nil, shard: try ModelShard(rank: 0, of: 1, configuration), arena: arena,
            pool: pool)
        frame = try Self.frame(checkpoint, loader: loader, options, kernels)
        batch = Self.batch(length: length, blockSize: options.blockSize)
        var plan = AttentionPlan(
            configuration, workerCount: pool.workerCount,
            partialCapacity: Self.partialCount(configuration, options, workerCount: pool.workerCount))
        plan.make(for: batch.sequences)
        self.plan = plan
        hidden = try FloatMatrix(
            rows: sequences.count * length, columns: configuration.hiddenSize, in: arena, purpose: "calibration")
        for (index, sequence) in sequences.enumerated() {
            guard sequence.allSatisfy({ $0 >= 0 && Int($0) < configuration.vocabularySize }) else {
                throw ExecutionError.invalidBatch("token out of the vocabulary")
            }
            batch.tokenIDs = sequence
            let batch = batch, frame = frame
            pool.run { worker in frame.embed(batch.tokenIDs, worker) }
            store(sequence: index)
        }
    }

    /// All of a decoder but its layers and its head.
    private static func frame(
        _ checkpoint: ModelCheckpoint, loader: WeightLoader, _ options: LocalExecutorOptions, _ kernels: KernelSet
    ) throws -> Decoder {
        let configuration = checkpoint.configuration, arena = loader.arena, workerCount = loader.pool.workerCount
        let cache = try KVCacheStorage(
            shape: LocalExecutor.cacheShape(configuration, options), blockCount: options.blockCount, in: arena)
        let groupSize = configuration.headCount / configuration.keyValueHeadCount
        // Exact in whatever it is stored, hence not widened.
        let embedding = try WeightLoader(
            checkpoint: checkpoint, architecture: loader.architecture, asFloat32: false, rounding: nil,
            shard: loader.shard, arena: arena, pool: loader.pool
        ).matrix(
            .tokenEmbedding, rows: configuration.vocabularySize, columns: configuration.hiddenSize, rounding: nil)
        let weights = DecoderWeights(
            tokenEmbedding: embedding, layers: [],
            outputNorm: try loader.norm(.outputNorm, size: configuration.hiddenSize), outputHead: embedding,
            rotary: [
                try RotaryFrequencies(
                    configuration, divisors: loader.rotaryDivisors(), contextLength: options.maximumModelLength)
            ],
            slidingRotary: (configuration.slidingRopeTheta ?? loader.architecture.slidingRopeTheta).map {
                RotaryFrequencies(dimensions: configuration.rotaryDimensions, theta: $0)
            })
        let rotary = try weights.rotary.map { try $0.table(positions: options.maximumModelLength, in: arena) }
        return Decoder(
            configuration: configuration,
            settings: try DecoderSettings(
                configuration, loader.architecture, format: checkpoint.format, file: checkpoint.weights.fileName),
            weights: weights,
            buffers: try DecoderBuffers(
                configuration, rankCount: 1, rows: options.maximumModelLength, logitRows: 1,
                scratchSize: cache.attentionScratch(groupSize: groupSize),
                partialCount: partialCount(configuration, options, workerCount: workerCount),
                workerCount: workerCount, in: arena),
            rotary: rotary,
            slidingRotary: try weights.slidingRotary?.table(positions: options.maximumModelLength, in: arena),
            cache: cache, kernels: kernels, workerCount: workerCount, share: .whole)
    }

    private static func partialCount(
        _ configuration: ModelConfiguration, _ options: LocalExecutorOptions, workerCount: Int
    ) -> Int {
        AttentionPlan.partialCount(
            configuration, maximumLength: options.maximumModelLength,
            cacheTokens: options.blockCount * options.blockSize, workerCount: workerCount)
    }

    /// One whole sequence in the first blocks of the cache; its tokens are to be filled in.
    private static func batch(length: Int, blockSize: Int) -> ForwardBatch {
        var batch = ForwardBatch()
        batch.tokenIDs = Array(repeating: 0, count: length)
        batch.positions = (0..<Int32(length)).map { $0 }
        batch.slotMapping = batch.positions
        batch.blockTables = (0..<Int32((length + blockSize - 1) / blockSize)).map { $0 }
        batch.sequences = [
            ForwardBatch.Sequence(
                firstRow: 0, rowCount: Int32(length), contextLength: Int32(length), blockTableOffset: 0,
                promptLength: Int32(length))
        ]
        return batch
    }

    // MARK: - Layers

    /// The linear modules that read at `site`, in the order in which `replace` takes them.
    public func modules(at site: LayerSite, ofLayer index: Int) -> [LinearModule] {
        Self.modules(at: site, ofLayer: index, configuration)
    }

    /// The same of any checkpoint in a Hugging Face folder.
    public static func modules(
        at site: LayerSite, ofLayer index: Int, _ configuration: ModelConfiguration
    ) -> [LinearModule] {
        let family = (try? DecoderArchitecture.named(configuration.architecture))?.tensorNames ?? .llama
        let names = TensorNames(format: .safetensors, family: family)
        let hidden = configuration.hiddenSize, inner = configuration.intermediateSize
        let queryRows = configuration.headCount * configuration.headSize
        let keyRows = configuration.keyValueHeadCount * configuration.headSize
        func module(_ role: TensorRole, _ rows: Int, _ columns: Int) -> LinearModule {
            LinearModule(name: names.module(role), rowCount: rows, columnCount: columns)
        }
        return switch site {
        case .queryKeyValue:
            [
                module(.query(layer: index), queryRows, hidden), module(.key(layer: index), keyRows, hidden),
                module(.value(layer: index), keyRows, hidden),
            ]
        case .attentionOutput: [module(.attentionOutput(layer: index), hidden, queryRows)]
        case .gateUp: [module(.gate(layer: index), inner, hidden), module(.up(layer: index), inner, hidden)]
        case .down: [module(.down(layer: index), hidden, inner)]
        }
    }

    /// Reads a layer's weights, and forgets those of the one before.
    public func load(layer index: Int) throws {
        layer = nil
        layerArena = Arena()
        let loader = WeightLoader(
            checkpoint: loader.checkpoint, architecture: loader.architecture, asFloat32: true, rounding: nil,
            shard: loader.shard, arena: layerArena, pool: pool)
        layer = (index, try loader.layer(index))
    }

    /// Lets the modules of a site compute with other weights, one matrix for each.
    public func replace(_ site: LayerSite, with weights: [FloatMatrix]) throws {
        guard var layer else { return }
        func packed(_ matrices: ArraySlice<FloatMatrix>) throws -> PackedMatrix {
            try PackedMatrix(
                packing: matrices.map { MatrixSource($0) }, columnCount: matrices.first?.columnCount ?? 0,
                asFloat32: true, in: layerArena, purpose: "calibration", pool: pool)
        }
        switch site {
        case .queryKeyValue: layer.weights.queryKeyValue = try packed(weights[...])
        case .attentionOutput: layer.weights.attentionOutput = try packed(weights[...])
        case .gateUp:
            guard case .dense(var matrices) = layer.weights.feedForward else { return }
            matrices.gate = try packed(weights[..<1])
            matrices.up = try packed(weights[1...])
            layer.weights.feedForward = .dense(matrices)
        case .down:
            guard case .dense(var matrices) = layer.weights.feedForward else { return }
            matrices.down = try packed(weights[...])
            layer.weights.feedForward = .dense(matrices)
        }
        self.layer = layer
    }

    // MARK: - Sequences

    /// Calls `body` with what a site reads of each sequence: the first `length` rows of the matrix.
    public func forEachInput(of site: LayerSite, _ body: (FloatMatrix) -> Void) {
        guard let decoder = decoder(), let index = layer?.index else { return }
        let rows = length
        for sequence in 0..<sequenceCount {
            fetch(sequence: sequence)
            pool.run { worker in
                let layer = decoder.weights.layers[index]
                switch site {
                case .queryKeyValue:
                    decoder.norm(layer.attentionNorm, rows: rows, for: layer.queryKeyValue, worker)
                case .attentionOutput:
                    decoder.attention(index, batch, plan, worker)
                case .gateUp:
                    decoder.attention(index, batch, plan, worker)
                    decoder.norm(layer.feedForwardNorm, rows: rows, for: nil, worker)
                case .down:
                    decoder.feedForward(layer, before: nil, rows: rows, worker)
                }
            }
            // Attention is done with; the feed-forward sites go on from here.
            if site == .gateUp { store(sequence: sequence) }
            // What a part of a layer has read is still in its buffers when it is through.
            switch site {
            case .queryKeyValue, .gateUp: body(decoder.buffers.normed.values)
            case .attentionOutput: body(decoder.buffers.attention.values)
            case .down: body(decoder.buffers.feedForward.gated.values)
            }
        }
    }

    /// Takes all sequences to the end of the layer, after its last site.
    public func finish() {
        guard let decoder = decoder(), let index = layer?.index else { return }
        let rows = length
        for sequence in 0..<sequenceCount {
            fetch(sequence: sequence)
            pool.run { worker in
                decoder.feedForward(decoder.weights.layers[index], before: nil, rows: rows, worker)
            }
            store(sequence: sequence)
        }
    }

    /// The frame with the layer at hand in the place of every one: what a layer does may depend on its index.
    private func decoder() -> Decoder? {
        guard let layer else { return nil }
        let weights = DecoderWeights(
            tokenEmbedding: frame.weights.tokenEmbedding,
            layers: Array(repeating: layer.weights, count: layerCount), outputNorm: frame.weights.outputNorm,
            outputHead: frame.weights.outputHead, rotary: frame.weights.rotary,
            slidingRotary: frame.weights.slidingRotary)
        return Decoder(
            configuration: configuration, settings: frame.settings, weights: weights, buffers: frame.buffers,
            rotary: frame.rotary, slidingRotary: frame.slidingRotary, cache: frame.cache, kernels: kernels,
            workerCount: pool.workerCount, share: .whole)
    }

    private func fetch(sequence: Int) {
        for row in 0..<length { hidden.copyRow(sequence * length + row, to: row, of: frame.buffers.hidden) }
    }

    private func store(sequence: Int) {
        for row in 0..<length { frame.buffers.hidden.copyRow(row, to: sequence * length + row, of: hidden) }
    }
}
