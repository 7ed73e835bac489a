import Kernels
import Testing

@Suite("Packed matrices")
struct PackedMatrixTests {
    /// A matrix packed from random rows, with the fp32 values of those rows.
    private func packed(
        _ format: StorageFormat, rows: Int, columns: Int, seed: UInt64, asFloat32: Bool = false, in arena: Arena
    ) throws -> (matrix: PackedMatrix, values: [[Float]]) {
        var random = SeededGenerator(state: seed)
        let bytes = randomRows(format, rows: rows, columns: columns, &random)
        let pool = try WorkerPool(workerCount: 2)
        let matrix = try bytes.withUnsafeBytes { bytes in
            try PackedMatrix(
                packing: [MatrixSource(bytes: bytes, format: format, rowCount: rows)], columnCount: columns,
                asFloat32: asFloat32, in: arena, purpose: "test", pool: pool)
        }
        return (matrix, decoded(bytes, format, rows: rows, columns: columns))
    }

    private func product(
        _ matrix: PackedMatrix, _ inputs: [[Float]], set: InstructionSet, isFine: Bool = false, workers: Int = 1,
        in arena: Arena
    ) throws -> [[Float]] {
        let kernels = KernelSet(set)
        let activations = try ActivationRows(
            rows: inputs.count, columns: matrix.columnCount, hasFineForm: isFine, in: arena, purpose: "test")
        for (row, values) in inputs.enumerated() {
            for (column, value) in values.enumerated() { activations.values[row, column] = value }
            if matrix.usesQuantizedActivations { activations.quantize(row: row, kernels) }
        }
        let out = try FloatMatrix(rows: inputs.count, columns: matrix.rowCount, in: arena, purpose: "test")
        try WorkerPool(workerCount: workers).run { worker in
            matrix.multiply(
                activations, isFine: isFine, tokenCount: inputs.count, into: out, kernels, worker,
                workerCount: workers)
        }
        return rows(out)
    }

    @Test("a packed row reads back as the decoder of its format gives it", arguments: StorageFormat.allCases)
    func roundTrip(format: StorageFormat) throws {
        let arena = Arena()
        let (matrix, values) = try packed(format, rows: 19, columns: 512, seed: 7, in: arena)
        let out = try FloatMatrix(rows: 1, columns: 512, in: arena, purpose: "test")
        // K-quants multiply two scales; the product is kept in fp16.
        let isExact = ![.q2_K, .q3_K, .q4_K, .q5_K, .q6_K].contains(format)
        for row in 0..<19 {
            matrix.copyRow(row, to: 0, of: out)
            let distance = relativeDistance(rows(out)[0], values[row].map(Double.init))
            #expect(isExact ? distance < 1e-7 : distance < 1e-3, "row \(row): \(distance)")
        }
    }

    @Test("reference mode keeps every value of a format exactly", arguments: StorageFormat.allCases)
    func float32IsExact(format: StorageFormat) throws {
        let arena = Arena()
        let (matrix, values) = try packed(format, rows: 9, columns: 256, seed: 8, asFloat32: true, in: arena)
        let out = try FloatMatrix(rows: 1, columns: 256, in: arena, purpose: "test")
        for row in 0..<9 {
            matrix.copyRow(row, to: 0, of: out)
            #expect(rows(out)[0] == values[row])
        }
    }

    @Test("products are near those in double precision", arguments: StorageFormat.allCases, InstructionSet.available)
    func nearDoublePrecision(format: StorageFormat, set: InstructionSet) throws {
        let arena = Arena()
        let (matrix, weights) = try packed(format, rows: 21, columns: 512, seed: 9, in: arena)
        var random = SeededGenerator(state: 10)
        let inputs = (0..<6).map { _ in random.floats(512) }
        // Activations in 8 bits cost about half a percent, in 11 an eighth of that; fp32 sums next to nothing.
        for (isFine, tolerance) in [(false, 0.012), (true, 0.0015)] {
            let found = try product(matrix, inputs, set: set, isFine: isFine, in: arena)
            for (input, output) in zip(inputs, found) {
                let exact = weights.map { row in zip(row, input).reduce(0.0) { $0 + Double($1.0) * Double($1.1) } }
                #expect(relativeDistance(output, exact) < (matrix.usesQuantizedActivations ? tolerance : 1e-6))
            }
        }
    }

