// A weight matrix in the form that the kernels stream.

internal import CKernels

/// Weights of shape [rowCount, columnCount] (outputs, inputs), packed in panels of 16 rows. Memory belongs to an arena.
///
/// Rows of different formats, such as Q, K and V often have, are parts of one matrix, each in the form of its own. The
/// forms and their layout: `pg_matmul.h`.
///
/// Sendable because nothing writes it once it is packed.
public struct PackedMatrix: @unchecked Sendable {
    public let rowCount: Int
    public let columnCount: Int
    public let byteCount: Int
    /// Whether products read the 8-bit form of the activations.
    public let usesQuantizedActivations: Bool
    /// Column i of integer panels is column columnOrder[i] of activations; nil if they are in the same order.
    let columnOrder: [Int32]?
    private let parts: UnsafeMutableBufferPointer<Part>

    /// Consecutive rows of one form.
    struct Part {
        let form: Int32
        let firstRow: Int
        let rowCount: Int
        let columnCount: Int
        let panels: UnsafeMutablePointer<UInt8>
        let panelBytes: Int

        var panelCount: Int { (rowCount + PackedMatrix.panelRows - 1) / PackedMatrix.panelRows }
        var isQuantized: Bool { form > Int32(PG_FORM_BF16.rawValue) }

        func panel(_ index: Int) -> UnsafeMutablePointer<UInt8> {
            precondition(index >= 0 && index < panelCount, "panel out of range")
            return panels + index * panelBytes
        }
    }

    static let panelRows = Int(PG_PANEL_ROWS)

    /// Zeroed panels for rows of the given forms (at least one).
    init(
        parts: [(form: Int32, rowCount: Int)], columnCount: Int, columnOrder: [Int32]? = nil, in arena: Arena,
        purpose: String
    ) throws(KernelError) {
        let storage = try arena.allocate(Part.self, parts.count, purpose: purpose)
        var firstRow = 0, byteCount = 0, isQuantized = false
        for (index, part) in parts.enumerated() {
            let panelBytes = pg_panel_bytes(part.form, Int32(columnCount))
            let panelCount = (part.rowCount + Self.panelRows - 1) / Self.panelRows
            let packed = Part(
                form: part.form, firstRow: firstRow, rowCount: part.rowCount, columnCount: columnCount,
                panels: try arena.allocate(UInt8.self, panelCount, panelBytes, purpose: purpose),
                panelBytes: panelBytes)
            (storage + index).initialize(to: packed)
            firstRow += part.rowCount
            byteCount += panelCount * panelBytes
            isQuantized = isQuantized || packed.isQuantized
        }
        self.parts = UnsafeMutableBufferPointer(start: storage, count: parts.count)
        self.rowCount = firstRow
        self.columnCount = columnCount
        self.byteCount = byteCount
        usesQuantizedActivations = isQuantized
        self.columnOrder = columnOrder
    }

    /// Whether products read the 8-bit form of the activations in an order of their own.
    public var permutesColumns: Bool { columnOrder != nil }

    /// Calls `body` with the order of columns; null if there is none.
    func withColumnOrder<Result>(_ body: (UnsafePointer<Int32>?) -> Result) -> Result {
        guard let columnOrder else { return body(nil) }
        return columnOrder.withUnsafeBufferPointer { body($0.baseAddress) }
    }

    var partCount: Int { parts.count }

    func part(_ index: Int) -> Part {
        precondition(index >= 0 && index < parts.count, "part out of range")
        return parts[index]
    }

    /// Which of the machine's peaks bounds products of large batches.
    var peak: MachineLimits.Peak {
        switch part(0).form {
        case Int32(PG_FORM_F32.rawValue), Int32(PG_FORM_F16.rawValue), Int32(PG_FORM_BF16.rawValue): .float32
        case Int32(PG_FORM_Q4_G32.rawValue), Int32(PG_FORM_Q4Z_G32.rawValue): .int4
        default: .int8
        }
    }

    /// Writes the fp32 values of weight row `row` to row `destination` of `out`: an embedding look-up.
    public func copyRow(_ row: Int, to destination: Int, of out: FloatMatrix) {
        precondition(row >= 0 && row < rowCount && out.columnCount == columnCount, "weight row out of range")
        for part in parts where row < part.firstRow + part.rowCount {
            let inPart = row - part.firstRow
            pg_unpack_row(
                part.form, part.panel(inPart / Self.panelRows), Int32(inPart % Self.panelRows), Int32(columnCount),
                out.row(destination))
            if part.isQuantized, let columnOrder { Self.restore(out.row(destination), from: columnOrder) }
            return
        }
    }

    private static func restore(_ values: UnsafeMutablePointer<Float>, from order: [Int32]) {
        let packed = order.indices.map { values[$0] }
        for (column, source) in order.enumerated() { values[Int(source)] = packed[column] }
    }

