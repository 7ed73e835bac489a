// The weights of a decoder, packed. Shapes are the whole's: where ranks share a model, each has some of the rows.

internal import Kernels

/// Weights of one layer.
struct DecoderLayer {
    /// Shape [1, hiddenSize].
    let attentionNorm: FloatMatrix
    /// Q, K and V stacked: shape [(headCount + 2 keyValueHeadCount) × headSize, hiddenSize].
    let queryKeyValue: PackedMatrix
    /// Shape [1, rows of queryKeyValue].
    let queryKeyValueBias: FloatMatrix?
    /// Shape [hiddenSize, headCount × headSize].
    let attentionOutput: PackedMatrix
    let attentionOutputBias: FloatMatrix?
    let feedForwardNorm: FloatMatrix
    /// Shape [intermediateSize, hiddenSize], as that of `up`.
    let gate: PackedMatrix
    let up: PackedMatrix
    /// Shape [hiddenSize, intermediateSize].
    let down: PackedMatrix
}

/// All weights of a decoder. Memory belongs to the arena they were loaded into.
struct DecoderWeights {
    /// Shape [vocabularySize, hiddenSize].
    let tokenEmbedding: PackedMatrix
    let layers: [DecoderLayer]
    let outputNorm: FloatMatrix
    /// The token embedding itself where the two are tied.
    let outputHead: PackedMatrix
    let rotary: RotaryFrequencies
}
