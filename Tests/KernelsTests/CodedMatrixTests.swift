import Kernels
import Testing

@Suite("Matrices of codes, scales and zero points")
struct CodedMatrixTests {
    /// A coded matrix whose codes, scales and zero points are known.
    private struct Example {
        var rows = 19
        var columns = 128
        var groupSize = 32
        var layout = IntegerLayout(bits: 4, packed: .columns, outer: .columns)
        var zeroPoints: ClosedRange<Int16> = 8...8
        /// Codes are taken from it.
        var codes: ClosedRange<Int>
        var groupOfColumn: [Int32]
        let values: [[Int]]
        let zeros: [Int16]
        let scales: [Float]
        let words: [UInt32]

        init(
            bits: Int = 4, packed: IntegerLayout.Axis = .columns, outer: IntegerLayout.Axis = .columns,
            isInterleaved: Bool = false, groupSize: Int = 32, zeroPoints: ClosedRange<Int16>,
            codes: ClosedRange<Int>? = nil, rows: Int = 19, groupOfColumn: [Int32]? = nil
        ) {
            self.rows = rows
            self.groupSize = groupSize
            layout = IntegerLayout(bits: bits, packed: packed, outer: outer, isInterleaved: isInterleaved)
            self.zeroPoints = zeroPoints
            self.codes = codes ?? 0...(1 << bits) - 1
            let columns = 128
            self.groupOfColumn = groupOfColumn ?? (0..<columns).map { Int32($0 / groupSize) }
            var random = SeededGenerator(state: UInt64(bits * 131 + groupSize))
            let groups = columns / groupSize
            let range = self.codes
            values = (0..<rows).map { _ in (0..<columns).map { _ in Int.random(in: range, using: &random) } }
            zeros = (0..<rows * groups).map { _ in Int16.random(in: zeroPoints, using: &random) }
            scales = (0..<rows * groups).map { _ in
                halfPrecision(Float.random(in: 0.01...0.1, using: &random))
            }
            words = Self.words(values, layout)
        }

        /// Places every code bit by bit, from the definition of a layout.
        private static func words(_ values: [[Int]], _ layout: IntegerLayout) -> [UInt32] {
            let shape = layout.wordShape(rows: values.count, columns: values[0].count)
            var words = [UInt32](repeating: 0, count: shape[0] * shape[1])
            let places = [0, 4, 1, 5, 2, 6, 3, 7]
            for (row, codes) in values.enumerated() {
                for (column, code) in codes.enumerated() {
                    let other = layout.packed == .rows ? column : row
                    var inner = layout.packed == .rows ? row : column
                    if layout.isInterleaved { inner = inner / 8 * 8 + places[inner % 8] }
                    for bit in 0..<layout.bits where code >> bit & 1 == 1 {
                        let place = inner * layout.bits + bit
                        let index =
                            layout.packed == layout.outer
                            ? place / 32 * shape[1] + other : other * shape[1] + place / 32
                        words[index] |= 1 << UInt32(place % 32)
                    }
                }
            }
            return words
        }

        func weights(_ row: Int) -> [Float] {
            (0..<columns).map { column in
                let group = row * (columns / groupSize) + Int(groupOfColumn[column])
                return scales[group] * Float(values[row][column] - Int(zeros[group]))
            }
        }

        func packed(asFloat32: Bool, in arena: Arena) throws -> PackedMatrix {
            let pool = try WorkerPool(workerCount: 2)
            return try words.withUnsafeBytes { bytes in
                let codes = PackedIntegers(bytes: bytes, layout: layout, rowCount: rows, columnCount: columns)
                let matrix = CodedMatrix(
                    codes: codes, scales: scales, zeroPoints: zeros, groupOfColumn: groupOfColumn,
                    groupCount: columns / groupSize)
                return try PackedMatrix(
                    packing: [.coded(matrix)], columnCount: columns, asFloat32: asFloat32, in: arena, purpose: "test",
                    pool: pool)
            }
        }

        /// The greatest difference of a packed weight, in steps of its scale.
        func greatestError(_ matrix: PackedMatrix, in arena: Arena) throws -> Float {
            let out = try FloatMatrix(rows: 1, columns: columns, in: arena, purpose: "test")
            var greatest: Float = 0
            for row in 0..<rows {
                matrix.copyRow(row, to: 0, of: out)
                for (column, weight) in weights(row).enumerated() {
                    let scale = scales[row * (columns / groupSize) + Int(groupOfColumn[column])]
                    greatest = max(greatest, abs(out[0, column] - weight) / scale)
                }
            }
            return greatest
        }
    }

