import Kernels
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// A sequence of random queries, keys and values, and ways to run attention over it.
private struct AttentionCase {
    let length: Int, headCount: Int, keyValueHeadCount: Int, headSize: Int
    let rows: [[Float]]  // [length][Q | K | V]

    init(length: Int, headCount: Int = 6, keyValueHeadCount: Int = 2, headSize: Int = 64, seed: UInt64 = 1) {
        self.length = length
        self.headCount = headCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headSize = headSize
        var random = SeededGenerator(state: seed)
        let width = (headCount + 2 * keyValueHeadCount) * headSize
        rows = (0..<length).map { _ in random.floats(width, in: -2...2) }
    }

    private var queryWidth: Int { headCount * headSize }

    /// Attention of every position, computed in chunks of `chunk` rows over blocks laid out by `blockOrder`.
    func run(
        blockSize: Int, chunk: Int, type: KVCacheType = .float32, window: Int = 0, set: InstructionSet = .best,
        reversedBlocks: Bool = false, splitsParts: Bool = false, softcap: Float = 0
    ) throws -> [[Float]] {
        let arena = Arena()
        let kernels = KernelSet(set)
        let blockCount = (length + blockSize - 1) / blockSize + 3
        let cache = try KVCacheStorage(
            shape: KVCacheShape(
                layerCount: 2, keyValueHeadCount: keyValueHeadCount, headSize: headSize, blockSize: blockSize,
                type: type), blockCount: blockCount, in: arena)
        let table = (0..<Int32(blockCount)).map { reversedBlocks ? Int32(blockCount) - 1 - $0 : $0 }
        let source = try matrix(rows, in: arena)
        let out = try ActivationRows(rows: length, columns: queryWidth, in: arena, purpose: "test")
        let groupSize = headCount / keyValueHeadCount
        let partSize = KVCacheStorage.AttentionTask.partSize
        let operands = KVCacheStorage.AttentionOperands(
            queries: source, out: out, quantizes: false, groupSize: groupSize, window: window, scale: 0.125,
            softcap: softcap,
            scratch: try FloatMatrix(
                rows: 1, columns: cache.attentionScratch(groupSize: groupSize), in: arena, purpose: "test"),
            partials: try FloatMatrix(
                rows: (length / partSize + 1) * KVCacheStorage.AttentionTask.maximumRows * groupSize,
                columns: headSize + 2, in: arena, purpose: "test"))
        let pool = try WorkerPool(workerCount: 1)
        for first in stride(from: 0, to: length, by: chunk) {
            let count = min(chunk, length - first)
            for row in first..<first + count {
                cache.store(
                    layer: 1, slot: Int(table[row / blockSize]) * blockSize + row % blockSize, from: source, row: row,
                    keyColumn: queryWidth, valueColumn: queryWidth + keyValueHeadCount * headSize, kernels)
            }
            // The heads of a single row together.
            let heads = chunk == 1 ? keyValueHeadCount : 1
            for start in stride(from: first, to: first + count, by: KVCacheStorage.AttentionTask.maximumRows) {
                for head in stride(from: 0, to: keyValueHeadCount, by: heads) {
                    let task = KVCacheStorage.AttentionTask(
                        firstRow: Int32(start),
                        rowCount: Int32(min(KVCacheStorage.AttentionTask.maximumRows, first + count - start)),
                        firstPosition: Int32(start), keyValueHeads: Int32(head)..<Int32(head + heads),
                        blockTableOffset: 0)
                    pool.run { worker in
                        if splitsParts {
                            for part in (0..<task.partCount).reversed() {
                                var piece = task
                                piece.part = Int32(part)
                                piece.partialRow = Int32(part * Int(task.rowCount) * heads * groupSize)
                                cache.attend(layer: 1, task: piece, operands, blockTables: table, worker, kernels)
                            }
                            cache.mergeParts(of: task, operands, kernels)
                        } else {
                            cache.attend(layer: 1, task: task, operands, blockTables: table, worker, kernels)
                        }
                    }
                }
            }
        }
        return KernelsTests.rows(out.values)
    }

    /// The same in double precision, straight from the definition.
    func reference(window: Int = 0, softcap: Double = 0) -> [[Double]] {
        (0..<length).map { position in
            (0..<headCount).flatMap { head -> [Double] in
                let query = rows[position][head * headSize..<(head + 1) * headSize]
                let kvHead = head / (headCount / keyValueHeadCount)
                let keyColumn = queryWidth + kvHead * headSize
                let valueColumn = keyColumn + keyValueHeadCount * headSize
                let seen = (window > 0 ? max(0, position - window + 1) : 0)...position
                let scores = seen.map { other -> Double in
                    let score =
                        zip(query, rows[other][keyColumn..<keyColumn + headSize])
                        .reduce(0.0) { $0 + Double($1.0) * Double($1.1) } * 0.125
                    return softcap > 0 ? softcap * tanh(score / softcap) : score
                }
                let highest = scores.max() ?? 0
                let weights = scores.map { exp($0 - highest) }
                let sum = weights.reduce(0, +)
                return (0..<headSize).map { d in
                    zip(seen, weights).reduce(0.0) { $0 + Double(rows[$1.0][valueColumn + d]) * $1.1 } / sum
                }
            }
        }
    }
}

