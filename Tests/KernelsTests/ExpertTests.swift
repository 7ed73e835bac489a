import Kernels
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite("Mixture of experts")
struct ExpertTests {
    private func routing(
        experts: Int, perRow: Int, rows: Int, capacity: Int = 256, in arena: Arena
    ) throws -> ExpertRouting {
        try ExpertRouting(expertCount: experts, perRow: perRow, rows: rows, groupCapacity: capacity, in: arena)
    }

    @Test(
        "a row goes to the experts of its highest probabilities, whatever the instruction set",
        arguments: [(4, 2, true), (6, 1, false), (60, 4, false), (128, 8, true)], InstructionSet.available)
    func selection(sizes: (experts: Int, perRow: Int, normalizes: Bool), set: InstructionSet) throws {
        let arena = Arena()
        var random = SeededGenerator(state: 5)
        let logits = (0..<20).map { _ in random.floats(sizes.experts + 1, in: -6...6) }
        let routing = try routing(experts: sizes.experts, perRow: sizes.perRow, rows: 20, in: arena)
        let given = try matrix(logits, in: arena)
        for row in 0..<20 {
            routing.select(row: row, logits: given, normalizes: sizes.normalizes, KernelSet(set))
            let values = logits[row].prefix(sizes.experts).map { exp(Double($0)) }
            let sum = values.reduce(0, +), order = values.indices.sorted { values[$0] > values[$1] }
            let best = order.prefix(sizes.perRow), bestSum = best.reduce(0) { $0 + values[$1] }
            for (choice, expert) in best.enumerated() {
                #expect(routing.expert(row: row, choice: choice) == expert)
                let exact = values[expert] / (sizes.normalizes ? bestSum : sum)
                #expect(abs(Double(routing.weight(row: row, choice: choice)) - exact) < 1e-6)
            }
            #expect(given[row, sizes.experts] == logits[row][sizes.experts], "a gate behind the logits stays")
        }
    }

    @Test("of equal probabilities the first wins, and logits that are no numbers still give an expert")
    func ties() throws {
        let arena = Arena()
        let routing = try routing(experts: 5, perRow: 3, rows: 2, in: arena)
        let logits = try matrix([[1, 2, 2, 1, 2], [.nan, .nan, .nan, .infinity, .nan]], in: arena)
        for row in 0..<2 { routing.select(row: row, logits: logits, normalizes: true, KernelSet()) }
        #expect((0..<3).map { routing.expert(row: 0, choice: $0) } == [1, 2, 4])
        #expect((0..<3).allSatisfy { (0..<5).contains(routing.expert(row: 1, choice: $0)) })
        routing.group(rows: 0..<2)
    }

    @Test("copies of rows stand together by expert, each expert's on whole tiles", arguments: [1, 3, 40, 256])
    func grouping(rows: Int) throws {
        let arena = Arena()
        var random = SeededGenerator(state: 6)
        let routing = try routing(experts: 10, perRow: 3, rows: 400, in: arena)
        let logits = try matrix((0..<400).map { _ in random.floats(10) }, in: arena)
        for row in 0..<400 { routing.select(row: row, logits: logits, normalizes: false, KernelSet()) }
        let first = 400 - rows
        routing.group(rows: first..<400)
        var placesOfExpert: [Int: [Int]] = [:]
        for row in first..<400 {
            for choice in 0..<3 {
                placesOfExpert[routing.expert(row: row, choice: choice), default: []].append(
                    routing.place(row: row, choice: choice, first: first))
            }
        }
        let all = placesOfExpert.values.flatMap { $0 }
        #expect(Set(all).count == rows * 3)
        #expect(all.allSatisfy { (0..<routing.placeCapacity).contains($0) })
        for places in placesOfExpert.values {
            #expect(places[0] % 16 == 0)
            #expect(places == Array(places[0]..<places[0] + places.count))
        }
    }

