// Dense products of fp32 matrices with each other: the linear algebra of calibration, not of inference.

internal import CKernels

/// A rectangle of a matrix, or the transpose of one.
public struct MatrixWindow {
    let matrix: FloatMatrix
    let rows: Range<Int>
    let columns: Range<Int>
    let isTransposed: Bool

    /// - Parameter isTransposed: Whether columns of `matrix` are the rows of the window.
    public init(_ matrix: FloatMatrix, rows: Range<Int>, columns: Range<Int>, isTransposed: Bool = false) {
        precondition(
            rows.lowerBound >= 0 && rows.upperBound <= matrix.rowCount && columns.lowerBound >= 0
                && columns.upperBound <= matrix.columnCount, "window out of range")
        self.matrix = matrix
        self.rows = rows
        self.columns = columns
        self.isTransposed = isTransposed
    }

    public var rowCount: Int { isTransposed ? columns.count : rows.count }
    public var columnCount: Int { isTransposed ? rows.count : columns.count }

    /// Copies some rows, times `scale`, into rows of `width` elements, zeros behind them.
    func copy(_ range: Range<Int>, scale: Float, to out: UnsafeMutablePointer<Float>, width: Int) {
        if isTransposed {
            for column in 0..<columnCount {
                let source = matrix.row(rows.lowerBound + column) + columns.lowerBound
                for (place, row) in range.enumerated() { out[place * width + column] = source[row] * scale }
            }
        } else {
            for (place, row) in range.enumerated() {
                let source = matrix.row(rows.lowerBound + row) + columns.lowerBound
                for column in 0..<columnCount { out[place * width + column] = source[column] * scale }
            }
        }
        guard columnCount < width else { return }
        for place in 0..<range.count {
            (out + place * width + columnCount).update(repeating: 0, count: width - columnCount)
        }
    }
}

/// Products left × rightᵀ of windows, by the float kernels and all workers of a pool.
///
/// The order of summation of an element depends on `depth` alone.
public final class WindowProduct {
    /// The most columns of a window.
    public let depth: Int
    private let left: FloatMatrix
    private let right: PackedMatrix
    private let scratch: FloatMatrix
    private let kernels: KernelSet
    private let pool: WorkerPool
    /// Holds the memory of the above.
    private let arena = Arena()

    private static let tokenBlock = 128
    private static let panelBlock = 8

    /// - Parameter rows: The most rows of a window.
    public init(rows: Int, depth: Int, kernels: KernelSet, pool: WorkerPool) throws(KernelError) {
        let purpose = "products of calibration"
        self.depth = depth
        self.kernels = kernels
        self.pool = pool
        left = try FloatMatrix(rows: rows, columns: depth, in: arena, purpose: purpose)
        right = try PackedMatrix(
            parts: [(form: Int32(PG_FORM_F32.rawValue), rowCount: rows)], columnCount: depth, in: arena,
            purpose: purpose)
        scratch = try FloatMatrix(
            rows: pool.workerCount, columns: PackedMatrix.panelRows * depth, in: arena, purpose: purpose)
    }

    /// out[i, j] = (accumulate ? out[i, j] : 0) + scale × Σ left[i, c] × right[j, c].
    ///
    /// `left` and `right` are copied before anything is written: `out` may be a part of them.
    ///
    /// - Parameter isSymmetric: Whether the result is known to be symmetric: what lies wholly below its diagonal is
    ///   left out, in blocks of 128.
    public func multiply(
        _ left: MatrixWindow, _ right: MatrixWindow, scale: Float = 1, into out: MatrixWindow,
        accumulate: Bool = false, isSymmetric: Bool = false
    ) {
        precondition(
            left.columnCount == right.columnCount && left.columnCount <= depth && left.rowCount == out.rowCount
                && right.rowCount == out.columnCount && !out.isTransposed, "product of other shapes")
        precondition(left.rowCount <= self.left.rowCount && right.rowCount <= self.right.rowCount, "product too large")
        guard left.rowCount > 0, right.rowCount > 0 else { return }
        let part = self.right.part(0)
        pool.run { worker in
            fill(left, scale: scale, worker)
            pack(right, part, worker)
            compute(left.rowCount, right.rowCount, part, into: out, accumulate, isSymmetric, worker)
        }
    }

    private func fill(_ window: MatrixWindow, scale: Float, _ worker: Worker) {
        let step = PackedMatrix.panelRows
        worker.stage(tiles: (window.rowCount + step - 1) / step) { tile in
            let rows = tile * step..<min(window.rowCount, (tile + 1) * step)
            window.copy(rows, scale: scale, to: left.row(rows.lowerBound), width: depth)
        }
    }

    private func pack(_ window: MatrixWindow, _ part: PackedMatrix.Part, _ worker: Worker) {
        let step = PackedMatrix.panelRows, values = scratch.row(worker.index)
        worker.stage(tiles: (window.rowCount + step - 1) / step) { panel in
            let rows = panel * step..<min(window.rowCount, (panel + 1) * step)
            window.copy(rows, scale: 1, to: values, width: depth)
            var pointers = [UnsafePointer<Float>?](repeating: nil, count: step)
            for place in 0..<rows.count { pointers[place] = UnsafePointer(values + place * depth) }
            pg_pack_panel_f32(&pointers, Int32(depth), part.panel(panel))
        }
    }

    private func compute(
        _ leftCount: Int, _ rightCount: Int, _ part: PackedMatrix.Part, into out: MatrixWindow, _ accumulate: Bool,
        _ isSymmetric: Bool, _ worker: Worker
    ) {
        let panelCount = (rightCount + PackedMatrix.panelRows - 1) / PackedMatrix.panelRows
        let across = (panelCount + Self.panelBlock - 1) / Self.panelBlock
        let down = (leftCount + Self.tokenBlock - 1) / Self.tokenBlock
        let stride = out.matrix.columnCount
        let base = out.matrix.row(out.rows.lowerBound) + out.columns.lowerBound
        worker.stage(tiles: across * down) { tile in
            let tokens = tile / across * Self.tokenBlock..<min(leftCount, (tile / across + 1) * Self.tokenBlock)
            let first = tile % across * Self.panelBlock
            let panels = first..<min(panelCount, first + Self.panelBlock)
            if isSymmetric, panels.upperBound * PackedMatrix.panelRows <= tokens.lowerBound { return }
            var matrix = pg_matrix(
                panels: part.panels, form: part.form, rows: Int32(rightCount), columns: Int32(depth))
            var view = pg_activations(values: left.row(0), groups: nil, fine: nil, columns: Int32(depth))
            kernels.functions.matmul(
                &matrix, Int32(panels.lowerBound), Int32(panels.upperBound), &view, Int32(tokens.lowerBound),
                Int32(tokens.upperBound), base, stride, accumulate ? 1 : 0)
        }
    }
}
