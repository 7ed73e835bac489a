// A sequence and its blocks, run on an executor without a scheduler.

internal import Models
internal import Primitives

/// One sequence on an executor: its tokens, how many of them are in the KV cache, and in which blocks.
struct CachedSequence {
    var tokenIDs: [TokenID]
    private(set) var computedCount = 0
    private let promptCount: Int
    private var blocks: [BlockID] = []

    /// - Parameter tokenIDs: Its prompt.
    init(_ tokenIDs: [TokenID]) {
        self.tokenIDs = tokenIDs
        promptCount = tokenIDs.count
    }

    var pendingCount: Int { tokenIDs.count - computedCount }

    /// Puts the next `count` tokens into `batch`; the logits of the last `wantedCount` of them are wanted.
    mutating func advance(
        by count: Int, wantedCount: Int, in batch: inout ForwardBatch, from free: inout FreeBlocks
    ) throws(EvaluationError) {
        let end = computedCount + count, size = free.blockSize
        while blocks.count * size < end { blocks.append(try free.take()) }
        let firstRow = batch.rowCount
        for position in computedCount..<end {
            batch.tokenIDs.append(tokenIDs[position])
            batch.positions.append(Int32(position))
            batch.slotMapping.append(blocks[position / size] * Int32(size) + Int32(position % size))
        }
        batch.sequences.append(
            ForwardBatch.Sequence(
                firstRow: Int32(firstRow), rowCount: Int32(count), contextLength: Int32(end),
                blockTableOffset: Int32(batch.blockTables.count), promptLength: Int32(promptCount)))
        batch.blockTables += blocks
        batch.logitRows += (batch.rowCount - wantedCount..<batch.rowCount).map { Int32($0) }
        computedCount = end
    }

    /// Starts from the full blocks of a sequence that began with the same tokens, and leaves itself one to compute.
    mutating func adopt(_ other: CachedSequence, into free: inout FreeBlocks) {
        let shared = min(tokenIDs.count - 1, other.computedCount) / free.blockSize
        blocks = Array(other.blocks.prefix(shared))
        computedCount = shared * free.blockSize
        free.give(Array(other.blocks.dropFirst(shared)))
    }

    /// Gives the blocks back; everything has to be computed again.
    mutating func drop(into free: inout FreeBlocks) {
        free.give(blocks)
        blocks.removeAll()
        computedCount = 0
    }
}

/// The blocks that no sequence has, first in, first out: what was given back is taken last.
struct FreeBlocks {
    let blockSize: Int
    private let blockCount: Int
    private var queue: [BlockID]

    /// - Parameter isScattered: Whether neighbours in the queue are far from each other in memory.
    init(_ capacity: CacheCapacity, isScattered: Bool = false) {
        blockSize = capacity.blockSize
        blockCount = capacity.blockCount
        queue = Array(0..<BlockID(capacity.blockCount))
        guard isScattered else { return }
        // The same shuffle in every run.
        var random = SplitMix64(state: 0)
        queue.shuffle(using: &random)
    }

    mutating func take() throws(EvaluationError) -> BlockID {
        guard !queue.isEmpty else { throw .cacheTooSmall(blockCount: blockCount) }
        return queue.removeFirst()
    }

    mutating func give(_ blocks: [BlockID]) {
        queue += blocks
    }
}