    /// Rows of random experts, in the order in which they were chosen.
    @Test(
        "an expert's product for a row has the bits of its matrix alone, whoever else is there",
        arguments: [StorageFormat.float32, .float16, .q4_0, .q8_0, .q6_K], [1, 7, 100])
    func products(format: StorageFormat, rowCount: Int) throws {
        let experts = 5, perRow = 2, hidden = 256, inner = 512
        let arena = Arena(), pool = try WorkerPool(workerCount: 2), kernels = KernelSet()
        var random = SeededGenerator(state: 7)
        func matrices(_ rows: Int, _ columns: Int) throws -> [PackedMatrix] {
            try (0..<experts).map { _ in
                let bytes = randomRows(format, rows: rows, columns: columns, &random)
                return try bytes.withUnsafeBytes {
                    try PackedMatrix(
                        packing: [MatrixSource(bytes: $0, format: format, rowCount: rows)], columnCount: columns,
                        asFloat32: false, in: arena, purpose: "test", pool: pool)
                }
            }
        }
        let gates = try matrices(inner, hidden), ups = try matrices(inner, hidden), downs = try matrices(hidden, inner)
        let gate = try ExpertMatrices(gates, in: arena), up = try ExpertMatrices(ups, in: arena)
        let down = try ExpertMatrices(downs, in: arena)
        let routing = try routing(experts: experts, perRow: perRow, rows: rowCount, capacity: 64, in: arena)
        let logits = try matrix((0..<rowCount).map { _ in random.floats(experts) }, in: arena)
        func activations(_ rows: Int, _ columns: Int) throws -> ActivationRows {
            try ActivationRows(rows: rows, columns: columns, in: arena, purpose: "test")
        }
        let input = try activations(rowCount, hidden), places = routing.placeCapacity
        for row in 0..<rowCount {
            for (column, value) in random.floats(hidden).enumerated() { input.values[row, column] = value }
            input.quantize(row: row, kernels)
            routing.select(row: row, logits: logits, normalizes: true, kernels)
        }
        let gathered = try activations(places, hidden), gated = try activations(places, inner)
        let scratch = try FloatMatrix(rows: places, columns: inner, in: arena, purpose: "test")
        let out = try FloatMatrix(rows: places, columns: hidden, in: arena, purpose: "test")
        let single = try activations(1, hidden), singleGated = try activations(1, inner)
        let singleScratch = try FloatMatrix(rows: 1, columns: inner, in: arena, purpose: "test")
        let expected = try FloatMatrix(rows: 1, columns: hidden, in: arena, purpose: "test")
        for first in stride(from: 0, to: rowCount, by: routing.groupCapacity) {
            let group = first..<min(rowCount, first + routing.groupCapacity)
            pool.run { worker in
                worker.stage(tiles: 1) { _ in routing.group(rows: group) }
                worker.stage(tiles: group.count * perRow) { copy in
                    ExpertMatrices.gather(
                        input, row: first + copy / perRow, choice: copy % perRow, first: first, routing, gate: gate,
                        up: up, into: gathered, kernels)
                }
                ExpertMatrices.multiplyGated(
                    gate: gate, up: up, down: down, routing, gathered, into: gated, firstColumn: 0, .silu,
                    quantizes: true, scratch: scratch, kernels, worker)
                down.multiply(routing, gated, into: out, firstColumn: 0, kernels, worker)
            }
            for row in group {
                for choice in 0..<perRow {
                    let expert = routing.expert(row: row, choice: choice)
                    input.values.copyRow(row, to: 0, of: single.values)
                    single.quantize(row: 0, kernels)
                    pool.run { worker in
                        PackedMatrix.multiplyGated(
                            gate: gates[expert], up: ups[expert], single, tokenCount: 1, into: singleGated, .silu,
                            quantizes: true, scratch: singleScratch, kernels, worker, workerCount: 2)
                        downs[expert].multiply(
                            singleGated, tokenCount: 1, into: expected, kernels, worker, workerCount: 2)
                    }
                    let place = routing.place(row: row, choice: choice, first: first)
                    #expect((0..<hidden).allSatisfy { out[place, $0] == expected[0, $0] }, "row \(row)")
                }
            }
        }
    }
}
