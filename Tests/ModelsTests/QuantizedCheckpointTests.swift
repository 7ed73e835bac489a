import Foundation
import JSON
import Kernels
import ModelFiles
import Models
import Primitives
import Testing

/// Checkpoints of tools/quantized-golden.py, with Transformers' logits of the dequantised weights.
private enum Quantized {
    static let folder = Golden.folder.appending(path: "quantized")

    /// Bits that a weight takes in memory, scales included.
    static let bitsPerWeight: [String: Double] = [
        "gptq-4bit-g32": 4.5, "gptq-4bit-g32-asymmetric": 5, "gptq-4bit-channel-v2": 5,
        // Groups of 16 take 6 bits, and there are no forms at all for groups of 8.
        "gptq-4bit-g16": 7, "gptq-4bit-g8": 32,
        "gptq-8bit-g32": 9, "gptq-8bit-g32-asymmetric": 9, "gptq-3bit-g32": 4.5, "gptq-2bit-g32": 4.5,
        "gptq-act-order": 5, "gptq-act-order-of-each": 14, "gptq-dynamic-sharded": 7, "gptq-head": 4.5,
        // The attention's output is left out of it.
        "awq-g32": 7, "ct-w4a16-g32": 4.5, "ct-w4a16-g32-asymmetric": 5, "ct-w4a16-channel": 4.5,
        "ct-w4a16-act-order": 4.5, "ct-w8a8": 11, "ct-w8a8-asymmetric": 9, "qwen-gptq-4bit-g32": 4.5,
        // The router has 16 bits, or 32 if it was quantised, and of 4 rows counts as 16.
        "gptq-qwen3": 4.5, "gptq-phi3": 5, "gptq-qwen3moe": 5.2, "gptq-qwen3moe-act-order": 6.4,
    ]

    /// Folders of other programs, made by tools/quantized-checkpoints.py and tools/quantized-reference.py.
    static let otherPrograms: [URL] = {
        let cache = ProcessInfo.processInfo.environment["PAGODA_CACHE"] ?? "\(NSHomeDirectory())/.cache/pagoda"
        let root = URL(filePath: cache).appending(path: "quantized")
        let folders = (try? FileManager.default.contentsOfDirectory(at: root, includingPropertiesForKeys: nil)) ?? []
        return folders.sorted { $0.path < $1.path }.filter {
            FileManager.default.fileExists(atPath: $0.appending(path: "golden.json").path)
        }
    }()

    static func golden(_ folder: URL) throws -> (prompt: [TokenID], logits: [Float]) {
        let document = try JSONParser.parse([UInt8](Data(contentsOf: folder.appending(path: "golden.json"))))
        let prompt = try #require(document["prompt"]?.arrayValue).compactMap { $0.integerValue.map { TokenID($0) } }
        let data = try Data(contentsOf: folder.appending(path: "golden.f32"))
        return (prompt, floats(data))
    }

    private static func floats(_ data: Data) -> [Float] {
        data.withUnsafeBytes { bytes in
            (0..<data.count / 4).map {
                Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self)))
            }
        }
    }

    /// The logits of all the golden positions, by `change`d options.
    static func logits(
        _ checkpoint: ModelCheckpoint, _ prompt: [TokenID], wanted: Int,
        _ change: (inout LocalExecutorOptions) -> Void = { _ in }
    ) throws -> (rows: [Float], executor: any MeasuredExecutor) {
        let runner = try PlainRunner(checkpoint, sequences: 1, length: max(32, prompt.count), change)
        return (try runner.prefill(prompt, sequence: 0, wanted: wanted).flatMap { $0 }, runner.executor)
    }
}

@Suite("Quantised checkpoints")
struct QuantizedCheckpointTests {
    static let names = Quantized.bitsPerWeight.keys.sorted()

    @Test("in reference mode the logits of every layout are those of its dequantised weights", arguments: names)
    func referenceMode(name: String) throws {
        let folder = Quantized.folder.appending(path: name)
        let (prompt, golden) = try Quantized.golden(folder)
        let found = try Quantized.logits(.open(path: folder.path), prompt, wanted: prompt.count).rows
        #expect(relativeDistance(found, golden) < 1e-5)
    }

    @Test("packed codes give the logits of the dequantised weights but for 8-bit activations", arguments: names)
    func packed(name: String) throws {
        let folder = Quantized.folder.appending(path: name)
        let (prompt, golden) = try Quantized.golden(folder)
        let (found, executor) = try Quantized.logits(.open(path: folder.path), prompt, wanted: prompt.count) {
            $0.computesInFloat32 = false
        }
        #expect(relativeDistance(found, golden) < 0.03)
        let costs = executor.costs
        let bits = 8 * costs.weightBytes / costs.multiplyAddsPerRow
        let expected = try #require(Quantized.bitsPerWeight[name])
        #expect(abs(bits - expected) < 0.6, "\(bits) bits")
    }