    @Test("every instruction set gives the bits of the portable kernels", arguments: StorageFormat.allCases)
    func sameBitsOnEveryInstructionSet(format: StorageFormat) throws {
        let arena = Arena()
        let (matrix, _) = try packed(format, rows: 13, columns: 256, seed: 11, in: arena)
        var random = SeededGenerator(state: 12)
        let inputs = (0..<7).map { _ in random.floats(256, in: -30...30) }
        for isFine in [false, true] {
            let reference = try product(matrix, inputs, set: .portable, isFine: isFine, in: arena)
            for set in InstructionSet.available {
                #expect(try product(matrix, inputs, set: set, isFine: isFine, in: arena) == reference, "\(set)")
            }
        }
    }

    @Test(
        "a row's product has the same bits in any batch and with any number of workers",
        arguments: [StorageFormat.float32, .bfloat16, .q4_1, .q5_0, .q8_0, .q6_K])
    func sameBitsInAnyBatch(format: StorageFormat) throws {
        let arena = Arena()
        let (matrix, _) = try packed(format, rows: 200, columns: 256, seed: 13, in: arena)
        var random = SeededGenerator(state: 14)
        let inputs = (0..<135).map { _ in random.floats(256) }
        for isFine in [false, true] {
            func multiplied(_ inputs: [[Float]], workers: Int = 1) throws -> [[Float]] {
                try product(matrix, inputs, set: .best, isFine: isFine, workers: workers, in: arena)
            }
            let together = try multiplied(inputs, workers: 3)
            for (index, input) in inputs.enumerated() where index % 9 == 0 {
                #expect(try multiplied([input])[0] == together[index])
            }
            #expect(try multiplied(Array(inputs[3..<9]), workers: 2) == Array(together[3..<9]))
        }
    }

    @Test("the largest 4-bit codes and activations do not overflow", arguments: InstructionSet.available)
    func extremeCodes(set: InstructionSet) throws {
        let arena = Arena()
        // Q4_1: scale 1, minimum 0, every code 15.
        let block: [UInt8] = [0x00, 0x3c, 0, 0] + [UInt8](repeating: 0xff, count: 16)
        let bytes = [[UInt8]](repeating: block, count: 8 * 4).flatMap { $0 }
        let pool = try WorkerPool(workerCount: 1)
        let matrix = try bytes.withUnsafeBytes { bytes in
            try PackedMatrix(
                packing: [MatrixSource(bytes: bytes, format: .q4_1, rowCount: 8)], columnCount: 128, asFloat32: false,
                in: arena, purpose: "test", pool: pool)
        }
        for sign: Float in [1, -1] {
            let found = try product(matrix, [[Float](repeating: 127 * sign, count: 128)], set: set, in: arena)
            #expect(found[0] == [Float](repeating: 15 * 127 * 128 * sign, count: 8))
        }
    }

    @Test("sources of different formats share a matrix without losing their codes")
    func mixedSources() throws {
        let arena = Arena()
        var random = SeededGenerator(state: 15)
        let formats: [StorageFormat] = [.q5_0, .q8_0, .q4_K]
        let parts = formats.map { randomRows($0, rows: 16, columns: 256, &random) }
        let pool = try WorkerPool(workerCount: 1)
        let matrix = try parts[0].withUnsafeBytes { a in
            try parts[1].withUnsafeBytes { b in
                try parts[2].withUnsafeBytes { c in
                    try PackedMatrix(
                        packing: zip([a, b, c], formats).map {
                            MatrixSource(bytes: $0, format: $1, rowCount: 16, rowOrder: { 15 - $0 })
                        },
                        columnCount: 256, asFloat32: false, in: arena, purpose: "test", pool: pool)
                }
            }
        }
        #expect(matrix.usesQuantizedActivations)
        let out = try FloatMatrix(rows: 1, columns: 256, in: arena, purpose: "test")
        for (part, format) in formats.enumerated() {
            let values = decoded(parts[part], format, rows: 16, columns: 256)
            for row in 0..<16 {
                matrix.copyRow(part * 16 + row, to: 0, of: out)
                #expect(relativeDistance(rows(out)[0], values[15 - row].map(Double.init)) < 1e-3)
            }
        }
    }

