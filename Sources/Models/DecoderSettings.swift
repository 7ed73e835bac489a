// What a configuration and its family together say of the computation, beyond the weights.

internal import Kernels
internal import ModelFiles

/// Numbers and choices of a forward pass that hold for all of it.
struct DecoderSettings {
    let activation: GateActivation
    /// What embeddings are multiplied with; nil: they are not.
    let embeddingScale: Float?
    /// What scores of attention are multiplied with.
    let attentionScale: Float
    /// 0: none.
    let attentionSoftcap: Float
    let logitSoftcap: Float?
    /// Positions that each layer sees; 0: all.
    let windows: [Int]
    let normalizesExperts: Bool

    init(
        _ configuration: ModelConfiguration, _ architecture: DecoderArchitecture, format: CheckpointFormat, file: String
    ) throws(ModelError) {
        activation =
            switch configuration.hiddenActivation {
            case nil: architecture.activation
            case "silu", "swish": .silu
            case "gelu_pytorch_tanh", "gelu_new": .geluTanh
            case let name?: throw .unsupportedFeature("the activation \(name)", file: file)
            }
        embeddingScale = architecture.scalesEmbedding ? Float(configuration.hiddenSize).squareRoot() : nil
        let isScaledByHiddenSize =
            format == .gguf && architecture.ggufLayersScaledByHiddenSize == configuration.layerCount
        let scalar =
            configuration.attentionScalar
            ?? Double(
                isScaledByHiddenSize ? configuration.hiddenSize / configuration.headCount : configuration.headSize)
        attentionScale = 1 / Float(scalar).squareRoot()
        attentionSoftcap = configuration.attentionSoftcap.map { Float($0) } ?? 0
        logitSoftcap = configuration.logitSoftcap.map { Float($0) }
        windows = (0..<configuration.layerCount).map { layer in
            configuration.isSliding(layer, architecture) ? configuration.slidingWindow ?? 0 : 0
        }
        normalizesExperts = configuration.experts?.normalizesWeights ?? architecture.normalizesExperts
    }
}

extension ModelConfiguration {
    /// Whether a layer sees a window alone.
    func isSliding(_ layer: Int, _ architecture: DecoderArchitecture) -> Bool {
        guard slidingWindow != nil else { return false }
        switch slidingLayers ?? architecture.slidingPattern.map({ .allButEvery($0) }) {
        case nil: return true
        case .allButEvery(let pattern): return (layer + 1) % pattern != 0
        case .each(let layers): return layers[layer]
        }
    }
}