    @Test(
        "checkpoints of other programs give the logits of their dequantised weights, to a thousandth",
        .enabled(if: !Quantized.otherPrograms.isEmpty, "tools/quantized-checkpoints.py has made none here"),
        arguments: Quantized.otherPrograms)
    func checkpointsOfOthers(folder: URL) throws {
        let (prompt, golden) = try Quantized.golden(folder)
        let checkpoint = try ModelCheckpoint.open(path: folder.path)
        let wanted = golden.count / checkpoint.configuration.vocabularySize
        let exact = try Quantized.logits(checkpoint, prompt, wanted: wanted).rows
        #expect(relativeDistance(exact, golden) < 1e-3)
        let packed = try Quantized.logits(checkpoint, prompt, wanted: wanted) { $0.computesInFloat32 = false }.rows
        #expect(relativeDistance(packed, golden) < 0.15)
    }
}

@Suite("Weights rounded as they are loaded")
struct RoundedWeightsTests {
    private func run(
        _ name: String, _ change: @escaping (inout LocalExecutorOptions) -> Void
    ) throws -> (distance: Double, costs: ModelCosts) {
        let golden = try Golden.floats(name)
        let prompt = try #require(try Golden.document(name)["prompt"]?.arrayValue).compactMap {
            $0.integerValue.map { TokenID($0) }
        }
        let checkpoint = try ModelCheckpoint.open(path: Golden.checkpoint(name))
        let (rows, executor) = try Quantized.logits(checkpoint, prompt, wanted: prompt.count) {
            $0.computesInFloat32 = false
            $0.maximumLogitRows = 64
            change(&$0)
        }
        return (relativeDistance(rows, golden), executor.costs)
    }

    @Test(
        "8 bits cost far less accuracy than 4, and both as much memory as they should",
        arguments: ["llama", "qwen2"])
    func rounding(name: String) throws {
        let stored = try run(name) { _ in }
        let int8 = try run(name) { $0.rounding = .int8 }
        let int4 = try run(name) { $0.rounding = .int4 }
        // Random weights magnify errors.
        #expect(stored.distance < 0.001)
        #expect(int8.distance < 0.12)
        #expect(int4.distance < 1.2 && int4.distance > 4 * int8.distance)
        // fp32 takes 32 bits; 8 take 8.5 and 4 take 5 with scales. Panels of 32 columns end on whole cache lines.
        #expect(int8.costs.weightBytes < stored.costs.weightBytes * 0.29)
        #expect(int4.costs.weightBytes < stored.costs.weightBytes * 0.18)
        #expect(int4.costs.headBytes == stored.costs.headBytes)
    }

    @Test(
        "the head is rounded alone, with the embedding where the two are tied",
        arguments: ["llama", "llama-tied-bf16-sharded"])
    func head(name: String) throws {
        let stored = try run(name) { _ in }
        let rounded = try run(name) { $0.headRounding = .int8 }
        #expect(rounded.costs.weightBytes == stored.costs.weightBytes)
        #expect(rounded.costs.headBytes < stored.costs.headBytes * 0.57)
        #expect(rounded.distance < 0.06)
    }

    /// But for mixtures of experts, whose costs are those of a token's experts alone.
    @Test(
        "the estimate of memory before loading is near what loading takes",
        arguments: QuantizedCheckpointTests.names.filter { !$0.contains("moe") })
    func estimate(name: String) throws {
        let checkpoint = try ModelCheckpoint.open(path: Quantized.folder.appending(path: name).path)
        for exact in [false, true] {
            var options = LocalExecutorOptions()
            options.computesInFloat32 = exact
            options.maximumModelLength = 32
            let costs = try LocalExecutor(checkpoint, options: options).costs
            let stored = Double(checkpoint.configuration.vocabularySize * checkpoint.configuration.hiddenSize * 2)
            let packed = costs.weightBytes + costs.headBytes + (exact ? 2 * stored : stored)
            let estimated = Double(LocalExecutor.weightBytes(of: checkpoint, options))
            // Some groups and orders take wider forms, which names alone do not tell.
            guard exact || !["g8", "g16", "of-each"].contains(where: name.contains) else { continue }
            #expect(estimated > packed * 0.85 && estimated < packed * 1.2, "\(estimated) for \(packed)")
        }
    }
}