    /// out[token, row] (+)= Σ weights[row, column] × activations[token, column], as one stage of the job.
    ///
    /// - Parameters:
    ///   - tokenCount: How many rows of `activations` to take, from the first on.
    ///   - out: Shape [at least tokenCount, at least firstColumn + rowCount].
    ///   - firstColumn: Where in `out` the results of the first row go.
    ///   - accumulate: Add to what `out` holds, as residual connections do.
    ///   - isFine: Read the 11-bit form of the activations.
    public func multiply(
        _ activations: ActivationRows, isFine: Bool = false, tokenCount: Int, into out: FloatMatrix,
        firstColumn: Int = 0, accumulate: Bool = false, _ kernels: KernelSet, _ worker: Worker, workerCount: Int
    ) {
        precondition(
            tokenCount <= out.rowCount && firstColumn >= 0 && firstColumn + rowCount <= out.columnCount,
            "product out of range")
        let target = Product(
            activations, isFine: isFine, tokenCount: tokenCount, into: out.row(0) + firstColumn,
            stride: out.columnCount, accumulate: accumulate, kernels)
        multiply(target, worker, workerCount: workerCount)
    }

    /// The same into a buffer of logits: row i of the activations gives row i of the logits.
    public func multiply(
        _ activations: ActivationRows, tokenCount: Int, into out: LogitsBuffer, firstColumn: Int = 0,
        _ kernels: KernelSet, _ worker: Worker, workerCount: Int
    ) {
        guard tokenCount > 0, let matrix = out.matrix else { return }
        multiply(
            activations, tokenCount: tokenCount, into: matrix, firstColumn: firstColumn, kernels, worker,
            workerCount: workerCount)
    }

    private func multiply(_ product: Product, _ worker: Worker, workerCount: Int) {
        precondition(product.activations.columnCount == columnCount, "product out of range")
        let tiling = Tiling(panelCount: panelCount, tokenCount: product.tokenCount, workerCount: workerCount)
        worker.stage(tiles: tileCount(tiling)) { tile in
            guard let (part, panels, tokens) = self.tile(tile, of: tiling) else { return }
            product.compute(part, panels, tokens)
        }
    }

    var panelCount: Int { parts.reduce(0) { $0 + $1.panelCount } }

    /// Tiles of all parts.
    func tileCount(_ tiling: Tiling) -> Int {
        parts.reduce(0) { $0 + tiling.count(panelCount: $1.panelCount) }
    }

    /// What a tile is of, counted through the parts; nil beyond the last.
    func tile(_ index: Int, of tiling: Tiling) -> (Part, panels: Range<Int>, tokens: Range<Int>)? {
        var index = index
        for part in parts {
            let count = tiling.count(panelCount: part.panelCount)
            if index < count {
                let (panels, tokens) = tiling.tile(index, panelCount: part.panelCount)
                return (part, panels, tokens)
            }
            index -= count
        }
        return nil
    }

    /// gated = activation(gate × activations) × (up × activations), as one stage of the job: tiles of the same rows of
    /// both matrices, gated while they are in the cache.
    ///
    /// - Parameters:
    ///   - gate, up: Shape [width, columns of `activations`], each of one part.
    ///   - gated: Shape [at least tokenCount, at least firstColumn + width].
    ///   - firstColumn: Where in `gated` the results of the first row go.
    ///   - quantizes: Whether to make the 8-bit form of `gated`, too; then it is all from column 0 on, and its width is
    ///     a multiple of 32.
    ///   - scratch: Of the shape of `gated`.
    public static func multiplyGated(
        gate: PackedMatrix, up: PackedMatrix, _ activations: ActivationRows, tokenCount: Int,
        into gated: ActivationRows, firstColumn: Int = 0, _ activation: GateActivation, quantizes: Bool,
        scratch: FloatMatrix, _ kernels: KernelSet, _ worker: Worker, workerCount: Int
    ) {
        let width = gate.rowCount, stride = gated.columnCount
        precondition(
            up.rowCount == width && firstColumn >= 0 && firstColumn + width <= stride && scratch.columnCount == stride
                && tokenCount <= min(gated.rowCount, scratch.rowCount) && activations.columnCount == gate.columnCount
                && activations.columnCount == up.columnCount, "gated product out of range")
        precondition(gate.parts.count == 1 && up.parts.count == 1, "gated product of several parts")
        let gatePart = gate.part(0), upPart = up.part(0), panelCount = gatePart.panelCount
        precondition(!quantizes || firstColumn == 0, "groups of 32 that begin elsewhere")
        let gateProduct = Product(
            activations, tokenCount: tokenCount, into: gated.values.row(0) + firstColumn, stride: stride,
            accumulate: false, kernels)
        let upProduct = Product(
            activations, tokenCount: tokenCount, into: scratch.row(0) + firstColumn, stride: stride,
            accumulate: false, kernels)
        let tiling = Tiling(gatedPanels: panelCount, tokenCount: tokenCount, workerCount: workerCount)
        worker.stage(tiles: tiling.count(panelCount: panelCount)) { tile in
            let (panels, tokens) = tiling.tile(tile, panelCount: panelCount)
            gateProduct.compute(gatePart, panels, tokens)
            upProduct.compute(upPart, panels, tokens)
            let last = firstColumn + min(width, panels.upperBound * panelRows)
            let columns = firstColumn + panels.lowerBound * panelRows..<last
            for row in tokens {
                kernels.gate(gated.values, up: scratch, row: row, columns: columns, activation)
                if quantizes { gated.quantize(row: row, columns: columns, kernels) }
            }
        }
    }
}
