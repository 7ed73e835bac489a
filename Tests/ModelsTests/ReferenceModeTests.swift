import JSON
import Kernels
import ModelFiles
import Models
import Primitives
import Testing

/// A prompt of the golden file with the oracle's continuation.
private struct GoldenCase {
    let name: String
    let prompt: [TokenID]
    let tokens: [TokenID]
    let margins: [Double]
    let positions: Int

    init(_ value: JSONValue) throws {
        func tokens(_ key: String) throws -> [TokenID] {
            try #require(value[key]?.arrayValue).compactMap { $0.integerValue.map { TokenID($0) } }
        }
        name = try #require(value["name"]?.stringValue)
        prompt = try tokens("prompt")
        self.tokens = try tokens("tokens")
        margins = try #require(value["margins"]?.arrayValue).compactMap(\.doubleValue)
        positions = Int(try #require(value["positions"]?.integerValue))
    }
}

@Suite("Reference mode", .serialized)
struct ReferenceModeTests {
    /// All prompts of a golden file decode together, in one batch: the oracle ran them one by one.
    @Test("64 greedy tokens of 20 prompts equal Transformers in float32", arguments: ["smollm2", "qwen2.5-coder-0.5b"])
    func greedyTokens(name: String) throws {
        let golden = try Golden.document(name), floats = try Golden.floats(name)
        let cases = try #require(golden["cases"]?.arrayValue).map(GoldenCase.init)
        let sampled = try #require(golden["sampledIDs"]?.arrayValue).compactMap { $0.integerValue.map(Int.init) }
        try #require(cases.count == 20)
        let checkpoint = try Golden.model(try #require(golden["model"]?.stringValue))
        let runner = try PlainRunner(checkpoint, sequences: cases.count, length: 4096)

        var next: [TokenID] = [], expectedFloats = floats[...]
        for (index, test) in cases.enumerated() {
            let rows = try runner.prefill(test.prompt, sequence: index, wanted: test.positions)
            for (position, row) in rows.enumerated() {
                let exact = Array(expectedFloats.prefix(sampled.count))
                expectedFloats = expectedFloats.dropFirst(sampled.count)
                let distance = relativeDistance(sampled.map { row[$0] }, exact)
                #expect(distance < 1e-3, "\(test.name), position \(position) of the last: \(distance)")
            }
            next.append(argmax(rows[rows.count - 1]))
        }

        var firstDifference = [Int?](repeating: nil, count: cases.count)
        for step in 0..<64 {
            for (index, test) in cases.enumerated()
            where firstDifference[index] == nil && next[index] != test.tokens[step] {
                firstDifference[index] = step
            }
            guard step < 63 else { break }
            let rows = try runner.run(
                cases.enumerated().map { index, test in
                    PlainRunner.Piece(
                        sequence: index, start: test.prompt.count + step, tokens: [next[index]], wanted: 1)
                })
            next = rows.map(argmax)
        }
        // Where the oracle's two best tokens are nearly equal, rounding may decide; anything else is an error.
        let differing = firstDifference.indices.filter { firstDifference[$0] != nil }
        #expect(differing.count <= 2, "\(differing.map { cases[$0].name })")
        for index in differing {
            guard let step = firstDifference[index] else { continue }
            #expect(cases[index].margins[step] < 1e-3, "\(cases[index].name), token \(step)")
        }
    }
}
