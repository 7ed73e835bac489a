// A scripted executor that can be watched, and made to break the rule that bits depend on nothing but the sequence.

import EngineTesting
import Kernels
import Models
import Primitives

final class WatchedExecutor: Executor {
    private let inner: ScriptedExecutor
    /// Whether a row of a batch comes out one bit off.
    private let isFlawed: (ForwardBatch, _ logitRow: Int) -> Bool
    private(set) var batches: [ForwardBatch] = []

    init(
        blockCount: Int = 1024, maximumRows: Int = 2048, maximumLogitRows: Int = 256,
        isFlawed: @escaping (ForwardBatch, _ logitRow: Int) -> Bool = { _, _ in false }
    ) {
        var configuration = ScriptedExecutor.Configuration()
        configuration.capacity = CacheCapacity(blockCount: blockCount, blockSize: 16)
        configuration.maximumRows = maximumRows
        configuration.maximumLogitRows = maximumLogitRows
        inner = ScriptedExecutor(configuration)
        self.isFlawed = isFlawed
    }

    var cacheCapacity: CacheCapacity { inner.cacheCapacity }
    var vocabularySize: Int { inner.vocabularySize }
    var maximumRows: Int { inner.maximumRows }
    var maximumLogitRows: Int { inner.maximumLogitRows }

    func execute(_ batch: borrowing ForwardBatch, into logits: LogitsBuffer) throws(ExecutionError) {
        let batch = copy batch
        batches.append(batch)
        try inner.execute(batch, into: logits)
        for row in batch.logitRows.indices where isFlawed(batch, row) {
            // The last and not the largest, so that the token decoded stays the same.
            logits.withRow(row) { $0[$0.count - 1] = $0[$0.count - 1].nextDown }
        }
    }

    /// The block table of each sequence of each batch.
    var tables: [[[BlockID]]] {
        batches.map { batch in
            batch.sequences.map { sequence in
                let first = Int(sequence.blockTableOffset), size = Int32(cacheCapacity.blockSize)
                return Array(batch.blockTables[first..<first + Int((sequence.contextLength + size - 1) / size)])
            }
        }
    }
}
