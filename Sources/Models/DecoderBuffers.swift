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
    /// What is normed before it is added to the residual stream, or weighed, [rows, hiddenSize].
    let branch: FloatMatrix
    /// Of width intermediateSize.
    let feedForward: GatedBuffers
    let experts: ExpertBuffers?
    /// The normed rows whose logits are wanted, [logitRows, hiddenSize].
    let logitInputs: ActivationRows
    let logitRefinement: LogitRefinement
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
        let hiddenSize = configuration.hiddenSize
        let queryWidth = configuration.headCount * configuration.headSize
        let keyWidth = configuration.keyValueHeadCount * configuration.headSize
        let purpose = "activations"
        hidden = try FloatMatrix(rows: rows, columns: hiddenSize, in: arena, purpose: purpose)
        normed = try ActivationRows(rows: rows, columns: hiddenSize, in: arena, purpose: purpose)
        queryKeyValue = try FloatMatrix(rows: rows, columns: queryWidth + 2 * keyWidth, in: arena, purpose: purpose)
        attention = try ActivationRows(rows: rows, columns: rankCount * queryWidth, in: arena, purpose: purpose)
        branch = try FloatMatrix(rows: rows, columns: hiddenSize, in: arena, purpose: purpose)
        feedForward = try GatedBuffers(rows: rows, columns: configuration.intermediateSize, in: arena)
        experts = try configuration.experts.map { (experts) throws(KernelError) in
            try ExpertBuffers(experts, hiddenSize: hiddenSize, rows: rows, in: arena)
        }
        logitInputs = try ActivationRows(
            rows: logitRows, columns: hiddenSize, hasFineForm: true, in: arena, purpose: purpose)
        logitRefinement = try LogitRefinement(
            rows: logitRows, tokens: configuration.vocabularySize, workerCount: workerCount, in: arena,
            purpose: purpose)
        attentionScratch = try FloatMatrix(
            rows: workerCount, columns: (scratchSize + 15) / 16 * 16, in: arena, purpose: purpose)
        attentionPartials = try FloatMatrix(
            rows: partialCount, columns: configuration.headSize + 2, in: arena, purpose: purpose)
    }
}

/// Of a feed-forward part. What no layer has is never touched, and takes no memory.
struct GatedBuffers {
    /// What `gated` is multiplied with, [rows, columns].
    let up: FloatMatrix
    /// [rows, columns].
    let gated: ActivationRows

    init(rows: Int, columns: Int, in arena: Arena) throws(KernelError) {
        up = try FloatMatrix(rows: rows, columns: columns, in: arena, purpose: "activations")
        gated = try ActivationRows(rows: rows, columns: columns, in: arena, purpose: "activations")
    }
}

/// Of a mixture of experts.
struct ExpertBuffers {
    let routing: ExpertRouting
    /// [rows, expert count + 1]: the last is the shared expert's gate.
    let routerLogits: FloatMatrix
    /// Copies of rows, grouped by expert, [places, hiddenSize].
    let inputs: ActivationRows
    /// [places, intermediateSize of an expert].
    let gated: GatedBuffers
    /// [places, hiddenSize].
    let outputs: FloatMatrix
    let shared: GatedBuffers?

    /// Rows that go through the experts at once: enough for their products to be efficient, and no more, since each has
    /// a copy for every expert it goes to.
    static let groupedRows = 256

    init(_ experts: ExpertConfiguration, hiddenSize: Int, rows: Int, in arena: Arena) throws(KernelError) {
        let purpose = "activations"
        routing = try ExpertRouting(
            expertCount: experts.count, perRow: experts.perToken, rows: rows, groupCapacity: Self.groupedRows,
            in: arena)
        routerLogits = try FloatMatrix(rows: rows, columns: experts.count + 1, in: arena, purpose: purpose)
        let places = routing.placeCapacity
        inputs = try ActivationRows(rows: places, columns: hiddenSize, in: arena, purpose: purpose)
        gated = try GatedBuffers(rows: places, columns: experts.intermediateSize, in: arena)
        outputs = try FloatMatrix(rows: places, columns: hiddenSize, in: arena, purpose: purpose)
        shared = try experts.sharedIntermediateSize.map { (size) throws(KernelError) in
            try GatedBuffers(rows: rows, columns: size, in: arena)
        }
    }
}
