// A weight matrix in the form that the kernels stream.

internal import CKernels

/// Weights of shape [rowCount, columnCount] (outputs, inputs), packed in panels of 16 rows. Memory belongs to an arena.
///
/// The forms and their layout: `pg_matmul.h`.
///
/// Sendable because nothing writes it once it is packed.
public struct PackedMatrix: @unchecked Sendable {
    public let rowCount: Int
    public let columnCount: Int
    let form: Int32
    /// Column i of the panels is column columnOrder[i] of activations; nil if they are in the same order.
    let columnOrder: [Int32]?
    private let panels: UnsafeMutablePointer<UInt8>
    private let panelBytes: Int

    init(
        rowCount: Int, columnCount: Int, form: Int32, columnOrder: [Int32]? = nil, in arena: Arena, purpose: String
    ) throws(KernelError) {
        self.rowCount = rowCount
        self.columnCount = columnCount
        self.form = form
        self.columnOrder = columnOrder
        panelBytes = pg_panel_bytes(form, Int32(columnCount))
        panels = try arena.allocate(
            UInt8.self, (rowCount + Self.panelRows - 1) / Self.panelRows, panelBytes, purpose: purpose)
    }

    public var byteCount: Int { panelCount * panelBytes }
    var panelCount: Int { (rowCount + Self.panelRows - 1) / Self.panelRows }
    static let panelRows = Int(PG_PANEL_ROWS)

    /// Whether products read the 8-bit form of the activations.
    public var usesQuantizedActivations: Bool { form > Int32(PG_FORM_BF16.rawValue) }

    /// Which of the machine's peaks bounds products of large batches.
    var peak: MachineLimits.Peak {
        switch form {
        case Int32(PG_FORM_F32.rawValue), Int32(PG_FORM_F16.rawValue), Int32(PG_FORM_BF16.rawValue): .float32
        case Int32(PG_FORM_Q4_G32.rawValue), Int32(PG_FORM_Q4Z_G32.rawValue): .int4
        default: .int8
        }
    }

    func panel(_ index: Int) -> UnsafeMutablePointer<UInt8> {
        precondition(index >= 0 && index < panelCount, "panel out of range")
        return panels + index * panelBytes
    }

    /// Writes the fp32 values of weight row `row` to row `destination` of `out`: an embedding look-up.
    public func copyRow(_ row: Int, to destination: Int, of out: FloatMatrix) {
        precondition(row >= 0 && row < rowCount && out.columnCount == columnCount, "weight row out of range")
        let panel = panel(row / Self.panelRows), inPanel = Int32(row % Self.panelRows), values = out.row(destination)
        pg_unpack_row(form, panel, inPanel, Int32(columnCount), values)
        guard let columnOrder else { return }
        let packed = (0..<columnCount).map { values[$0] }
        for (column, source) in columnOrder.enumerated() { values[Int(source)] = packed[column] }
    }

    /// Calls `body` with the order of columns; null if there is none.
    func withColumnOrder<Result>(_ body: (UnsafePointer<Int32>?) -> Result) -> Result {
        guard let columnOrder else { return body(nil) }
        return columnOrder.withUnsafeBufferPointer { body($0.baseAddress) }
    }

    /// out[token, row] (+)= Σ weights[row, column] × activations[token, column], as one stage of the job.
    ///
    /// - Parameters:
    ///   - tokenCount: How many rows of `activations` to take, from the first on.
    ///   - out: Shape [at least tokenCount, at least firstColumn + rowCount].
    ///   - firstColumn: Where the product begins in a row of `out`.
    ///   - accumulate: Add to what `out` holds, as residual connections do.
    public func multiply(
        _ activations: ActivationRows, tokenCount: Int, into out: FloatMatrix, firstColumn: Int = 0,
        accumulate: Bool = false, _ kernels: KernelSet, _ worker: Worker, workerCount: Int
    ) {
        precondition(
            tokenCount <= out.rowCount && firstColumn >= 0 && firstColumn + rowCount <= out.columnCount,
            "product out of range")
        multiply(
            activations, tokenCount: tokenCount, into: out.row(0) + firstColumn, stride: out.columnCount,
            accumulate: accumulate, kernels, worker, workerCount: workerCount)
    }

    /// The same into a buffer of logits: row i of the activations gives row i of the logits.
    public func multiply(
        _ activations: ActivationRows, tokenCount: Int, into out: LogitsBuffer,
        _ kernels: KernelSet, _ worker: Worker, workerCount: Int
    ) {
        guard tokenCount > 0, let base = out.rowElements(tokenCount - 1).baseAddress else { return }
        precondition(rowCount <= out.vocabularySize, "product out of range")
        let first = base - (tokenCount - 1) * out.vocabularySize
        multiply(
            activations, tokenCount: tokenCount, into: first, stride: out.vocabularySize, accumulate: false, kernels,
            worker, workerCount: workerCount)
    }

    private func multiply(
        _ activations: ActivationRows, tokenCount: Int, into out: UnsafeMutablePointer<Float>, stride: Int,
        accumulate: Bool, _ kernels: KernelSet, _ worker: Worker, workerCount: Int
    ) {
        precondition(
            tokenCount <= activations.rowCount && activations.columnCount == columnCount, "product out of range")
        var matrix = pg_matrix(panels: panels, form: form, rows: Int32(rowCount), columns: Int32(columnCount))
        var view = activations.view
        // Several tiles a worker, so that one that loses its core for a moment holds nobody up; tokens in blocks whose
        // activations stay in the core's cache while the panels pass by.
        let tokenBlock = 128
        let blockCount = (tokenCount + tokenBlock - 1) / tokenBlock
        let panelsPerTile = min(8, max(1, panelCount / (workerCount * 6)))
        let tilesPerBlock = (panelCount + panelsPerTile - 1) / panelsPerTile
        worker.stage(tiles: tilesPerBlock * blockCount) { tile in
            let firstPanel = tile % tilesPerBlock * panelsPerTile, firstToken = tile / tilesPerBlock * tokenBlock
            kernels.functions.matmul(
                &matrix, Int32(firstPanel), Int32(min(panelCount, firstPanel + panelsPerTile)),
                &view, Int32(firstToken), Int32(min(tokenCount, firstToken + tokenBlock)),
                out, stride, accumulate ? 1 : 0)
        }
    }
}