@Suite("Paged attention")
struct AttentionTests {
    @Test("equals attention in double precision", arguments: [1, 7, 63, 64, 65, 200, 600], InstructionSet.available)
    func equalsReference(length: Int, set: InstructionSet) throws {
        let test = AttentionCase(length: length)
        let found = try test.run(blockSize: 16, chunk: 64, set: set)
        for (row, exact) in zip(found, test.reference()) { #expect(relativeDistance(row, exact) < 1e-5) }
    }

    @Test("a sliding window sees its own last positions alone", arguments: [1, 5, 32, 40])
    func slidingWindow(window: Int) throws {
        let test = AttentionCase(length: 100)
        let found = try test.run(blockSize: 8, chunk: 30, window: window)
        for (row, exact) in zip(found, test.reference(window: window)) { #expect(relativeDistance(row, exact) < 1e-5) }
    }

    @Test(
        "scores bent by a soft cap, in a window or not, with the same bits in chunks and parts",
        arguments: [(0, Float(1.5)), (0, 50), (300, 1.5)])
    func softcap(window: Int, softcap: Float) throws {
        let test = AttentionCase(length: 400)
        let found = try test.run(blockSize: 16, chunk: 64, window: window, softcap: softcap)
        for (row, exact) in zip(found, test.reference(window: window, softcap: Double(softcap))) {
            #expect(relativeDistance(row, exact) < 2e-5)
        }
        for set in InstructionSet.available {
            #expect(
                try test.run(blockSize: 32, chunk: 1, window: window, set: set, softcap: softcap) == found)
        }
        #expect(
            try test.run(blockSize: 16, chunk: 64, window: window, splitsParts: true, softcap: softcap) == found)
    }

    @Test(
        "narrower caches cost no more than their rounding",
        arguments: [(KVCacheType.float16, 1e-3), (.bfloat16, 1e-2), (.int8, 2e-2), (.int16, 1e-3)])
    func cacheTypes(type: KVCacheType, tolerance: Double) throws {
        let test = AttentionCase(length: 80)
        let found = try test.run(blockSize: 16, chunk: 80, type: type)
        for (row, exact) in zip(found, test.reference()) { #expect(relativeDistance(row, exact) < tolerance) }
    }

    @Test(
        "has the same bits for any chunk, block size, block order and instruction set",
        arguments: KVCacheType.allCases)
    func sameBits(type: KVCacheType) throws {
        let test = AttentionCase(length: 150)
        let reference = try test.run(blockSize: 16, chunk: 150, type: type)
        for blockSize in [8, 16, 32, 64] {
            for chunk in [1, 3, 16, 150] {
                #expect(
                    try test.run(blockSize: blockSize, chunk: chunk, type: type, reversedBlocks: chunk == 3)
                        == reference, "block size \(blockSize), chunk \(chunk)")
            }
        }
        #expect(try test.run(blockSize: 16, chunk: 5, type: type, set: .portable) == reference)
    }

    @Test(
        "parts of a context computed one by one, in any order, give the same bits as all at once",
        arguments: [255, 256, 257, 700], [0, 300])
    func parts(length: Int, window: Int) throws {
        let test = AttentionCase(length: length)
        let whole = try test.run(blockSize: 16, chunk: 64, window: window)
        for chunk in [1, 64] {
            #expect(try test.run(blockSize: 16, chunk: chunk, window: window, splitsParts: true) == whole)
        }
    }

    @Test("any head size that is a multiple of 8 works", arguments: [8, 24, 72, 80, 128, 256])
    func headSizes(headSize: Int) throws {
        let test = AttentionCase(length: 40, headCount: 4, keyValueHeadCount: 4, headSize: headSize)
        let found = try test.run(blockSize: 16, chunk: 40)
        for (row, exact) in zip(found, test.reference()) { #expect(relativeDistance(row, exact) < 1e-5) }
    }

    @Test("a copied block reads like its source")
    func copiedBlock() throws {
        let test = AttentionCase(length: 16)
        let arena = Arena()
        let cache = try KVCacheStorage(
            shape: KVCacheShape(layerCount: 1, keyValueHeadCount: 2, headSize: 64, blockSize: 16, type: .float16),
            blockCount: 4, in: arena)
        let source = try matrix(test.rows, in: arena)
        let kernels = KernelSet()
        for row in 0..<16 {
            cache.store(layer: 0, slot: 16 + row, from: source, row: row, keyColumn: 384, valueColumn: 512, kernels)
        }
        cache.copyBlock(from: 1, to: 3)
        let pool = try WorkerPool(workerCount: 1)
        let results = try [Int32(1), 3].map { block -> [Float] in
            let out = try ActivationRows(rows: 16, columns: 384, in: arena, purpose: "test")
            let operands = KVCacheStorage.AttentionOperands(
                queries: source, out: out, quantizes: false, groupSize: 3, window: 0, scale: 0.125,
                scratch: try FloatMatrix(
                    rows: 1, columns: cache.attentionScratch(groupSize: 3), in: arena, purpose: "test"),
                partials: try FloatMatrix(rows: 0, columns: 66, in: arena, purpose: "test"))
            let task = KVCacheStorage.AttentionTask(
                firstRow: 15, rowCount: 1, firstPosition: 15, keyValueHeads: 1..<2, blockTableOffset: 0)
            pool.run { cache.attend(layer: 0, task: task, operands, blockTables: [block], $0, kernels) }
            return rows(out.values)[15]
        }
        #expect(results[0] == results[1])
        #expect(results[0].contains { $0 != 0 })
    }
}
