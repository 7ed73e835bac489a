// What one forward pass works on, flat as kernels and remote ranks want it.

public import Primitives

/// A ragged batch: any mix of prefill chunks and decodes, no padding, no phase flag. Reused between steps.
///
/// Rows are tokens, grouped by sequence in the order of `sequences`. The pass computes K and V of every row, writes
/// them to the row's slot, attends through the block table, and produces logits for `logitRows` alone.
public struct ForwardBatch: Sendable {
    /// One sequence's share of the batch.
    @frozen
    public struct Sequence: Sendable, Equatable {
        /// Index of its first row.
        public var firstRow: Int32
        /// Rows (tokens computed in this pass), at least 1.
        public var rowCount: Int32
        /// Tokens in the KV cache after this pass: those computed before, plus `rowCount`.
        public var contextLength: Int32
        /// Where its block table starts in `blockTables`; it covers at least `contextLength` tokens.
        public var blockTableOffset: Int32
        /// Tokens it began with, the same in every pass: some models' rotation depends on it.
        public var promptLength: Int32

        public init(
            firstRow: Int32, rowCount: Int32, contextLength: Int32, blockTableOffset: Int32, promptLength: Int32
        ) {
            self.firstRow = firstRow
            self.rowCount = rowCount
            self.contextLength = contextLength
            self.blockTableOffset = blockTableOffset
            self.promptLength = promptLength
        }
    }

    /// A block to be copied before the pass, in every layer: copy on write of a shared block. Done in order.
    @frozen
    public struct BlockCopy: Sendable, Equatable {
        public var source: BlockID
        public var destination: BlockID

        public init(source: BlockID, destination: BlockID) {
            self.source = source
            self.destination = destination
        }
    }

    /// Shape [rows].
    public var tokenIDs: [TokenID] = []
    /// Shape [rows]: position of each token in its sequence, from 0.
    public var positions: [Int32] = []
    /// Shape [rows]: where the row's K and V go, block × blockSize + offset.
    public var slotMapping: [Int32] = []
    public var sequences: [Sequence] = []
    /// All block tables, one after another.
    public var blockTables: [BlockID] = []
    /// Rows whose logits are wanted, ascending; several per sequence for prompt logprobs and speculation.
    /// Row i of the logits buffer belongs to `logitRows[i]`.
    public var logitRows: [Int32] = []
    public var blockCopies: [BlockCopy] = []

    public init() {}

    public var rowCount: Int { tokenIDs.count }

    public mutating func removeAll() {
        tokenIDs.removeAll(keepingCapacity: true)
        positions.removeAll(keepingCapacity: true)
        slotMapping.removeAll(keepingCapacity: true)
        sequences.removeAll(keepingCapacity: true)
        blockTables.removeAll(keepingCapacity: true)
        logitRows.removeAll(keepingCapacity: true)
        blockCopies.removeAll(keepingCapacity: true)
    }
}
