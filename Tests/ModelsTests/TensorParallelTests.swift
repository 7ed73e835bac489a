import Foundation
import JSON
import Kernels
import ModelFiles
import Models
import Primitives
import Testing

/// One way to keep a small checkpoint's weights, and how many ranks share it.
private struct Sharing: Sendable, CustomTestStringConvertible {
    var name: String
    var ranks: Int
    var change: @Sendable (inout LocalExecutorOptions) -> Void = { _ in }
    var what = ""

    var testDescription: String { "\(name), \(ranks) ranks\(what)" }

    static let all: [Sharing] = {
        let plain = [
            "llama", "llama-tied-bf16-sharded", "llama-biases-fp16", "llama-rope-llama3", "mistral-window", "qwen",
            "qwen2",
            "qwen3-window", "gemma2", "gemma3-bf16", "phi3-window", "phi3-longrope", "mixtral-window", "qwen2moe",
            "qwen3moe",
        ]
        var all = plain.map { Sharing(name: $0, ranks: 2) }
        all += plain.map { name in
            Sharing(name: name, ranks: 2, change: { $0.computesInFloat32 = false }, what: ", 8-bit activations")
        }
        for rounding in [RoundedForm.int8, .int4] {
            all.append(
                Sharing(
                    name: "llama", ranks: 2,
                    change: { options in
                        options.computesInFloat32 = false
                        options.rounding = rounding
                        options.headRounding = .int8
                    }, what: ", rounded to \(rounding)"))
        }
        // Two KV heads: with four ranks each is held twice. 96 MLP columns are six panels: shares are uneven.
        // The mixtures' experts are of two panels.
        for name in QuantizedCheckpointTests.names {
            for ranks in name.contains("moe") ? [2] : [2, 4] {
                all.append(Sharing(name: "quantized/\(name)", ranks: ranks))
                all.append(
                    Sharing(
                        name: "quantized/\(name)", ranks: ranks, change: { $0.computesInFloat32 = false },
                        what: ", packed"))
            }
        }
        return all
    }()
}

@Suite("Tensor parallelism")
struct TensorParallelTests {
    private static let prompt: [TokenID] = (0..<40).map { TokenID(($0 * 7 + 3) % 61) }

    /// Logits of a prompt in two chunks, beside another sequence, and of some greedy tokens.
    private func bits(
        _ checkpoint: ModelCheckpoint, ranks: Int, threads: Int = 2,
        _ change: @escaping (inout LocalExecutorOptions) -> Void
    ) throws -> [[UInt32]] {
        let runner = try PlainRunner(checkpoint, sequences: 2, length: 64, ranks: ranks) {
            $0.threadCount = threads
            change(&$0)
        }
        var rows = try runner.run([
            PlainRunner.Piece(sequence: 0, start: 0, tokens: Array(Self.prompt[..<23]), wanted: 23),
            PlainRunner.Piece(sequence: 1, start: 0, tokens: Array(Self.prompt[10..<15]), wanted: 5),
        ])
        rows += try runner.run([
            PlainRunner.Piece(sequence: 0, start: 23, tokens: Array(Self.prompt[23...]), wanted: 17)
        ])
        for step in 0..<4 {
            let next = argmax(rows[rows.count - 1])
            rows += try runner.run([
                PlainRunner.Piece(sequence: 0, start: Self.prompt.count + step, tokens: [next], wanted: 1)
            ])
        }
        return rows.map { $0.map(\.bitPattern) }
    }

    @Test("ranks give the bits of one, whatever the weights are stored in", arguments: Sharing.all)
    fileprivate func sameBits(sharing: Sharing) throws {
        let checkpoint = try ModelCheckpoint.open(path: Golden.checkpoint(sharing.name))
        let expected = try bits(checkpoint, ranks: 1, sharing.change)
        #expect(expected.contains { row in row.contains { $0 != row[0] } })
        #expect(try bits(checkpoint, ranks: sharing.ranks, sharing.change) == expected)
    }

