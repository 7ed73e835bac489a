// The triangular factor of an inverse, in blocks.

internal import Kernels

/// Makes of a symmetric positive definite H the upper triangular U with H⁻¹ = UᵀU, the Cholesky factor that GPTQ walks
/// along.
///
/// H = RRᵀ with R upper triangular, eliminated from the last column to the first; then U = R⁻¹: H itself is never
/// inverted. Blocks of 128 columns, so that nearly all of the work is in products.
struct InverseFactor {
    private let product: WindowProduct
    /// The inverse of a block of R on the diagonal.
    private let block: FloatMatrix

    static let blockSize = 128

    /// - Parameter product: Of a depth of at least `blockSize`.
    init(product: WindowProduct, in arena: Arena) throws(KernelError) {
        self.product = product
        block = try FloatMatrix(
            rows: Self.blockSize, columns: Self.blockSize, in: arena, purpose: "factor of a Hessian")
    }

    /// Replaces H, of which the upper triangle is read, by U; what is below the diagonal means nothing then.
    ///
    /// - Returns: False if H is not positive definite in fp32.
    func replace(_ matrix: FloatMatrix) -> Bool {
        let size = matrix.rowCount
        let blocks = stride(from: 0, to: size, by: Self.blockSize).map { $0..<min(size, $0 + Self.blockSize) }
        for columns in blocks.reversed() {
            guard factor(matrix, columns) else { return false }
        }
        for columns in blocks.reversed() { invert(matrix, columns, size) }
        return true
    }

    /// R of one block of columns, and what it leaves of the columns before.
    private func factor(_ matrix: FloatMatrix, _ columns: Range<Int>) -> Bool {
        let width = columns.count, above = 0..<columns.lowerBound
        guard var triangle = Triangle(factoring: matrix, at: columns) else { return false }
        triangle.write(to: matrix, at: columns)
        triangle.invert()
        triangle.write(to: block, at: 0..<width)
        let target = MatrixWindow(matrix, rows: above, columns: columns)
        product.multiply(target, MatrixWindow(block, rows: 0..<width, columns: 0..<width), into: target)
        product.multiply(
            target, target, scale: -1, into: MatrixWindow(matrix, rows: above, columns: above), accumulate: true,
            isSymmetric: true)
        return true
    }

    /// The rows of U of one block, and their part in the sums of the rows above. Columns behind the block hold those
    /// sums, the block's own still R.
    private func invert(_ matrix: FloatMatrix, _ columns: Range<Int>, _ size: Int) {
        let width = columns.count, above = 0..<columns.lowerBound, behind = columns.upperBound..<size
        var triangle = Triangle(matrix, at: columns)
        triangle.invert()
        triangle.write(to: block, at: 0..<width)
        triangle.write(to: matrix, at: columns)
        let inverse = MatrixWindow(block, rows: 0..<width, columns: 0..<width)
        let row = MatrixWindow(matrix, rows: columns, columns: behind)
        let transposedRow = MatrixWindow(matrix, rows: columns, columns: behind, isTransposed: true)
        product.multiply(inverse, transposedRow, scale: -1, into: row)
        let column = MatrixWindow(matrix, rows: above, columns: columns)
        product.multiply(
            column, transposedRow, into: MatrixWindow(matrix, rows: above, columns: behind), accumulate: true)
        product.multiply(
            column, MatrixWindow(block, rows: 0..<width, columns: 0..<width, isTransposed: true), into: column)
    }
}

/// An upper triangle of a block on the diagonal, in fp64.
private struct Triangle {
    private let size: Int
    private var values: [Double]

    /// Reads an upper triangle.
    init(_ matrix: FloatMatrix, at range: Range<Int>) {
        size = range.count
        values = [Double](repeating: 0, count: size * size)
        for row in 0..<size {
            for column in row..<size {
                values[row * size + column] = Double(matrix[range.lowerBound + row, range.lowerBound + column])
            }
        }
    }

    /// R with RRᵀ = the symmetric block whose upper triangle is read; nil if there is none.
    init?(factoring matrix: FloatMatrix, at range: Range<Int>) {
        self.init(matrix, at: range)
        for column in (0..<size).reversed() {
            for row in (0...column).reversed() {
                var sum = values[row * size + column]
                for inner in column + 1..<max(size, column + 1) {
                    sum -= values[row * size + inner] * values[column * size + inner]
                }
                if row == column {
                    guard sum > 0, sum.isFinite else { return nil }
                    values[row * size + column] = sum.squareRoot()
                } else {
                    values[row * size + column] = sum / values[column * size + column]
                }
            }
        }
    }

    mutating func invert() {
        var inverse = [Double](repeating: 0, count: size * size)
        for column in 0..<size {
            inverse[column * size + column] = 1 / values[column * size + column]
            for row in (0..<column).reversed() {
                var sum = 0.0
                for inner in row + 1...column { sum += values[row * size + inner] * inverse[inner * size + column] }
                inverse[row * size + column] = -sum / values[row * size + row]
            }
        }
        values = inverse
    }

    /// Writes the whole block, zeros below the diagonal.
    func write(to matrix: FloatMatrix, at range: Range<Int>) {
        for row in 0..<size {
            for column in 0..<size {
                matrix[range.lowerBound + row, range.lowerBound + column] = Float(values[row * size + column])
            }
        }
    }
}
