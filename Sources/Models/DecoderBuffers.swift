// The activations of a forward pass, allocated once.

internal import Kernels
internal import ModelFiles

/// Named by role; shapes in rows of the batch. Memory belongs to the executor's arena.
struct DecoderBuffers {
    /// The residual stream, [rows, hiddenSize].
    let hidden: FloatMatrix
    /// A norm's output, [rows, hiddenSize].
    let normed: ActivationRows
    /// [rows, Q | K | V], of this rank's heads.
    let queryKeyValue: FloatMatrix
    /// Attention's output, [rows, headCount × headSize] of all ranks.
    let attention: ActivationRows
    /// What `gated` is multiplied with, [rows, intermediateSize].
    let up: FloatMatrix
    /// [rows, intermediateSize].
    let gated: ActivationRows
    /// The normed rows whose logits are wanted, [logitRows, hiddenSize].
    let logitInputs: ActivationRows
    /// A row for each worker.
    let attentionScratch: FloatMatrix
    /// Attention of single parts of a context, [results, headSize + 2].
    let attentionPartials: FloatMatrix

    /// - Parameters:
    ///   - configuration: Of the rank.
    ///   - rankCount: Ranks that have as many heads each.
    init(
        _ configuration: ModelConfiguration, rankCount: Int, rows: Int, logitRows: Int, scratchSize: Int,
        partialCount: Int, workerCount: Int, in arena: Arena
    ) throws(KernelError) {
        let hiddenSize = configuration.hiddenSize, inner = configuration.intermediateSize
        let queryWidth = configuration.headCount * configuration.headSize
        let keyWidth = configuration.keyValueHeadCount * configuration.headSize
        let purpose = "activations"
        hidden = try FloatMatrix(rows: rows, columns: hiddenSize, in: arena, purpose: purpose)
        normed = try ActivationRows(rows: rows, columns: hiddenSize, in: arena, purpose: purpose)
        queryKeyValue = try FloatMatrix(rows: rows, columns: queryWidth + 2 * keyWidth, in: arena, purpose: purpose)
        attention = try ActivationRows(rows: rows, columns: rankCount * queryWidth, in: arena, purpose: purpose)
        up = try FloatMatrix(rows: rows, columns: inner, in: arena, purpose: purpose)
        gated = try ActivationRows(rows: rows, columns: inner, in: arena, purpose: purpose)
        logitInputs = try ActivationRows(rows: logitRows, columns: hiddenSize, in: arena, purpose: purpose)
        attentionScratch = try FloatMatrix(
            rows: workerCount, columns: (scratchSize + 15) / 16 * 16, in: arena, purpose: purpose)
        attentionPartials = try FloatMatrix(
            rows: partialCount, columns: configuration.headSize + 2, in: arena, purpose: purpose)
    }
}
