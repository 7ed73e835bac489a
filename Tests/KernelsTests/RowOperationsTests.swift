import Kernels
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite("Row operations")
struct RowOperationsTests {
    @Test("RMS norm is that of double precision, with the same bits on every instruction set")
    func rmsNorm() throws {
        let arena = Arena()
        var random = SeededGenerator(state: 1)
        let input = random.floats(576, in: -4...4), weight = random.floats(576)
        let mean = input.reduce(0.0) { $0 + Double($1) * Double($1) } / 576
        let exact = zip(input, weight).map { Double($0) / (mean + 1e-5).squareRoot() * Double($1) }
        let source = try matrix([input], in: arena), weights = try matrix([weight], in: arena)
        var results: [[Float]] = []
        for set in InstructionSet.available {
            let out = try FloatMatrix(rows: 1, columns: 576, in: arena, purpose: "test")
            KernelSet(set).rmsNorm(source, row: 0, weight: weights, epsilon: 1e-5, into: out, row: 0)
            results.append(rows(out)[0])
            #expect(relativeDistance(results[0], exact) < 1e-6)
        }
        #expect(results.allSatisfy { $0 == results[0] })
    }

    @Test("gating is silu(gate) × up over the whole range of fp32's exponential", arguments: InstructionSet.available)
    func gate(set: InstructionSet) throws {
        let arena = Arena()
        let gate = stride(from: Float(-120), to: 120, by: 0.75).map { $0 }
        let up = gate.indices.map { Float($0 % 5) - 2 }
        let gated = try matrix([gate], in: arena)
        KernelSet(set).gate(gated, up: try matrix([up], in: arena), row: 0, columns: 0..<gate.count, .silu)
        for (index, value) in rows(gated)[0].enumerated() {
            let exact = Double(gate[index]) / (1 + exp(-Double(gate[index]))) * Double(up[index])
            #expect(abs(Double(value) - exact) <= 3e-7 * max(abs(exact), 1e-6), "silu of \(gate[index])")
        }
    }

    @Test("GELU by the tangent, heads' norms and scaled sums are those of double precision")
    func familyOperations() throws {
        let arena = Arena()
        var random = SeededGenerator(state: 4)
        let gate = random.floats(64, in: -9...9), up = random.floats(64), weight = random.floats(16)
        for set in InstructionSet.available {
            let kernels = KernelSet(set)
            let gated = try matrix([gate], in: arena), heads = try matrix([gate], in: arena)
            let sum = try matrix([gate], in: arena), other = try matrix([up], in: arena)
            kernels.gate(gated, up: other, row: 0, columns: 0..<64, .geluTanh)
            kernels.rmsNormHeads(
                heads, row: 0, firstColumn: 16, headCount: 2, weight: try matrix([weight], in: arena), epsilon: 1e-5)
            kernels.add(other, row: 0, times: -0.75, to: sum, row: 0)
            for index in 0..<64 {
                let x = Double(gate[index]), y = Double(up[index])
                let gelu = x / 2 * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
                #expect(abs(Double(gated[0, index]) - gelu * y) < 1e-6 * max(1, abs(x)))
                #expect(abs(Double(sum[0, index]) - (x - 0.75 * y)) < 1e-6)
                let head = gate[index / 16 * 16..<index / 16 * 16 + 16]
                let mean = head.reduce(0.0) { $0 + Double($1) * Double($1) } / 16
                let normed = x / (mean + 1e-5).squareRoot() * Double(weight[index % 16])
                #expect(abs(Double(heads[0, index]) - ((16..<48).contains(index) ? normed : x)) < 1e-6)
            }
            kernels.scale(sum, row: 0, by: 0.5)
            #expect(abs(Double(sum[0, 3]) - (Double(gate[3]) - 0.75 * Double(up[3])) / 2) < 1e-6)
            #expect(abs(Double(kernels.sigmoid(1.5)) - 1 / (1 + exp(-1.5))) < 1e-6)
        }
    }

    @Test("a soft cap bends logits and leaves what is no number", arguments: InstructionSet.available)
    func softcap(set: InstructionSet) {
        let logits = LogitsBuffer(rowCapacity: 1, vocabularySize: 13)
        let values: [Float] = [0, 1, -1, 30, -30, 100, -100, 1e30, -1e30, 5, .nan, 7, -7]
        for (index, value) in values.enumerated() { logits.rowElements(0)[index] = value }
        KernelSet(set).softcap(logits, row: 0, columns: 0..<12, cap: 30)
        for (index, value) in values.dropLast().enumerated() where !value.isNaN {
            #expect(abs(Double(logits.rowElements(0)[index]) - 30 * tanh(Double(value) / 30)) < 1e-5)
        }
        #expect(logits.rowElements(0)[10].isNaN)
        #expect(logits.rowElements(0)[12] == -7)
    }

    @Test("rotation turns pairs half a head apart and leaves the rest of the head alone")
    func rotation() throws {
        let arena = Arena()
        var random = SeededGenerator(state: 2)
        let heads = random.floats(2 * 16)
        let table = try RotaryTable(positions: 3, rotaryDimensions: 8, in: arena)
        for index in 0..<4 {
            table.cosines[2, index] = cosf(Float(index) + 0.5)
            table.sines[2, index] = sinf(Float(index) + 0.5)
        }
        for set in InstructionSet.available {
            let out = try matrix([heads], in: arena)
            KernelSet(set).rotate(
                out, row: 0, firstColumn: 0, headCount: 2, headSize: 16, table: table, position: 2)
            for head in 0..<2 {
                for index in 0..<16 {
                    let place = head * 16 + index, pair = index % 4
                    let angle = Double(pair) + 0.5
                    let first = Double(heads[head * 16 + pair]), second = Double(heads[head * 16 + pair + 4])
                    let expected =
                        index < 4
                        ? first * cos(angle) - second * sin(angle)
                        : index < 8 ? second * cos(angle) + first * sin(angle) : Double(heads[place])
                    #expect(abs(Double(out[0, place]) - expected) < 1e-6)
                }
            }
        }
    }

    @Test("a row of zeros quantises to zeros, not to a division by zero", arguments: StorageFormat.allCases)
    func zeros(format: StorageFormat) throws {
        let arena = Arena()
        var random = SeededGenerator(state: 3)
        let bytes = randomRows(format, rows: 8, columns: 256, &random)
        let pool = try WorkerPool(workerCount: 1)
        let weights = try bytes.withUnsafeBytes {
            try PackedMatrix(
                packing: [MatrixSource(bytes: $0, format: format, rowCount: 8)], columnCount: 256, asFloat32: false,
                in: arena, purpose: "test", pool: pool)
        }
        let kernels = KernelSet()
        let activations = try ActivationRows(rows: 1, columns: 256, in: arena, purpose: "test")
        activations.quantize(row: 0, kernels)
        let out = try FloatMatrix(rows: 1, columns: 8, in: arena, purpose: "test")
        pool.run { weights.multiply(activations, tokenCount: 1, into: out, kernels, $0, workerCount: 1) }
        #expect(rows(out)[0] == [Float](repeating: 0, count: 8))
    }
}
