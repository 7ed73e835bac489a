// What the modules of a site read on the calibration text.

public import Kernels

/// H = Σ xxᵀ / n over the inputs x of a module: the Hessian of its squared output error, but for a factor of two.
public final class InputStatistics {
    public let columnCount: Int
    private let hessian: FloatMatrix
    private let workspace: QuantizerWorkspace
    private let totalCount: Int

    /// - Parameter totalCount: Inputs that will be added.
    public init(
        columnCount: Int, totalCount: Int, workspace: QuantizerWorkspace, in arena: Arena
    ) throws(KernelError) {
        self.columnCount = columnCount
        self.totalCount = totalCount
        self.workspace = workspace
        hessian = try FloatMatrix(rows: columnCount, columns: columnCount, in: arena, purpose: "Hessian")
    }

    /// Adds the first `count` rows of `inputs`, shape [at least count, columnCount].
    public func add(_ inputs: FloatMatrix, count: Int) {
        for start in stride(from: 0, to: count, by: workspace.gramProduct.depth) {
            let rows = MatrixWindow(
                inputs, rows: start..<min(count, start + workspace.gramProduct.depth), columns: 0..<columnCount,
                isTransposed: true)
            workspace.gramProduct.multiply(
                rows, rows, scale: 1 / Float(totalCount), into: whole, accumulate: true, isSymmetric: true)
        }
    }

    private var whole: MatrixWindow { MatrixWindow(hessian, rows: 0..<columnCount, columns: 0..<columnCount) }

    /// Once all inputs are there: fills the triangle below the diagonal.
    ///
    /// - Returns: False if an input was no finite number.
    public func complete() -> Bool {
        workspace.pool.run { worker in
            worker.stage(tiles: columnCount) { row in
                hessian.withRow(row) { values in
                    for column in 0..<row { values[column] = hessian[column, row] }
                }
            }
        }
        return (0..<columnCount).allSatisfy { hessian[$0, $0].isFinite }
    }

    /// The columns by the size of what they read, largest first.
    func descendingOrder() -> [Int] {
        let sizes = (0..<columnCount).map { hessian[$0, $0] }
        return sizes.indices.sorted { (sizes[$1], $0) < (sizes[$0], $1) }
    }

    /// Whether a column reads nothing but zeros.
    func isUnused(_ column: Int) -> Bool { hessian[column, column] == 0 }

    /// Writes the damped Hessian, columns in `order`, to `out`.
    func copyDamped(by share: Double, order: [Int], to out: FloatMatrix) {
        let mean = (0..<columnCount).reduce(0.0) { $0 + Double(hessian[$1, $1]) } / Double(columnCount)
        let damping = Float(mean * share)
        workspace.pool.run { worker in
            worker.stage(tiles: columnCount) { row in
                out.withRow(row) { values in
                    hessian.withRow(order[row]) { source in
                        for column in 0..<columnCount { values[column] = source[order[column]] }
                    }
                    values[row] = values[row] == 0 ? max(1, damping) : values[row] + damping
                }
            }
        }
    }

    /// tr(M H Mᵀ): the mean over the inputs of the squared length of what M makes of them.
    ///
    /// - Parameters:
    ///   - matrix: Shape [rows, columnCount].
    ///   - scratch: The same shape.
    private func energy(of matrix: FloatMatrix, scratch: FloatMatrix) -> Double {
        let rows = 0..<matrix.rowCount
        for start in stride(from: 0, to: columnCount, by: workspace.product.depth) {
            let columns = start..<min(columnCount, start + workspace.product.depth)
            workspace.product.multiply(
                MatrixWindow(matrix, rows: rows, columns: columns),
                MatrixWindow(hessian, rows: 0..<columnCount, columns: columns),
                into: MatrixWindow(scratch, rows: rows, columns: 0..<columnCount), accumulate: start > 0)
        }
        var sum = 0.0
        for row in rows {
            matrix.withRow(row) { values in
                scratch.withRow(row) { products in
                    for column in 0..<columnCount { sum += Double(values[column]) * Double(products[column]) }
                }
            }
        }
        return max(0, sum)
    }

    /// How far outputs are from what they were, squared and relative: ‖(W − Q)X‖² / ‖WX‖².
    ///
    /// - Parameters:
    ///   - values: Q, shape [rows, columnCount].
    ///   - original: W, the same shape.
    public func relativeError(
        of values: FloatMatrix, _ original: FloatMatrix, in arena: Arena
    ) throws(KernelError) -> Double {
        let rows = original.rowCount
        let difference = try FloatMatrix(rows: rows, columns: columnCount, in: arena, purpose: "error")
        let scratch = try FloatMatrix(rows: rows, columns: columnCount, in: arena, purpose: "error")
        for row in 0..<rows {
            for column in 0..<columnCount { difference[row, column] = original[row, column] - values[row, column] }
        }
        let whole = energy(of: original, scratch: scratch)
        return energy(of: difference, scratch: scratch) / max(whole, .leastNormalMagnitude)
    }
}
