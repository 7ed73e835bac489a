// First-generation Qwen against the PyTorch reference of tools/qwen-golden.py.

import Foundation
import JSON
import Kernels
import ModelFiles
import Models
import Primitives
import Testing

/// A prompt and what follows it token by token; the reference's logits of the last positions.
private struct QwenCase {
    var prompt: [TokenID]
    var continuation: [TokenID]
    var logits: [[Float]]

    static func all() throws -> [QwenCase] {
        let vocabulary = 480
        var floats = try Golden.floats("qwen")[...]
        return try #require(try Golden.document("qwen")["cases"]?.arrayValue).map { value in
            func tokens(_ key: String) throws -> [TokenID] {
                try #require(value[key]?.arrayValue).compactMap { $0.integerValue.map { TokenID($0) } }
            }
            let count = Int(try #require(value["positions"]?.integerValue))
            let logits = (0..<count).map { row in Array(floats.dropFirst(row * vocabulary).prefix(vocabulary)) }
            floats = floats.dropFirst(count * vocabulary)
            return QwenCase(
                prompt: try tokens("prompt"), continuation: try tokens("continuation"), logits: logits)
        }
    }

    var tokens: [TokenID] { prompt + continuation }

    /// The logits of the last positions of each piece that the given cuts make.
    func run(_ runner: PlainRunner, sequence: Int, cuts: [Int]) throws -> [[Float]] {
        var rows: [[Float]] = []
        for (start, end) in zip([0] + cuts, cuts + [tokens.count]) {
            rows += try runner.run([
                PlainRunner.Piece(
                    sequence: sequence, start: start, tokens: Array(tokens[start..<end]), wanted: min(end - start, 40),
                    promptLength: prompt.count)
            ])
        }
        return rows
    }
}

@Suite("First-generation Qwen")
struct QwenTests {
    private func checkpoint() throws -> ModelCheckpoint { try .open(path: Golden.checkpoint("qwen")) }

    /// As the published code computes them: the prompt at once, then token by token with a cache.
    @Test("logits equal the reference's within the trained length and beyond it, with dynamic NTK and LogN attention")
    func logits() throws {
        let cases = try QwenCase.all()
        // The rotation's base is stretched by 1, 3 and 7, and every case's queries are scaled at its end.
        #expect(cases.map(\.prompt.count) == [20, 24, 25, 45, 60])
        let runner = try PlainRunner(checkpoint(), sequences: cases.count, length: 128)
        for (index, test) in cases.enumerated() {
            let cuts = Array(test.prompt.count..<test.tokens.count)
            let rows = try test.run(runner, sequence: index, cuts: cuts).suffix(test.logits.count)
            for (row, exact) in zip(rows, test.logits) {
                #expect(relativeDistance(row, exact) < 1e-5, "a prompt of \(test.prompt.count)")
                #expect(zip(row, exact).allSatisfy { abs($0 - $1) < 1e-4 }, "a prompt of \(test.prompt.count)")
            }
        }
    }

    @Test(
        "a sequence has one rotation: chunks, batches and computing it anew give the same bits",
        arguments: [true, false])
    func sameBits(exact: Bool) throws {
        let cases = try QwenCase.all()
        let runner = try PlainRunner(checkpoint(), sequences: cases.count + 1, length: 128) {
            $0.computesInFloat32 = exact
            if !exact { $0.rounding = .int4 }
        }
        var alone: [[[Float]]] = []
        for (index, test) in cases.enumerated() {
            alone.append(try test.run(runner, sequence: index, cuts: []).suffix(4))
            // In chunks that cross the trained length and the prompt's end, as after a preemption.
            let chunks = try test.run(runner, sequence: cases.count, cuts: [1, 7, 22, 24])
            #expect(Array(chunks.suffix(4)) == alone[index])
        }
        // All of them in one batch, so that rows of different rotations stand side by side.
        let together = try runner.run(
            cases.enumerated().map { index, test in
                PlainRunner.Piece(
                    sequence: index, start: 0, tokens: test.tokens, wanted: 1, promptLength: test.prompt.count)
            })
        #expect(together == alone.map { $0[3] })
    }

    @Test("the rotation is that of the prompt's length, not of what has been generated")
    func promptDecides() throws {
        let test = try #require(QwenCase.all().last)
        let runner = try PlainRunner(checkpoint(), sequences: 2, length: 128)
        let right = try test.run(runner, sequence: 0, cuts: [])
        var other = test
        other.prompt = Array(test.tokens[..<20])
        other.continuation = Array(test.tokens[20...])
        let wrong = try other.run(runner, sequence: 1, cuts: [])
        #expect(relativeDistance(wrong[wrong.count - 1], right[right.count - 1]) > 0.01)
    }

    @Test("doublings of the trained length have variants of their own")
    func variants() {
        let scaling = RopeScaling.dynamicNTK(trainedLength: 8192)
        #expect(
            [1, 8192, 8193, 16_384, 16_385, 32_768].map { scaling.variant(promptLength: $0) } == [0, 0, 1, 1, 2, 2])
        #expect(RopeScaling.linear(factor: 2).variant(promptLength: 1 << 20) == 0)
    }
}
