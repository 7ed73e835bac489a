import Foundation
import JSON
import Kernels
import ModelFiles
import Models
import Primitives
import Quantization
import Testing

@Suite("Quantisation of a checkpoint")
struct CheckpointQuantizerTests {
    private static let models = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "ModelsTests/Fixtures")
    private let folder = FileManager.default.temporaryDirectory.appending(path: "pagoda-quantize-\(UUID().uuidString)")

    /// Quantises a small model, and removes the result after `body`.
    private func quantize(
        _ model: String, _ recipe: QuantizationRecipe, sequences: [[TokenID]], shardBytes: Int = 1 << 30,
        _ body: (ModelCheckpoint, [ModuleReport]) throws -> Void = { _, _ in }
    ) throws {
        let source = Self.models.appending(path: model).path
        defer { try? FileManager.default.removeItem(at: folder) }
        let quantizer = try CheckpointQuantizer(
            try ModelCheckpoint.open(path: source), source: source, recipe: recipe, sequences: sequences,
            threadCount: 2, instructionSet: .best)
        var modules: [ModuleReport] = []
        try quantizer.run(output: folder.path, shardBytes: shardBytes) { modules.append($0) }
        #expect(!FileManager.default.fileExists(atPath: folder.path + ".partial"))
        try body(try ModelCheckpoint.open(path: folder.path), modules)
    }

    private func sequences() -> [[TokenID]] {
        (0..<4).map { sequence in
            (0..<40).map { (place: Int) -> TokenID in
                let sum = place * place * 3 + 17 * sequence + place
                return TokenID(sum % 96)
            }
        }
    }

    @Test(
        "module after module it is GPTQ in PyTorch, each calibrated with the quantised ones before it",
        arguments: ["model-qwen2", "model-llama"])
    func golden(name: String) throws {
        let golden = try GPTQGolden.document(name), expected = try #require(golden["modules"]?.objectValue)
        let model = try #require(golden["model"]?.stringValue)
        let sequences = try #require(golden["sequences"]?.arrayValue).map { sequence in
            try #require(sequence.arrayValue).compactMap { $0.integerValue.map { TokenID($0) } }
        }
        try quantize(model, GPTQGolden.recipe(golden), sequences: sequences) { checkpoint, modules in
            #expect(modules.map(\.name).sorted() == expected.keys.sorted())
            #expect(modules.allSatisfy { $0.damping == 0.01 })
            for module in modules {
                let of = try #require(expected[module.name]), error = try #require(of["error"]?.doubleValue)
                #expect((module.error - error).magnitude < 0.02 * error, "\(module.name): \(module.error), \(error)")
                let index = try #require(checkpoint.weights.tensor(named: module.name + ".g_idx"))
                #expect(try integers(index) == of.integers("group_of_column"))
                let found = try codes(of: module.name, in: checkpoint)
                let codes = try #require(of["codes"]?.stringValue).compactMap { $0.hexDigitValue }
                // Sums round otherwise in fp32 and fp64; a code at the border between two may then fall to either.
                let different = zip(found, codes).count { $0 != $1 }
                #expect(found.count == codes.count && different * 500 <= codes.count, "\(different) of \(codes.count)")
            }
            let logits = try self.logits(of: checkpoint, prompt: golden.integers("prompt").map { TokenID($0) })
            let exact = try golden.floats("logits")
            #expect(distance(logits, exact) < 0.02)
        }
    }

    /// The codes of a module in 4 bits, shape [rows, columns].
    private func codes(of module: String, in checkpoint: ModelCheckpoint) throws -> [Int] {
        let tensor = try #require(checkpoint.weights.tensor(named: module + ".qweight"))
        let words = try integers(tensor).map { UInt32(truncatingIfNeeded: $0) }
        let rows = tensor.shape[1]
        return (0..<rows).flatMap { row in
            (0..<tensor.shape[0] * 8).map { Int(words[$0 / 8 * rows + row] >> UInt32($0 % 8 * 4) & 15) }
        }
    }

    private func integers(_ tensor: TensorView) throws -> [Int] {
        try #require(tensor.elementType == .int32)
        return tensor.withUnsafeBytes { bytes in
            (0..<bytes.count / 4).map {
                Int(Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self)))
            }
        }
    }

    /// The logits of the last four positions, in reference mode.
    private func logits(of checkpoint: ModelCheckpoint, prompt: [TokenID]) throws -> [Float] {
        var options = LocalExecutorOptions()
        options.computesInFloat32 = true
        options.cacheType = .float32
        options.maximumModelLength = 64
        options.blockCount = 4
        let executor = try LocalExecutor(checkpoint, options: options)
        let logits = LogitsBuffer(rowCapacity: 4, vocabularySize: executor.vocabularySize)
        var batch = ForwardBatch()
        batch.tokenIDs = prompt
        batch.positions = prompt.indices.map { Int32($0) }
        batch.slotMapping = batch.positions
        batch.blockTables = [0, 1, 2, 3]
        batch.logitRows = batch.positions.suffix(4)
        batch.sequences = [
            ForwardBatch.Sequence(
                firstRow: 0, rowCount: Int32(prompt.count), contextLength: Int32(prompt.count), blockTableOffset: 0,
                promptLength: Int32(prompt.count))
        ]
        try executor.execute(batch, into: logits)
        return (0..<4).flatMap { row in logits.withRow(row) { row in (0..<row.count).map { row[$0] } } }
    }

    private func distance(_ values: [Float], _ exact: [Float]) -> Double {
        let squared = zip(values, exact).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
        return (squared / exact.reduce(0.0) { $0 + Double($1) * Double($1) }).squareRoot()
    }

    @Test("widths, groups and shards: what is written is read back and computes", arguments: [2, 4, 8])
    func widths(bits: Int) throws {
        var recipe = QuantizationRecipe()
        recipe.bits = bits
        recipe.groupSize = bits == 8 ? nil : 16
        recipe.isSymmetric = bits != 2
        let prompt = sequences()[1]
        let exact = try logits(
            of: ModelCheckpoint.open(path: Self.models.appending(path: "qwen2").path), prompt: prompt)
        try quantize("qwen2", recipe, sequences: sequences(), shardBytes: 6000) {
            (checkpoint: ModelCheckpoint, _: [ModuleReport]) throws in
            #expect(checkpoint.quantization?.method == .gptq && checkpoint.quantization?.bits == bits)
            #expect(FileManager.default.fileExists(atPath: folder.path + "/model.safetensors.index.json"))
            // Random weights magnify errors; in 8 bits there are next to none.
            let found = try logits(of: checkpoint, prompt: prompt)
            #expect(distance(found, exact) < (bits == 8 ? 0.03 : 2))
        }
    }

    @Test("round to nearest needs no text, and biases and other tensors are copied as they are")
    func roundToNearest() throws {
        var recipe = QuantizationRecipe()
        recipe.method = .rtn
        recipe.groupSize = 32
        let source = try ModelCheckpoint.open(path: Self.models.appending(path: "qwen2").path)
        try quantize("qwen2", recipe, sequences: []) { checkpoint, modules in
            #expect(modules.count == 14 && modules.allSatisfy { $0.error > 0.001 && $0.error < 0.02 })
            let copied = source.weights.tensorNames.filter { !$0.hasSuffix("_proj.weight") }
            #expect(copied.contains { $0.hasSuffix("q_proj.bias") } && copied.contains("lm_head.weight"))
            for name in copied {
                let original = try #require(source.weights.tensor(named: name))
                let copy = try #require(checkpoint.weights.tensor(named: name))
                #expect(copy.elementType == original.elementType && copy.shape == original.shape)
                #expect(original.withUnsafeBytes { Array($0) } == copy.withUnsafeBytes { Array($0) })
            }
            #expect(checkpoint.weights.tensorNames.count == copied.count + 4 * 14)
        }
    }

    @Test("recipes that do not fit the checkpoint are refused before anything is written")
    func refused() throws {
        func error(_ change: (inout QuantizationRecipe) -> Void, model: String = "llama", text: Bool = true) -> String {
            var recipe = QuantizationRecipe()
            recipe.groupSize = 32
            change(&recipe)
            do {
                try quantize(model, recipe, sequences: text ? sequences() : [])
                return "nothing"
            } catch {
                return "\(error)"
            }
        }
        #expect(
            error { $0.groupSize = 48 }.contains("does not divide the 32 inputs of model.layers.0.self_attn.q_proj"))
        #expect(error { $0.bits = 5 }.contains("5 bits are not supported; take one of 2, 3, 4, 8"))
        #expect(error { $0.bits = 3 }.contains("k_proj of 16 × 32 does not fill whole 32-bit words"))
        #expect(error { $0.damping = 0 }.contains("damping"))
        #expect(error({ _ in }, text: false).contains("--calibration-text"))
        let ordered: (inout QuantizationRecipe) -> Void = {
            $0.method = .rtn
            $0.ordersByActivation = true
        }
        #expect(error(ordered).contains("Act-order needs calibration"))
        #expect(error({ _ in }, model: "quantized/gptq-4bit-g32").contains("is quantised already (gptq)"))
        #expect(!FileManager.default.fileExists(atPath: folder.path))
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        #expect(error { _ in }.contains("is there already"))
    }

    @Test("weights that are no numbers are an error that names the module, and leave no folder behind")
    func damaged() throws {
        let copy = FileManager.default.temporaryDirectory.appending(path: "pagoda-damaged-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: Self.models.appending(path: "llama"), to: copy)
        defer { try? FileManager.default.removeItem(at: copy) }
        let source = try ModelCheckpoint.open(path: copy.path)
        let tensor = try #require(source.weights.tensor(named: "model.layers.1.mlp.down_proj.weight"))
        let file = try FileHandle(forUpdating: copy.appending(path: "model.safetensors"))
        try file.seek(toOffset: UInt64(tensor.byteRange.lowerBound))
        try file.write(contentsOf: Data([0, 0, 0xc0, 0x7f]))
        try file.close()
        for method in QuantizationRecipe.Method.allCases {
            var recipe = QuantizationRecipe()
            recipe.method = method
            recipe.groupSize = 32
            let quantizer = try CheckpointQuantizer(
                try ModelCheckpoint.open(path: copy.path), source: copy.path, recipe: recipe, sequences: sequences(),
                threadCount: 1, instructionSet: .best)
            #expect(throws: QuantizationError.weightsNotFinite(module: "model.layers.1.mlp.down_proj")) {
                try quantizer.run(output: folder.path, shardBytes: 1 << 30) { _ in }
            }
        }
        #expect(!FileManager.default.fileExists(atPath: folder.path))
        #expect(!FileManager.default.fileExists(atPath: folder.path + ".partial"))
    }
}
