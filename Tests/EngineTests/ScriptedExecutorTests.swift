// The scripted model itself: it must catch what it is there to catch.

import EngineTesting
import Kernels
import Models
import Primitives
import Testing

@Suite("Scripted executor")
struct ScriptedExecutorTests {
    private static func model() -> (ScriptedExecutor, LogitsBuffer) {
        var configuration = ScriptedExecutor.Configuration()
        configuration.capacity = CacheCapacity(blockCount: 8, blockSize: 2)
        return (ScriptedExecutor(configuration), LogitsBuffer(rowCapacity: 4, vocabularySize: 64))
    }

    /// One sequence whose tokens `start..<tokens.count` are computed, on `table`.
    private static func batch(_ tokens: [TokenID], from start: Int = 0, table: [BlockID]) -> ForwardBatch {
        var batch = ForwardBatch()
        for position in start..<tokens.count {
            batch.tokenIDs.append(tokens[position])
            batch.positions.append(Int32(position))
            batch.slotMapping.append(table[position / 2] * 2 + Int32(position % 2))
        }
        batch.blockTables = table
        batch.sequences = [
            ForwardBatch.Sequence(
                firstRow: 0, rowCount: Int32(tokens.count - start), contextLength: Int32(tokens.count),
                blockTableOffset: 0, promptLength: Int32(tokens.count))
        ]
        batch.logitRows = [Int32(tokens.count - start - 1)]
        return batch
    }

    private static func row(_ logits: LogitsBuffer) -> [Float] {
        logits.withRow(0) { row in row.span.indices.map { row[$0] } }
    }

    @Test("logits depend on the tokens so far, not on blocks or chunks")
    func logitsDependOnTokens() throws {
        let tokens: [TokenID] = [5, 6, 7, 8, 9]
        let (whole, first) = Self.model()
        try whole.execute(Self.batch(tokens, table: [0, 1, 2]), into: first)
        let (chunked, second) = Self.model()
        try chunked.execute(Self.batch([5, 6, 7], table: [7, 3]), into: second)
        #expect(Self.row(first) != Self.row(second))
        try chunked.execute(Self.batch(tokens, from: 3, table: [7, 3, 0]), into: second)
        #expect(Self.row(first) == Self.row(second))
        try chunked.execute(Self.batch([4, 6, 7, 8, 9], table: [1, 2, 4]), into: second)
        #expect(Self.row(first) != Self.row(second))
    }

    @Test("another sequence's block changes the logits; an unwritten one, a wrong slot or position is an error")
    func mistakes() throws {
        let tokens: [TokenID] = [5, 6, 7, 8]
        let (model, logits) = Self.model()
        try model.execute(Self.batch([1, 2, 3], table: [5, 6]), into: logits)
        try model.execute(Self.batch([5, 6, 7], table: [0, 1]), into: logits)
        try model.execute(Self.batch(tokens, from: 3, table: [0, 1]), into: logits)
        let right = Self.row(logits)
        try model.execute(Self.batch(tokens, from: 3, table: [5, 1]), into: logits)
        #expect(Self.row(logits) != right)
        #expect(throws: ExecutionError.self) {
            try model.execute(Self.batch(tokens, from: 3, table: [4, 1]), into: logits)
        }
        var wrongSlot = Self.batch(tokens, table: [0, 1])
        wrongSlot.slotMapping[3] += 1
        #expect(throws: ExecutionError.self) { try model.execute(wrongSlot, into: logits) }
        var wrongPosition = Self.batch(tokens, table: [0, 1])
        wrongPosition.positions[3] += 1
        #expect(throws: ExecutionError.self) { try model.execute(wrongPosition, into: logits) }
    }

    @Test("a script decides what comes next")
    func script() async throws {
        let harness = try Harness { _, model in model.script = { tokens in TokenID(tokens.count) } }
        let outcome = try await harness.run(request(1, length: 5, maximumTokens: 4))
        #expect(outcome.choices[0].tokenIDs == [5, 6, 7, 8])
    }
}
