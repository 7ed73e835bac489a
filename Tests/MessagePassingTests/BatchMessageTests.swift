import MessagePassing
import Models
import Primitives
import Testing

@Suite("Batches on their way to other ranks")
struct BatchMessageTests {
    private static let message = BatchMessage(
        BatchMessage.Limits(rows: 8, logitRows: 4, blocks: 16, blocksPerSequence: 3))

    private static var batch: ForwardBatch {
        var batch = ForwardBatch()
        batch.tokenIDs = [5, 6, 7]
        batch.positions = [0, 1, 9]
        batch.slotMapping = [16, 17, 41]
        batch.sequences = [
            ForwardBatch.Sequence(firstRow: 0, rowCount: 2, contextLength: 2, blockTableOffset: 0, promptLength: 2),
            ForwardBatch.Sequence(firstRow: 2, rowCount: 1, contextLength: 10, blockTableOffset: 1, promptLength: 7),
        ]
        batch.blockTables = [1, 2, 3]
        batch.logitRows = [1, 2]
        batch.blockCopies = [ForwardBatch.BlockCopy(source: 4, destination: 5)]
        return batch
    }

    private static func isSame(_ a: ForwardBatch, _ b: ForwardBatch) -> Bool {
        a.tokenIDs == b.tokenIDs && a.positions == b.positions && a.slotMapping == b.slotMapping
            && a.sequences == b.sequences && a.blockTables == b.blockTables && a.logitRows == b.logitRows
            && a.blockCopies == b.blockCopies
    }

    @Test("a batch comes out as it went in, and nothing of the one before is left")
    func roundTrip() throws {
        var words: [Int32] = [1, 2, 3], read = Self.batch
        for batch in [Self.batch, ForwardBatch()] {
            Self.message.write(batch, to: &words)
            #expect(words.count <= Self.message.wordLimit)
            try Self.message.read(words, into: &read)
            #expect(Self.isSame(read, batch))
        }
    }

    @Test("a message cut anywhere, or longer than it says, is refused")
    func lengths() {
        var words: [Int32] = []
        Self.message.write(Self.batch, to: &words)
        for count in 0..<words.count {
            #expect(throws: RankError.self) {
                var batch = ForwardBatch()
                try Self.message.read(Array(words.prefix(count)), into: &batch)
            }
        }
        #expect(throws: RankError.self) {
            var batch = ForwardBatch()
            try Self.message.read(words + [0], into: &batch)
        }
    }

    @Test("counts beyond the limits, or below zero, are refused before anything is read", arguments: 0...5)
    func counts(place: Int) {
        for value in [Int32.min, -1, 1_000_000, .max] {
            var words: [Int32] = []
            Self.message.write(Self.batch, to: &words)
            words[place] = value
            #expect(throws: RankError.self) {
                var batch = ForwardBatch()
                try Self.message.read(words, into: &batch)
            }
        }
    }

    @Test("the longest message of any limits is a length that can be sent")
    func hugeLimits() {
        let huge = BatchMessage.Limits(rows: 1 << 31, logitRows: 1, blocks: 1 << 31, blocksPerSequence: 1 << 40)
        #expect(BatchMessage(huge).wordLimit == Int(Int32.max))
    }
}
