// A model for tests: cheap, deterministic, and unforgiving about block tables.

public import Kernels
public import Models
public import Primitives
import Synchronization

/// An executor whose logits depend on nothing but the tokens of the sequence so far, as read from its blocks.
///
/// What it keeps for a position is a hash of everything up to it, found through the block table, so a wrong block, a
/// missed copy or a stale slot changes every token after it. A batch that contradicts itself is an error.
public final class ScriptedExecutor: Executor {
    public struct Configuration: Sendable {
        public var capacity = CacheCapacity(blockCount: 1_024, blockSize: 16)
        public var vocabularySize = 64
        public var maximumRows = 2_048
        public var maximumLogitRows = 256
        /// Names the most likely token after the tokens so far, prompt included. Nil: a hash of them decides.
        public var script: (@Sendable ([TokenID]) -> TokenID)?
        /// A sequence whose newest token is this one has NaN for logits.
        public var poison: TokenID?
        /// Called before each step with its number, from 0, on the engine's thread. May block; may throw.
        public var beforeStep: (@Sendable (Int) throws(ExecutionError) -> Void)?

        public init() {}
    }

    /// What an executor has been asked for; may be read while it works.
    public final class Record: Sendable {
        private let steps = Mutex<[Step]>([])

        /// The shape of one batch.
        public struct Step: Sendable, Equatable {
            public var rowCounts: [Int]
            public var logitRowCount: Int
            public var copyCount: Int
        }

        public var batches: [Step] { steps.withLock { $0 } }
        public var stepCount: Int { steps.withLock { $0.count } }
        public var rowCount: Int { batches.reduce(0) { $0 + $1.rowCounts.reduce(0, +) } }

        func append(_ batch: borrowing ForwardBatch) -> Int {
            let step = Step(
                rowCounts: batch.sequences.map { Int($0.rowCount) }, logitRowCount: batch.logitRows.count,
                copyCount: batch.blockCopies.count)
            return steps.withLock { steps in
                steps.append(step)
                return steps.count - 1
            }
        }
    }

    public let record = Record()
    public var cacheCapacity: CacheCapacity { configuration.capacity }
    public var vocabularySize: Int { configuration.vocabularySize }
    public var maximumRows: Int { configuration.maximumRows }
    public var maximumLogitRows: Int { configuration.maximumLogitRows }

    private let configuration: Configuration
    /// By slot: the hash that stands for K and V there. Zero: never written.
    private var cache: [UInt64]
    /// By slot: the token itself, for the script.
    private var tokens: [TokenID]

    public init(_ configuration: Configuration = Configuration()) {
        self.configuration = configuration
        cache = Array(repeating: 0, count: configuration.capacity.blockCount * configuration.capacity.blockSize)
        tokens = Array(repeating: -1, count: cache.count)
    }

    /// What a row has seen of its sequence, itself included.
    private struct Context {
        var hash: UInt64 = 0
        var tokens: [TokenID] = []
    }

    public func execute(_ batch: borrowing ForwardBatch, into logits: LogitsBuffer) throws(ExecutionError) {
        let step = record.append(batch)
        try configuration.beforeStep?(step)
        try checkSizes(batch, logits)
        for copy in batch.blockCopies {
            try require(Int(copy.source) < cacheCapacity.blockCount, "a copy's source is outside the cache")
            try require(Int(copy.destination) < cacheCapacity.blockCount, "a copy's destination is outside the cache")
            for offset in 0..<cacheCapacity.blockSize {
                let source = Int(copy.source) * cacheCapacity.blockSize + offset
                let destination = Int(copy.destination) * cacheCapacity.blockSize + offset
                cache[destination] = cache[source]
                tokens[destination] = tokens[source]
            }
        }
        var contexts = Array(repeating: Context(), count: batch.rowCount)
        for sequence in batch.sequences {
            try compute(sequence, of: batch, into: &contexts)
        }
        for (index, row) in batch.logitRows.enumerated() {
            let isPoisoned = batch.tokenIDs[Int(row)] == configuration.poison
            logits.withRow(index) { logits in
                fill(&logits, from: isPoisoned ? nil : contexts[Int(row)])
            }
        }
    }

