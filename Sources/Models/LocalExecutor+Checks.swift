// What is checked of a batch before kernels follow its indices.

public import Kernels

extension LocalExecutor {
    /// Every index that kernels will follow is inside its buffer.
    public func check(_ batch: ForwardBatch, _ logits: LogitsBuffer) throws(ExecutionError) {
        let rows = batch.rowCount, blockSize = cacheCapacity.blockSize
        func require(_ condition: Bool, _ reason: String) throws(ExecutionError) {
            guard condition else { throw .invalidBatch(reason) }
        }
        try require(rows <= maximumRows, "\(rows) rows, \(maximumRows) allowed")
        try require(batch.positions.count == rows && batch.slotMapping.count == rows, "rows of different counts")
        try require(
            batch.logitRows.count <= min(maximumLogitRows, logits.rowCapacity)
                && logits.vocabularySize == vocabularySize,
            "\(batch.logitRows.count) rows of logits")
        for row in 0..<rows {
            try require(batch.tokenIDs[row] >= 0 && batch.tokenIDs[row] < vocabularySize, "token out of the vocabulary")
            try require(batch.positions[row] >= 0 && batch.positions[row] < maximumModelLength, "position out of range")
            try require(
                batch.slotMapping[row] >= 0 && batch.slotMapping[row] < cacheCapacity.blockCount * blockSize,
                "slot out of range")
        }
        for row in batch.logitRows { try require(row >= 0 && row < rows, "logits of a row that is not there") }
        for id in batch.blockTables { try require(id >= 0 && id < cacheCapacity.blockCount, "block out of range") }
        for copy in batch.blockCopies {
            try require(
                copy.source >= 0 && copy.source < cacheCapacity.blockCount && copy.destination >= 0
                    && copy.destination < cacheCapacity.blockCount, "block copy out of range")
        }
        for sequence in batch.sequences {
            let blocks = (Int(sequence.contextLength) + blockSize - 1) / blockSize
            try require(
                sequence.rowCount > 0 && sequence.firstRow >= 0 && Int(sequence.firstRow + sequence.rowCount) <= rows
                    && sequence.contextLength >= sequence.rowCount && sequence.contextLength <= maximumModelLength
                    && sequence.promptLength > 0 && sequence.promptLength <= maximumModelLength
                    && sequence.blockTableOffset >= 0
                    && Int(sequence.blockTableOffset) + blocks <= batch.blockTables.count, "sequence out of range")
        }
    }
}
