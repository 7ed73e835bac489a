import Kernels
import Testing

@Suite("Refinement of logits")
struct LogitRefinementTests {
    /// A head whose rows are of two formats: its panels are in two parts, the last of which ends in mid-panel.
    private struct Head {
        static let columns = 256
        static let sources: [(format: StorageFormat, rows: Int)] = [(.q8_0, 608), (.q4_1, 397)]
        static let tokens = sources.reduce(0) { $0 + $1.rows }

        let arena: Arena
        let kernels: KernelSet
        let matrix: PackedMatrix

        init(_ set: InstructionSet = .best) throws {
            let arena = Arena()
            var random = SeededGenerator(state: 31)
            let bytes = Self.sources.map { randomRows($0.format, rows: $0.rows, columns: Self.columns, &random) }
            self.arena = arena
            kernels = KernelSet(set)
            matrix = try bytes[0].withUnsafeBytes { first in
                try bytes[1].withUnsafeBytes { second in
                    let sources = zip([first, second], Self.sources).map { bytes, source in
                        MatrixSource(bytes: bytes, format: source.format, rowCount: source.rows)
                    }
                    return try PackedMatrix(
                        packing: sources, columnCount: Self.columns, asFloat32: false, in: arena, purpose: "test",
                        pool: try WorkerPool(workerCount: 1))
                }
            }
        }

        /// The head's logits, behind three that are another's: all of 8 bits, all of 11, or of 8 and then refined.
        func logits(_ inputs: [[Float]], isFine: Bool = false, refines: Bool, workers: Int = 2) throws -> [[Float]] {
            let activations = try activations(inputs)
            let logits = LogitsBuffer(rowCapacity: inputs.count, vocabularySize: 3 + Self.tokens)
            let out = try #require(logits.matrix)
            try WorkerPool(workerCount: workers).run { worker in
                matrix.multiply(
                    activations, isFine: isFine, tokenCount: inputs.count, into: out, firstColumn: 3, kernels, worker,
                    workerCount: workers)
            }
            if refines { try refine(logits, activations, workers: workers) }
            return rows(out).map { Array($0.dropFirst(3)) }
        }

        /// What becomes of a row of logits that all have one value.
        func refined(_ input: [Float], from value: Float) throws -> [Float] {
            let logits = LogitsBuffer(rowCapacity: 1, vocabularySize: 3 + Self.tokens)
            let out = try #require(logits.matrix)
            for token in 0..<out.columnCount { out[0, token] = value }
            try refine(logits, try activations([input]), workers: 1)
            return Array(rows(out)[0].dropFirst(3))
        }

        private func activations(_ inputs: [[Float]]) throws -> ActivationRows {
            let activations = try ActivationRows(
                rows: inputs.count, columns: Self.columns, hasFineForm: true, in: arena, purpose: "test")
            for (row, values) in inputs.enumerated() {
                for (column, value) in values.enumerated() { activations.values[row, column] = value }
                activations.quantize(row: row, kernels)
            }
            return activations
        }

        private func refine(_ logits: LogitsBuffer, _ activations: ActivationRows, workers: Int) throws {
            let refinement = try LogitRefinement(
                rows: activations.rowCount, tokens: Self.tokens, workerCount: workers, in: arena, purpose: "test")
            try WorkerPool(workerCount: workers).run { worker in
                refinement.refine(
                    logits, firstColumn: 3, of: matrix, activations, tokenCount: activations.rowCount, kernels, worker)
            }
        }
    }

    /// Rows whose logits lie near each other, and rows whose highest stand out.
    private func inputs(_ count: Int) -> [[Float]] {
        var random = SeededGenerator(state: 32)
        return (0..<count).map { row in
            let most: Float = row % 2 == 0 ? 0.05 : 6
            return random.floats(Head.columns, in: -most...most)
        }
    }

    @Test("the panels of the highest logits get those of 11 bits, others keep those of 8")
    func likeliest() throws {
        let head = try Head(), inputs = inputs(19)
        let coarse = try head.logits(inputs, refines: false)
        let fine = try head.logits(inputs, isFine: true, refines: false)
        let refined = try head.logits(inputs, refines: true)
        var counts: Set<Int> = []
        for row in inputs.indices {
            // 608 is a multiple of 16: panels are counted through both parts.
            let panels = stride(from: 0, to: Head.tokens, by: 16).map { $0..<min($0 + 16, Head.tokens) }
            let chosen = panels.filter { refined[row][$0] != coarse[row][$0] }
            for panel in panels {
                #expect(refined[row][panel] == (chosen.contains(panel) ? fine : coarse)[row][panel])
            }
            let highest = panels.sorted { coarse[row][$0].max() ?? 0 > coarse[row][$1].max() ?? 0 }
            #expect(Set(chosen) == Set(highest.prefix(chosen.count)), "row \(row)")
            counts.insert(chosen.count)
        }
        #expect(counts.min() ?? 0 >= 1 && counts.max() ?? 0 <= 32)
        #expect(counts.count > 1, "rows of one kind only: \(counts)")
    }

    @Test("a row is refined to the same bits in any batch, by any number of workers and instruction set")
    func sameBits() throws {
        let inputs = inputs(35), together = try Head().logits(inputs, refines: true)
        for set in InstructionSet.available {
            #expect(try Head(set).logits(inputs, refines: true, workers: 1) == together, "\(set)")
        }
        for row in [0, 15, 16, 21, 34] {
            #expect(try Head().logits([inputs[row]], refines: true)[0] == together[row])
        }
    }

    @Test("of equal logits the first panels are computed again; where none is a number nothing is")
    func degenerate() throws {
        let head = try Head(), input = inputs(1)[0], first = 32 * 16
        let fine = try head.logits([input], isFine: true, refines: false)[0]
        let refined = try head.refined(input, from: 0)
        #expect(Array(refined[..<first]) == Array(fine[..<first]))
        #expect(refined[first...].allSatisfy { $0 == 0 })
        #expect(try head.refined(input, from: -.infinity).allSatisfy { $0 == -.infinity })
        #expect(try head.refined(input, from: .nan).allSatisfy(\.isNaN))
    }
}