    /// Writes the rows of one sequence to their slots; `contexts` gets what each row has seen.
    private func compute(
        _ sequence: ForwardBatch.Sequence, of batch: borrowing ForwardBatch, into contexts: inout [Context]
    ) throws(ExecutionError) {
        let size = cacheCapacity.blockSize
        let start = Int(sequence.contextLength - sequence.rowCount)
        let offset = Int(sequence.blockTableOffset)
        try require(sequence.rowCount > 0 && start >= 0, "a sequence has no rows")
        let blockCount = (Int(sequence.contextLength) + size - 1) / size
        try require(offset + blockCount <= batch.blockTables.count, "a block table is too short")
        let table = Array(batch.blockTables[offset..<offset + blockCount])
        try require(table.allSatisfy { $0 >= 0 && $0 < cacheCapacity.blockCount }, "a block is outside the cache")
        var context = Context()
        for position in 0..<Int(sequence.contextLength) {
            let slot = Int(table[position / size]) * size + position % size
            if position >= start {
                let row = Int(sequence.firstRow) + position - start
                try require(Int(batch.positions[row]) == position, "a row's position is wrong")
                try require(Int(batch.slotMapping[row]) == slot, "a row's slot is not where its block table says")
                tokens[slot] = batch.tokenIDs[row]
                cache[slot] = Self.mixed(context.hash &+ UInt64(UInt32(bitPattern: batch.tokenIDs[row])) &+ 1) | 1
            }
            try require(cache[slot] != 0, "a slot is read that nobody has written")
            context.hash = Self.mixed(context.hash ^ cache[slot])
            if configuration.script != nil { context.tokens.append(tokens[slot]) }
            if position >= start { contexts[Int(sequence.firstRow) + position - start] = context }
        }
    }

    private func checkSizes(_ batch: borrowing ForwardBatch, _ logits: LogitsBuffer) throws(ExecutionError) {
        try require(batch.rowCount > 0 && batch.rowCount <= maximumRows, "\(batch.rowCount) rows")
        try require(
            batch.positions.count == batch.rowCount && batch.slotMapping.count == batch.rowCount, "uneven columns")
        try require(batch.logitRows.count <= min(maximumLogitRows, logits.rowCapacity), "too many rows of logits")
        let sum = batch.sequences.reduce(0) { $0 + Int($1.rowCount) }
        try require(sum == batch.rowCount, "rows that belong to no sequence")
        var first = 0
        for sequence in batch.sequences {
            try require(Int(sequence.firstRow) == first, "sequences out of order")
            first += Int(sequence.rowCount)
        }
        try require(Set(batch.slotMapping).count == batch.rowCount, "two rows write one slot")
        let rows = batch.logitRows
        try require(zip(rows, rows.dropFirst()).allSatisfy { $0 < $1 }, "rows of logits out of order")
        try require(rows.allSatisfy { $0 >= 0 && $0 < batch.rowCount }, "a row of logits is outside the batch")
    }

    private func require(_ condition: Bool, _ reason: @autoclosure () -> String) throws(ExecutionError) {
        if !condition { throw .invalidBatch(reason()) }
    }

    /// Values in 0..<8, a function of `context`, and 16 for the script's choice; NaN without a context.
    private func fill(_ row: inout MutableSpan<Float>, from context: Context?) {
        for token in 0..<row.count {
            guard let context else {
                row[token] = .nan
                continue
            }
            row[token] = Float(Self.mixed(context.hash &+ UInt64(token)) >> 40) / Float(1 << 21)
        }
        if let context, let token = configuration.script?(context.tokens), token >= 0, Int(token) < row.count {
            row[Int(token)] = 16
        }
    }

    /// A word from another, even from 0.
    private static func mixed(_ value: UInt64) -> UInt64 {
        var words = SplitMix64(state: value)
        return words.next()
    }
}