    @Test("accumulating adds to what stands there")
    func accumulates() throws {
        let arena = Arena()
        let (matrix, _) = try packed(.q4_0, rows: 11, columns: 64, seed: 16, in: arena)
        var random = SeededGenerator(state: 17)
        let input = random.floats(64)
        let plain = try product(matrix, [input], set: .best, in: arena)[0]
        let kernels = KernelSet()
        let activations = try ActivationRows(rows: 1, columns: 64, in: arena, purpose: "test")
        for (column, value) in input.enumerated() { activations.values[0, column] = value }
        activations.quantize(row: 0, kernels)
        let out = try self.matrix(of: [[Float](repeating: 2, count: 11)], in: arena)
        try WorkerPool(workerCount: 1).run { worker in
            matrix.multiply(activations, tokenCount: 1, into: out, accumulate: true, kernels, worker, workerCount: 1)
        }
        #expect(rows(out)[0] == plain.map { 2 + $0 })
    }

    @Test(
        "a gated product, expected or not, has the bits of its steps one by one", arguments: [1, 7, 140], [1, 2, 40])
    func gatedProduct(tokens: Int, workers: Int) throws {
        let arena = Arena(), kernels = KernelSet(), width = 352
        let (gate, _) = try packed(.q4_1, rows: width, columns: 64, seed: 18, in: arena)
        let (up, _) = try packed(.q5_0, rows: width, columns: 64, seed: 19, in: arena)
        let (down, _) = try packed(.q8_0, rows: 24, columns: width, seed: 20, in: arena)
        var random = SeededGenerator(state: 21)
        let inputs = try ActivationRows(rows: tokens, columns: 64, in: arena, purpose: "test")
        for row in 0..<tokens {
            for (column, value) in random.floats(64).enumerated() { inputs.values[row, column] = value }
            inputs.quantize(row: row, kernels)
        }
        let fused = try ActivationRows(rows: tokens, columns: width, in: arena, purpose: "test")
        let stepwise = try ActivationRows(rows: tokens, columns: width, in: arena, purpose: "test")
        let scratch = try FloatMatrix(rows: tokens, columns: width, in: arena, purpose: "test")
        let results = try (0..<2).map { _ in try FloatMatrix(rows: tokens, columns: 24, in: arena, purpose: "test") }
        try WorkerPool(workerCount: workers).run { worker in
            PackedMatrix.expectGated(gate: gate, up: up, tokenCount: tokens, worker, workerCount: workers)
            worker.stage(tiles: 1) { _ in }
            down.expect(tokenCount: tokens, worker, workerCount: workers)
            PackedMatrix.multiplyGated(
                gate: gate, up: up, inputs, tokenCount: tokens, into: fused, .silu, quantizes: true,
                scratch: scratch, kernels, worker, workerCount: workers)
            worker.expectNothing()
            down.multiply(fused, tokenCount: tokens, into: results[0], kernels, worker, workerCount: workers)
            gate.multiply(inputs, tokenCount: tokens, into: stepwise.values, kernels, worker, workerCount: workers)
            up.multiply(inputs, tokenCount: tokens, into: scratch, kernels, worker, workerCount: workers)
            worker.stage(tiles: tokens) { row in
                kernels.gate(stepwise.values, up: scratch, row: row, columns: 0..<width, .silu)
                stepwise.quantize(row: row, kernels)
            }
            down.multiply(stepwise, tokenCount: tokens, into: results[1], kernels, worker, workerCount: workers)
        }
        #expect(rows(fused.values) == rows(stepwise.values))
        #expect(rows(results[0]) == rows(results[1]))
        #expect(rows(results[0]).joined().contains { $0 != 0 })
    }

    private func matrix(of rows: [[Float]], in arena: Arena) throws -> FloatMatrix {
        try KernelsTests.matrix(rows, in: arena)
    }
}
