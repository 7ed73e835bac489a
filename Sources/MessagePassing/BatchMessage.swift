// A batch as words on their way to another rank.

public import Models

/// Writes batches to words and reads them back: a head that names the counts, then the batch's arrays as they are.
public struct BatchMessage: Sendable {
    /// The most that a batch can have of anything.
    public struct Limits: Sendable, Equatable {
        public var rows: Int
        public var logitRows: Int
        public var blocks: Int
        public var blocksPerSequence: Int

        public init(rows: Int, logitRows: Int, blocks: Int, blocksPerSequence: Int) {
            self.rows = rows
            self.logitRows = logitRows
            self.blocks = blocks
            self.blocksPerSequence = blocksPerSequence
        }
    }

    private static let magic: Int32 = 0x7067_6221
    /// Of the head: magic, then the counts of tokens, sequences, block-table entries, logit rows and block copies.
    private static let headCount = 6

    public let limits: Limits

    public init(_ limits: Limits) { self.limits = limits }

    /// The words of the longest message.
    public var wordLimit: Int {
        let tables = limits.rows.multipliedReportingOverflow(by: limits.blocksPerSequence)
        let words = 8 * limits.rows + limits.logitRows + 2 * limits.blocks + Self.headCount
        let all = words.addingReportingOverflow(tables.partialValue)
        return min(tables.overflow || all.overflow ? Int.max : all.partialValue, Int(Int32.max))
    }

    /// Replaces `words` by the message.
    public func write(_ batch: ForwardBatch, to words: inout [Int32]) {
        words.removeAll(keepingCapacity: true)
        let counts = [
            batch.tokenIDs.count, batch.sequences.count, batch.blockTables.count, batch.logitRows.count,
            batch.blockCopies.count,
        ]
        words.append(Self.magic)
        for count in counts { words.append(Int32(clamping: count)) }
        words += batch.tokenIDs
        words += batch.positions
        words += batch.slotMapping
        for sequence in batch.sequences {
            words.append(sequence.firstRow)
            words.append(sequence.rowCount)
            words.append(sequence.contextLength)
            words.append(sequence.blockTableOffset)
            words.append(sequence.promptLength)
        }
        words += batch.blockTables
        words += batch.logitRows
        for copy in batch.blockCopies {
            words.append(copy.source)
            words.append(copy.destination)
        }
    }

    /// Replaces `batch` by what the message says. What the numbers mean is for the executor to check.
    public func read(_ words: [Int32], into batch: inout ForwardBatch) throws(RankError) {
        guard words.count >= Self.headCount, words[0] == Self.magic else { throw .badMessage("it has no head") }
        let counts = words[1..<Self.headCount].map { Int($0) }
        let tables = limits.rows.multipliedReportingOverflow(by: limits.blocksPerSequence)
        let most = [
            limits.rows, limits.rows, tables.overflow ? Int.max : tables.partialValue, limits.logitRows, limits.blocks,
        ]
        for (count, most) in zip(counts, most) where !(0...most).contains(count) {
            throw .badMessage("it says that it has \(count) of what there are at most \(most)")
        }
        // Counts are below 2^31: their sum does not overflow.
        let total = Self.headCount + 3 * counts[0] + 5 * counts[1] + counts[2] + counts[3] + 2 * counts[4]
        guard words.count == total else { throw .badMessage("it has \(words.count) words instead of \(total)") }
        batch.removeAll()
        var rest = words[Self.headCount...]
        func take(_ count: Int) -> ArraySlice<Int32> {
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
        batch.tokenIDs += take(counts[0])
        batch.positions += take(counts[0])
        batch.slotMapping += take(counts[0])
        for _ in 0..<counts[1] {
            let words = take(5), first = words.startIndex
            batch.sequences.append(
                ForwardBatch.Sequence(
                    firstRow: words[first], rowCount: words[first + 1], contextLength: words[first + 2],
                    blockTableOffset: words[first + 3], promptLength: words[first + 4]))
        }
        batch.blockTables += take(counts[2])
        batch.logitRows += take(counts[3])
        for _ in 0..<counts[4] {
            let words = take(2), first = words.startIndex
            batch.blockCopies.append(ForwardBatch.BlockCopy(source: words[first], destination: words[first + 1]))
        }
    }
}
