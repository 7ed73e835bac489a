// The weights of a decoder, packed. Shapes are the whole's: where ranks share a model, each has some of the rows.

internal import Kernels

/// Weights of one layer.
struct DecoderLayer {
    /// Shape [1, hiddenSize].
    let attentionNorm: FloatMatrix
    /// Q, K and V stacked: shape [(headCount + 2 keyValueHeadCount) × headSize, hiddenSize].
    var queryKeyValue: PackedMatrix
    /// Shape [1, rows of queryKeyValue].
    let queryKeyValueBias: FloatMatrix?
    /// Of the heads of Q, and of those of K: shape [1, headSize].
    let queryNorm: FloatMatrix?
    let keyNorm: FloatMatrix?
    /// Shape [hiddenSize, headCount × headSize].
    var attentionOutput: PackedMatrix
    let attentionOutputBias: FloatMatrix?
    /// Of what attention adds to the residual stream, and of what the feed-forward part does: shape [1, hiddenSize].
    let attentionOutputNorm: FloatMatrix?
    let feedForwardOutputNorm: FloatMatrix?
    let feedForwardNorm: FloatMatrix
    var feedForward: FeedForward
}

/// What follows attention in a layer.
enum FeedForward {
    case dense(GatedMatrices)
    case experts(ExpertMixture)
}

/// A feed-forward part: down × (activation(gate × x) × (up × x)).
struct GatedMatrices {
    /// Shape [intermediateSize, hiddenSize], as that of `up`.
    var gate: PackedMatrix
    var up: PackedMatrix
    /// Shape [hiddenSize, intermediateSize].
    var down: PackedMatrix

    var all: [PackedMatrix] { [gate, up, down] }

    /// One of those that read the same activations, which wants their 8-bit form if any of them does.
    var reader: PackedMatrix { gate.usesQuantizedActivations ? gate : up }
}

/// A mixture of experts: the weighted sum of some of them, chosen for each token.
struct ExpertMixture {
    /// Shape [expert count, hiddenSize], and behind it the row of the shared expert's gate; read in fp32.
    let router: PackedMatrix
    let gate: ExpertMatrices
    let up: ExpertMatrices
    let down: ExpertMatrices
    /// The expert that all tokens go to.
    let shared: GatedMatrices?
}

/// All weights of a decoder. Memory belongs to the arena they were loaded into.
struct DecoderWeights {
    /// Shape [vocabularySize, hiddenSize].
    let tokenEmbedding: PackedMatrix
    let layers: [DecoderLayer]
    let outputNorm: FloatMatrix
    /// The token embedding itself where the two are tied.
    let outputHead: PackedMatrix
    /// Of each variant; see `RopeScaling.variant(promptLength:)`.
    let rotary: [RotaryFrequencies]
    /// Of layers with a sliding window, where theirs are others.
    let slidingRotary: RotaryFrequencies?
}
