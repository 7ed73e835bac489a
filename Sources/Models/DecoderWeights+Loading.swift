// Loading: roles → tensors of a checkpoint → packed matrices.

internal import Kernels
internal import ModelFiles

/// How weights are to be kept.
struct WeightLoadingOptions {
    /// Reference mode: dequantise exactly and compute in fp32.
    var asFloat32: Bool
    /// Round linear layers that are stored in 16 or 32 bits.
    var rounding: RoundedForm?
    /// Round the output head, if it is stored in 16 or 32 bits; where it is the embedding, both are rounded.
    var headRounding: RoundedForm?
    /// Positions that will be computed.
    var contextLength: Int
    /// Told the share of layers loaded, 0…1.
    var progress: (Double) -> Void
}

extension DecoderWeights {
    /// Reads, checks and packs every weight of `checkpoint`, of matrices the shard's rows.
    init(
        _ checkpoint: ModelCheckpoint, architecture: DecoderArchitecture, shard: ModelShard,
        options: WeightLoadingOptions, in arena: Arena, pool: WorkerPool
    ) throws {
        let loader = WeightLoader(
            checkpoint: checkpoint, architecture: architecture, asFloat32: options.asFloat32,
            rounding: options.rounding, shard: shard, arena: arena, pool: pool)
        let configuration = checkpoint.configuration
        let hidden = configuration.hiddenSize, vocabulary = configuration.vocabularySize
        let hasHead = loader.hasWeights(.outputHead)
        // GGUF leaves the head out where it is the embedding; config.json says so, but cannot mean a quantised head.
        let isTied =
            checkpoint.format == .gguf
            ? !hasHead : configuration.tiesEmbeddings && loader.quantizedModule(.outputHead) == nil
        tokenEmbedding = try loader.matrix(
            .tokenEmbedding, rows: vocabulary, columns: hidden, rounding: isTied ? options.headRounding : nil)
        var layers: [DecoderLayer] = []
        for layer in 0..<configuration.layerCount {
            layers.append(try loader.layer(layer))
            options.progress(Double(layer + 1) / Double(configuration.layerCount))
        }
        self.layers = layers
        outputNorm = try loader.norm(.outputNorm, size: hidden)
        outputHead =
            isTied
            ? tokenEmbedding
            : try loader.matrix(.outputHead, rows: vocabulary, columns: hidden, rounding: options.headRounding)
        let divisors = try loader.rotaryDivisors()
        let longest = RotaryVariants(configuration.ropeScaling).variant(promptLength: options.contextLength)
        rotary = try (0...longest).map {
            try RotaryFrequencies(
                configuration, divisors: divisors, contextLength: options.contextLength, variant: $0)
        }
        let slidingTheta = configuration.slidingRopeTheta ?? architecture.slidingRopeTheta
        slidingRotary = slidingTheta.map {
            RotaryFrequencies(dimensions: configuration.rotaryDimensions, theta: $0)
        }
    }
}
