import Engine
import EngineTesting
import Foundation
import JSON
import Kernels
import ModelFiles
import Models
import Observability
import Primitives
import Sampling
import Telemetry
import Testing

/// How the same prompts are put to the engine.
private struct Arrangement: CustomTestStringConvertible, Sendable {
    enum Arrival { case alone, together, staggered }

    var name: String
    var arrival = Arrival.together
    var blockSize = 16
    var maxPrefillChunk: Int?
    var reversesBlocks = false
    /// Nil: room for all.
    var cacheTokens: Int?

    var testDescription: String { name }

    static let all = [
        Arrangement(name: "alone", arrival: .alone),
        Arrangement(name: "together"),
        Arrangement(name: "staggered", arrival: .staggered),
        Arrangement(name: "chunks of 16", maxPrefillChunk: 16),
        Arrangement(name: "block size 8", blockSize: 8),
        Arrangement(name: "block size 32", blockSize: 32),
        Arrangement(name: "permuted blocks", reversesBlocks: true),
        Arrangement(name: "pool too small", maxPrefillChunk: 16, cacheTokens: 1024),
    ]
}

@Suite("Same bits, any batch", .serialized)
struct BatchInvarianceTests {
    @Test("the logits of a request are the same bits however it is batched", arguments: [true, false])
    func sameBits(isReferenceMode: Bool) async throws {
        let checkpoint = try ModelCheckpoint.open(path: TestFiles.model())
        let prompts = try prompts()
        let record = LogitsRecord()
        for arrangement in Arrangement.all {
            let compared = record.comparedCount
            let metrics = try await run(
                prompts, arrangement, on: checkpoint, isReferenceMode: isReferenceMode, record: record)
            #expect(record.differing.isEmpty, "\(arrangement.name): \(record.differing.count) contexts differ")
            // A run that met no known context would show nothing.
            if arrangement.name != "alone" { #expect(record.comparedCount - compared >= prompts.count * 8) }
            if let chunk = arrangement.maxPrefillChunk {
                let largest = try #require(metrics["pagoda_prefill_chunk_tokens_max"])
                #expect(largest > 1 && largest <= Double(chunk))
            }
            if arrangement.cacheTokens != nil {
                #expect(try #require(metrics["vllm:num_preemptions_total"]) > 0)
            }
        }
    }

    /// The prompts of the golden file; the two longest are cut, so that the suite stays short.
    private func prompts() throws -> [[TokenID]] {
        let url = TestFiles.root.appending(path: "Tests/ModelsTests/Fixtures/smollm2.json")
        let golden = try JSONParser.parse([UInt8](Data(contentsOf: url)))
        return try #require(golden["cases"]?.arrayValue).map { test in
            (test["prompt"]?.arrayValue ?? []).prefix(400).compactMap { $0.integerValue.map { TokenID($0) } }
        }
    }

    /// Runs all prompts; the values of the metrics without their labels.
    private func run(
        _ prompts: [[TokenID]], _ arrangement: Arrangement, on checkpoint: ModelCheckpoint, isReferenceMode: Bool,
        record: LogitsRecord
    ) async throws -> [String: Double] {
        var options = LocalExecutorOptions()
        options.threadCount = 2
        options.computesInFloat32 = isReferenceMode
        options.cacheType = isReferenceMode ? .float32 : .int16
        options.blockSize = arrangement.blockSize
        options.maximumModelLength = 1024
        options.maximumRows = 512
        options.blockCount = (arrangement.cacheTokens ?? 1024 * prompts.count) / arrangement.blockSize
        let executor = RecordingExecutor(
            try LocalExecutor(checkpoint, options: options), record: record, reversesBlocks: arrangement.reversesBlocks)
        var configuration = EngineConfiguration(maxModelLength: 1024)
        configuration.maxBatchedTokens = 512
        configuration.maxPrefillChunk = arrangement.maxPrefillChunk
        configuration.schedulerDelay = .zero
        let metrics = try ServiceMetrics(
            MetricsConfiguration(
                modelName: "test", version: "test", instructionSet: "test", maxModelLength: 1024,
                blockSize: options.blockSize, blockCount: options.blockCount, cacheDataType: "auto"))
        let engine = try InferenceEngine(configuration: configuration, observer: metrics.engine, executor: executor)
        var handles: [GenerationHandle] = []
        for (index, prompt) in prompts.enumerated() {
            var parameters = SamplingParameters()
            parameters.temperature = 0
            // A small pool overflows only as sequences grow.
            parameters.maximumTokens = arrangement.cacheTokens == nil ? 8 : 64
            let handle = try engine.submit(
                EngineRequest(id: RequestID(UInt64(index)), promptTokenIDs: prompt, parameters: parameters))
            handles.append(handle)
            switch arrangement.arrival {
            case .alone: _ = try await CheckedStream(handle.events, choiceCount: 1).collect()
            case .together: break
            case .staggered:
                // The next one comes when this one has begun to speak.
                var events = handle.events.makeAsyncIterator()
                if index % 2 == 0 { _ = await events.next() }
            }
        }
        if arrangement.arrival == .together {
            for handle in handles { _ = try await CheckedStream(handle.events, choiceCount: 1).collect() }
        } else if arrangement.arrival == .staggered {
            for handle in handles { for await _ in handle.events {} }
        }
        await engine.shutdown(draining: .seconds(60))
        return TestFiles.metricValues(String(decoding: metrics.registry.exposition(), as: UTF8.self))
    }
}