    private static let examples: [(String, Example, exact: Bool)] = [
        ("GPTQ", Example(zeroPoints: 8...8), true), ("GPTQ asymmetric", Example(zeroPoints: 0...16), false),
        ("AWQ", Example(packed: .rows, outer: .columns, isInterleaved: true, zeroPoints: 0...15, rows: 24), false),
        ("compressed-tensors", Example(packed: .columns, outer: .rows, zeroPoints: 8...8), true),
        ("zero points' layout", Example(packed: .rows, outer: .rows, zeroPoints: 8...8), true),
        ("3 bits along columns", Example(bits: 3, zeroPoints: 0...8), true),
        ("3 bits across", Example(bits: 3, packed: .rows, outer: .columns, zeroPoints: 4...4), true),
        ("2 bits", Example(bits: 2, zeroPoints: 0...4), true),
        ("groups of 16", Example(groupSize: 16, zeroPoints: 0...16), true),
        ("groups of 8", Example(groupSize: 8, zeroPoints: 0...16), true),
        ("one group", Example(groupSize: 128, zeroPoints: 8...8), true),
        ("8 bits that fit", Example(bits: 8, zeroPoints: 128...128, codes: 1...255), true),
        ("8 bits with −128", Example(bits: 8, zeroPoints: 128...128, codes: 0...200), false),
        ("8 bits asymmetric", Example(bits: 8, zeroPoints: 0...256, codes: 20...240), false),
        ("8 bits, groups of 16", Example(bits: 8, groupSize: 16, zeroPoints: 128...128, codes: 0...200), false),
    ]

    @Test("reference mode dequantises every layout exactly", arguments: examples.map(\.0))
    func float32IsExact(name: String) throws {
        let arena = Arena()
        let example = try #require(Self.examples.first { $0.0 == name }).1
        #expect(try example.greatestError(example.packed(asFloat32: true, in: arena), in: arena) == 0)
    }

    @Test("packed codes are the checkpoint's; only minima are rounded to fp16", arguments: examples.map(\.0))
    func codesAreKept(name: String) throws {
        let arena = Arena()
        let (_, example, isExact) = try #require(Self.examples.first { $0.0 == name })
        let matrix = try example.packed(asFloat32: false, in: arena)
        let error = try example.greatestError(matrix, in: arena)
        // 128 steps of minimum, in 11 bits.
        #expect(isExact ? error < 1e-4 : error < 0.07, "\(error) steps")
        #expect(matrix.usesQuantizedActivations == (example.groupSize != 8))
    }

    @Test("a group that spans all 256 codes is one step off at one end, and exact elsewhere")
    func allCodes() throws {
        let arena = Arena()
        let example = Example(bits: 8, groupSize: 128, zeroPoints: 128...128, codes: 0...255, rows: 160)
        let error = try example.greatestError(example.packed(asFloat32: false, in: arena), in: arena)
        #expect(error < 1.1)
    }

    @Test("columns scattered among groups are brought together, and activations with them", arguments: [4, 8])
    func actOrder(bits: Int) throws {
        let arena = Arena()
        var random = SeededGenerator(state: 5)
        let groups = (0..<128).map { Int32($0 / 32) }.shuffled(using: &random)
        let middle = Int16(1 << (bits - 1))
        let example = Example(
            bits: bits, zeroPoints: middle...middle, codes: 1...(1 << bits) - 1, groupOfColumn: groups)
        let matrix = try example.packed(asFloat32: false, in: arena)
        #expect(try example.greatestError(matrix, in: arena) < 1e-4)
        let kernels = KernelSet()
        let activations = try ActivationRows(rows: 3, columns: 128, in: arena, purpose: "test")
        let inputs = (0..<3).map { _ in random.floats(128) }
        for (row, values) in inputs.enumerated() {
            for (column, value) in values.enumerated() { activations.values[row, column] = value }
            activations.quantize(row: row, for: matrix, kernels)
        }
        let out = try FloatMatrix(rows: 3, columns: example.rows, in: arena, purpose: "test")
        try WorkerPool(workerCount: 2).run { worker in
            matrix.multiply(
                activations, tokenCount: 3, into: out, kernels, worker, workerCount: 2)
        }
        for (row, input) in inputs.enumerated() {
            let exact = (0..<example.rows).map { weightRow in
                zip(example.weights(weightRow), input).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
            }
            #expect(relativeDistance(rows(out)[row], exact) < 0.012)
        }
    }

    @Test("rounding to 8 and to 4 bits is to nearest, and what all bits can say stays exact")
    func rounding() throws {
        let arena = Arena()
        var random = SeededGenerator(state: 6)
        let weights = (0..<5).map { row in row == 4 ? [Float](repeating: 0, count: 64) : random.floats(64) }
        let pool = try WorkerPool(workerCount: 2)
        for (form, steps) in [(RoundedForm.int8, Float(127)), (.int4, 7.5)] {
            let matrix = try weights.flatMap { $0 }.withUnsafeBytes { bytes in
                try PackedMatrix(
                    rounding: [MatrixSource(bytes: bytes, format: .float32, rowCount: 5)], to: form, columnCount: 64,
                    in: arena, purpose: "test", pool: pool)
            }
            let out = try FloatMatrix(rows: 1, columns: 64, in: arena, purpose: "test")
            for row in 0..<5 {
                matrix.copyRow(row, to: 0, of: out)
                for column in 0..<64 {
                    #expect(abs(out[0, column] - weights[row][column]) <= 0.51 / steps + 0.001)
                }
            }
        }
    }
}

/// A number that fp16 holds, near `value`.
private func halfPrecision(_ value: Float) -> Float {
    Float(bitPattern: value.bitPattern & 0xffff_e000)
}
