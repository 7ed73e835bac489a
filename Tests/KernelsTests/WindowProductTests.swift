import Kernels
import Testing

@Suite("Products of windows")
struct WindowProductTests {
    private let arena = Arena()

    private func matrix(_ rows: Int, _ columns: Int, seed: Int) throws -> FloatMatrix {
        let matrix = try FloatMatrix(rows: rows, columns: columns, in: arena, purpose: "test")
        for row in 0..<rows {
            for column in 0..<columns { matrix[row, column] = Float((row * 37 + column * 11 + seed * 5) % 23 - 11) }
        }
        return matrix
    }

    private func product(rows: Int, depth: Int) throws -> WindowProduct {
        try WindowProduct(rows: rows, depth: depth, kernels: KernelSet(), pool: try WorkerPool(workerCount: 2))
    }

    @Test("every element is the sum it should be, and nothing outside of the window is touched")
    func windows() throws {
        let left = try matrix(150, 40, seed: 1), right = try matrix(30, 190, seed: 2),
            out = try matrix(170, 200, seed: 3)
        let before = (0..<170).map { row in (0..<200).map { out[row, $0] } }
        // 143 × 25 from columns 7…31 of `left` and rows 2…26 of `right`: small whole numbers, so that sums are exact.
        try product(rows: 200, depth: 32).multiply(
            MatrixWindow(left, rows: 3..<146, columns: 7..<32),
            MatrixWindow(right, rows: 2..<27, columns: 5..<180, isTransposed: true), scale: -2,
            into: MatrixWindow(out, rows: 9..<152, columns: 17..<192), accumulate: true)
        for row in 0..<170 {
            for column in 0..<200 {
                var expected = before[row][column]
                if (9..<152).contains(row), (17..<192).contains(column) {
                    for inner in 0..<25 {
                        expected -= 2 * left[row - 9 + 3, inner + 7] * right[inner + 2, column - 17 + 5]
                    }
                }
                #expect(out[row, column] == expected)
            }
        }
    }

    @Test("a symmetric product has all that is on and above its diagonal, and may be written over its own factor")
    func symmetric() throws {
        let inputs = try matrix(48, 300, seed: 4), out = try matrix(300, 300, seed: 5)
        let columns = MatrixWindow(inputs, rows: 0..<48, columns: 0..<300, isTransposed: true)
        let product = try product(rows: 300, depth: 48)
        product.multiply(
            columns, columns, into: MatrixWindow(out, rows: 0..<300, columns: 0..<300), isSymmetric: true)
        for row in 0..<300 {
            for column in row..<300 {
                #expect(out[row, column] == (0..<48).reduce(0) { $0 + inputs[$1, row] * inputs[$1, column] })
            }
        }
        let square = try matrix(40, 40, seed: 6), window = MatrixWindow(square, rows: 0..<40, columns: 0..<40)
        let before = (0..<40).map { row in (0..<40).map { square[row, $0] } }
        product.multiply(window, window, into: window)
        for row in 0..<40 {
            for column in 0..<40 {
                #expect(square[row, column] == (0..<40).reduce(0) { $0 + before[row][$1] * before[column][$1] })
            }
        }
    }

    @Test("bits do not depend on how many threads compute")
    func threads() throws {
        let left = try matrix(200, 64, seed: 7)
        for row in 0..<200 {
            for column in 0..<64 { left[row, column] = 1 / (3 + left[row, column] * left[row, column]) }
        }
        let window = MatrixWindow(left, rows: 0..<200, columns: 0..<64)
        let results = try [1, 2, 3].map { count in
            let out = try matrix(200, 200, seed: 8)
            try WindowProduct(rows: 200, depth: 64, kernels: KernelSet(), pool: try WorkerPool(workerCount: count))
                .multiply(window, window, into: MatrixWindow(out, rows: 0..<200, columns: 0..<200))
            return (0..<200).flatMap { row in (0..<200).map { out[row, $0] } }
        }
        #expect(results[0] == results[1] && results[0] == results[2])
    }
}
