// A real executor, watched: what logits belong to which context, whatever blocks and batches led there.

import Kernels
import Models
import Primitives
import Synchronization

/// Hashes of logits by the tokens they follow, over many runs.
final class LogitsRecord: Sendable {
    private struct State {
        var hashes: [[TokenID]: UInt64] = [:]
        var differing: [[TokenID]] = []
        var comparedCount = 0
    }

    private let state = Mutex(State())

    /// Notes the logits after `context`; a second note of the same context is compared with the first.
    func note(_ hash: UInt64, after context: [TokenID]) {
        state.withLock { state in
            if let known = state.hashes[context] {
                state.comparedCount += 1
                if known != hash { state.differing.append(context) }
            } else {
                state.hashes[context] = hash
            }
        }
    }

    var comparedCount: Int { state.withLock { $0.comparedCount } }
    /// Contexts whose logits came out differently in another run.
    var differing: [[TokenID]] { state.withLock { $0.differing } }
}

/// Passes batches on to a real executor with every block renamed by `blockOrder`, and records the logits.
///
/// It learns the context of a row as the model does: from the slots that the block tables name.
final class RecordingExecutor: Executor {
    private let inner: LocalExecutor
    private let record: LogitsRecord
    private let blockOrder: [BlockID]
    /// The token whose K and V a slot holds.
    private var tokenInSlot: [TokenID]

    init(_ inner: LocalExecutor, record: LogitsRecord, reversesBlocks: Bool) {
        self.inner = inner
        self.record = record
        let count = inner.cacheCapacity.blockCount
        blockOrder = (0..<BlockID(count)).map { reversesBlocks ? BlockID(count) - 1 - $0 : $0 }
        tokenInSlot = [TokenID](repeating: -1, count: count * inner.cacheCapacity.blockSize)
    }

    var cacheCapacity: CacheCapacity { inner.cacheCapacity }
    var vocabularySize: Int { inner.vocabularySize }
    var maximumRows: Int { inner.maximumRows }
    var maximumLogitRows: Int { inner.maximumLogitRows }

    func execute(_ batch: borrowing ForwardBatch, into logits: LogitsBuffer) throws(ExecutionError) {
        let size = cacheCapacity.blockSize
        var renamed = copy batch
        for index in renamed.blockTables.indices {
            renamed.blockTables[index] = blockOrder[Int(batch.blockTables[index])]
        }
        for row in renamed.slotMapping.indices {
            let slot = Int(batch.slotMapping[row])
            renamed.slotMapping[row] = blockOrder[slot / size] * Int32(size) + Int32(slot % size)
        }
        for index in renamed.blockCopies.indices {
            let source = blockOrder[Int(batch.blockCopies[index].source)]
            let destination = blockOrder[Int(batch.blockCopies[index].destination)]
            renamed.blockCopies[index] = ForwardBatch.BlockCopy(source: source, destination: destination)
            for offset in 0..<size {
                tokenInSlot[Int(destination) * size + offset] = tokenInSlot[Int(source) * size + offset]
            }
        }
        for row in 0..<renamed.rowCount { tokenInSlot[Int(renamed.slotMapping[row])] = renamed.tokenIDs[row] }
        try inner.execute(renamed, into: logits)
        for (index, row) in renamed.logitRows.enumerated() {
            guard
                let sequence = renamed.sequences.first(where: { $0.firstRow <= row && row < $0.firstRow + $0.rowCount })
            else { continue }
            let context = (0...Int(renamed.positions[Int(row)])).map { position in
                let block = renamed.blockTables[Int(sequence.blockTableOffset) + position / size]
                return tokenInSlot[Int(block) * size + position % size]
            }
            record.note(hash(index, of: logits), after: context)
        }
    }

    /// FNV-1a over the bits of a row.
    private func hash(_ row: Int, of logits: LogitsBuffer) -> UInt64 {
        logits.withRow(row) { values in
            var hash: UInt64 = 0xcbf2_9ce4_8422_2325
            for index in 0..<values.count { hash = (hash ^ UInt64(values[index].bitPattern)) &* 0x100_0000_01b3 }
            return hash
        }
    }
}