    @Test("ranks give the bits of one for more rows than experts take at once", arguments: [true, false])
    func manyRowsOfExperts(isReference: Bool) throws {
        let checkpoint = try ModelCheckpoint.open(path: Golden.checkpoint("qwen2moe"))
        func bits(ranks: Int) throws -> [[UInt32]] {
            let runner = try PlainRunner(checkpoint, sequences: 6, length: 100, ranks: ranks) {
                $0.computesInFloat32 = isReference
                $0.maximumRows = 600
            }
            let pieces = (0..<6).map { sequence in
                let tokens = (0..<100).map { TokenID(($0 * 7 + sequence * 5) % 61) }
                return PlainRunner.Piece(sequence: sequence, start: 0, tokens: tokens, wanted: 10)
            }
            return try runner.run(pieces).map { $0.map(\.bitPattern) }
        }
        #expect(try bits(ranks: 2) == bits(ranks: 1))
    }

    @Test("how many threads a rank has does not show in its results", arguments: [1, 3, 4, 6])
    func threads(count: Int) throws {
        let checkpoint = try ModelCheckpoint.open(path: Golden.checkpoint("quantized/gptq-act-order-of-each"))
        let packed: (inout LocalExecutorOptions) -> Void = { $0.computesInFloat32 = false }
        let expected = try bits(checkpoint, ranks: 1, packed)
        #expect(try bits(checkpoint, ranks: 2, threads: count, packed) == expected)
    }

    /// Of a mixture every rank has the router, too.
    @Test(
        "the ranks together hold the weights once, each its share",
        arguments: QuantizedCheckpointTests.names.filter { !$0.contains("moe") })
    func memory(name: String) throws {
        let checkpoint = try ModelCheckpoint.open(path: Golden.checkpoint("quantized/\(name)"))
        let whole = try PlainRunner(checkpoint, sequences: 1, length: 32) { $0.computesInFloat32 = false }
            .executor.costs
        let shared = try PlainRunner(checkpoint, sequences: 1, length: 32, ranks: 2) { $0.computesInFloat32 = false }
            .executor.costs
        #expect(shared == whole)
    }

