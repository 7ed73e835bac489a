import Foundation
import JSON
import Kernels
import ModelFiles
import Models
import Primitives
import Testing

@Suite("Small random checkpoints")
struct SmallCheckpointTests {
    @Test(
        "logits of every position equal Transformers in float32",
        arguments: [
            "llama", "llama-tied-bf16-sharded", "llama-biases-fp16", "llama-rope-llama3", "llama-rope-linear",
            "llama-rope-yarn", "mistral-window", "qwen2",
        ])
    func logits(name: String) throws {
        let golden = try Golden.document(name), expected = try Golden.floats(name)
        let prompt = try #require(golden["prompt"]?.arrayValue).compactMap { $0.integerValue.map { TokenID($0) } }
        let checkpoint = try ModelCheckpoint.open(path: Golden.checkpoint(name))
        let runner = try PlainRunner(checkpoint, sequences: 1, length: 64)
        let rows = try runner.prefill(prompt, sequence: 0, wanted: prompt.count)
        let vocabulary = runner.executor.vocabularySize
        #expect(rows.count * vocabulary == expected.count)
        for (position, row) in rows.enumerated() {
            let exact = Array(expected[position * vocabulary..<(position + 1) * vocabulary])
            #expect(relativeDistance(row, exact) < 1e-4, "position \(position)")
        }
    }

    @Test(
        "rows of a long prompt beside short streams have the same bits however many workers share them",
        arguments: ["llama", "mistral-window"])
    func sharedAttention(name: String) throws {
        var copy = try EditableCheckpoint(URL(filePath: Golden.checkpoint(name)))
        try copy.replace("\"max_position_embeddings\": 128", by: "\"max_position_embeddings\": 1024")
        try copy.withFolder { folder in
            let checkpoint = try ModelCheckpoint.open(path: folder)
            let prompt = (0..<540).map { TokenID(($0 * 7 + 3) % 61) }
            func rows(workers: Int) throws -> [[Float]] {
                let runner = try PlainRunner(checkpoint, sequences: 5, length: 600) {
                    $0.threadCount = workers
                    $0.cacheType = .int16
                }
                let streams = (1..<5).map { sequence in
                    PlainRunner.Piece(sequence: sequence, start: 0, tokens: Array(prompt[..<(sequence + 3)]), wanted: 1)
                }
                _ = try runner.run(streams)
                _ = try runner.prefill(Array(prompt[..<500]), sequence: 0, wanted: 1)
                let next = streams.map { stream in
                    PlainRunner.Piece(sequence: stream.sequence, start: stream.tokens.count, tokens: [5], wanted: 1)
                }
                return try runner.run(
                    next + [PlainRunner.Piece(sequence: 0, start: 500, tokens: Array(prompt[500...]), wanted: 40)])
            }
            let alone = try rows(workers: 1)
            #expect(alone.count == 44)
            for workers in [2, 3, 8] { #expect(try rows(workers: workers) == alone, "\(workers) workers") }
        }
    }

    @Test("a checkpoint of an unknown architecture is refused with the list of known ones")
    func unknownArchitecture() throws {
        #expect(throws: ModelError.self) { try DecoderArchitecture.named("FalconForCausalLM") }
        do {
            _ = try DecoderArchitecture.named("FalconForCausalLM")
        } catch {
            #expect("\(error)".contains("FalconForCausalLM") && "\(error)".contains("LlamaForCausalLM"))
        }
    }

    @Test("a context longer than the model's is refused")
    func contextTooLong() throws {
        let checkpoint = try ModelCheckpoint.open(path: Golden.checkpoint("llama"))
        #expect(throws: ModelError.contextTooLong(asked: 129, supported: 128)) {
            _ = try PlainRunner(checkpoint, sequences: 1, length: 129)
        }
    }

    @Test("a batch that points outside its buffers is refused, not followed")
    func invalidBatches() throws {
        let checkpoint = try ModelCheckpoint.open(path: Golden.checkpoint("llama"))
        let runner = try PlainRunner(checkpoint, sequences: 1, length: 32)
        let logits = LogitsBuffer(rowCapacity: 64, vocabularySize: 96)
        var good = ForwardBatch()
        good.tokenIDs = [5]
        good.positions = [0]
        good.slotMapping = [0]
        good.blockTables = [0, 1]
        good.sequences = [
            ForwardBatch.Sequence(firstRow: 0, rowCount: 1, contextLength: 1, blockTableOffset: 0, promptLength: 1)
        ]
        good.logitRows = [0]
        try runner.executor.execute(good, into: logits)
        let changes: [(inout ForwardBatch) -> Void] = [
            { $0.tokenIDs = [96] }, { $0.tokenIDs = [-1] }, { $0.positions = [32] }, { $0.slotMapping = [32] },
            { $0.slotMapping = [-1] }, { $0.blockTables = [2] }, { $0.blockTables = [] }, { $0.logitRows = [1] },
            { $0.sequences[0].contextLength = 33 }, { $0.sequences[0].promptLength = 33 },
            { $0.sequences[0].promptLength = 0 }, { $0.sequences[0].rowCount = 2 }, { $0.positions = [] },
            { $0.blockCopies = [ForwardBatch.BlockCopy(source: 0, destination: 9)] },
        ]
        for change in changes {
            var batch = good
            change(&batch)
            #expect(throws: ExecutionError.self) { try runner.executor.execute(batch, into: logits) }
        }
    }
}