    @Test("heads that ranks cannot share are an error that names them and what is possible")
    func headsThatDoNotDivide() throws {
        let checkpoint = try ModelCheckpoint.open(path: Golden.checkpoint("llama"))
        var configuration = checkpoint.configuration
        configuration.headCount = 9
        configuration.keyValueHeadCount = 3
        func message(_ ranks: Int, _ configuration: ModelConfiguration) -> String {
            do {
                _ = try ModelShard(rank: 0, of: ranks, configuration)
                return "none"
            } catch {
                return "\(error)"
            }
        }
        #expect(message(2, configuration).contains("9 attention heads"))
        configuration.hiddenSize = 1024
        configuration.intermediateSize = 1024
        configuration.vocabularySize = 1024
        #expect(message(2, configuration).hasSuffix("--tensor-parallel-size are 1, 3, 9."))
        #expect(message(3, configuration) == "none" && message(9, configuration) == "none")
        configuration.headCount = 12
        #expect(message(2, configuration).contains("3 KV heads"))
        configuration.intermediateSize = 32
        #expect(message(3, configuration).contains("32 MLP columns"))
        #expect(throws: ModelError.self) {
            _ = try PlainRunner(checkpoint, sequences: 1, length: 32, ranks: 3)
        }
        var experts = try ModelCheckpoint.open(path: Golden.checkpoint("qwen2moe")).configuration
        experts.hiddenSize = 1024
        experts.intermediateSize = 1024
        #expect(message(4, experts).contains("24 columns of an expert"))
    }

    @Test("threads are shared out evenly, one a rank at least, and ranks over the memory nodes")
    func placements() {
        let nodes = (0..<2).map { MemoryNode(number: $0, cpus: CPUSet([$0])) }
        let four = ParallelExecutor.placements(rankCount: 4, threadCount: 10, nodes: nodes)
        #expect(four.map(\.threadCount) == [2, 3, 2, 3])
        #expect(four.map { $0.node?.number } == [0, 0, 1, 1])
        let three = ParallelExecutor.placements(rankCount: 3, threadCount: 2, nodes: [nodes[0]])
        #expect(three.map(\.threadCount) == [1, 1, 1] && three.allSatisfy { $0.node == nil })
    }

    @Test("ranks bound to CPUs give the same bits, and leave the thread that loaded them as it was")
    func boundRanks() async throws {
        let own = try #require(CPUSet.ofThisThread)
        let cpu = try #require((0..<1024).first { own.intersection(CPUSet([$0])).count == 1 })
        let nodes = (0..<2).map { MemoryNode(number: $0, cpus: CPUSet([cpu])) }
        // On a thread of its own, which stays where its rank is once it has executed something.
        let found = try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try Self.run(on: nodes) }) }
        }
        #expect(found.afterLoading == own && found.afterwards == CPUSet([cpu]))
        #expect(found.bits == found.expected && found.bits.contains { $0 != found.bits[0] })
    }

    /// One token's logits by bound ranks and by one rank, and where the calling thread may run.
    private static func run(
        on nodes: [MemoryNode]
    ) throws -> (bits: [UInt32], expected: [UInt32], afterLoading: CPUSet?, afterwards: CPUSet?) {
        let checkpoint = try ModelCheckpoint.open(path: Golden.checkpoint("llama"))
        var options = LocalExecutorOptions()
        options.threadCount = 4
        options.maximumModelLength = 32
        options.blockCount = 4
        var batch = ForwardBatch()
        batch.tokenIDs = [5]
        batch.positions = [0]
        batch.slotMapping = [0]
        batch.blockTables = [0]
        batch.sequences = [
            ForwardBatch.Sequence(firstRow: 0, rowCount: 1, contextLength: 1, blockTableOffset: 0, promptLength: 1)
        ]
        batch.logitRows = [0]
        func bits(_ executor: any Executor) throws -> [UInt32] {
            let logits = LogitsBuffer(rowCapacity: 1, vocabularySize: executor.vocabularySize)
            try executor.execute(batch, into: logits)
            return logits.withRow(0) { row in (0..<row.count).map { row[$0].bitPattern } }
        }
        let expected = try bits(LocalExecutor(checkpoint, options: options))
        let executor = try ParallelExecutor(checkpoint, options: options, rankCount: 2, nodes: nodes)
        let afterLoading = CPUSet.ofThisThread
        return (try bits(executor), expected, afterLoading, CPUSet.ofThisThread)
    }
}

@Suite("Tensor parallelism in reference mode", .serialized)
struct TensorParallelReferenceModeTests {
    /// Nine heads and three KV heads; fourteen and two.
    @Test(
        "greedy tokens of 20 prompts are those of one rank",
        arguments: [("smollm2", 3), ("qwen2.5-coder-0.5b", 2)])
    func greedyTokens(name: String, ranks: Int) throws {
        let golden = try Golden.document(name)
        let prompts = try #require(golden["cases"]?.arrayValue).map { test in
            (test["prompt"]?.arrayValue ?? []).prefix(120).compactMap { $0.integerValue.map { TokenID($0) } }
        }
        try #require(prompts.count == 20)
        let checkpoint = try Golden.model(try #require(golden["model"]?.stringValue))
        let expected = try tokens(prompts, checkpoint, ranks: 1)
        #expect(try tokens(prompts, checkpoint, ranks: ranks) == expected)
    }

    private func tokens(_ prompts: [[TokenID]], _ checkpoint: ModelCheckpoint, ranks: Int) throws -> [[TokenID]] {
        let runner = try PlainRunner(checkpoint, sequences: prompts.count, length: 160, ranks: ranks)
        var tokens = try prompts.enumerated().map { index, prompt in
            [argmax(try runner.prefill(prompt, sequence: index, wanted: 1)[0])]
        }
        for step in 0..<24 {
            let rows = try runner.run(
                prompts.indices.map { index in
                    PlainRunner.Piece(
                        sequence: index, start: prompts[index].count + step, tokens: [tokens[index][step]], wanted: 1)
                })
            for (index, row) in rows.enumerated() { tokens[index].append(argmax(row)) }
        }
        return tokens
    }
}
