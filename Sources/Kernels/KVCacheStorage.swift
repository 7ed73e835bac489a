// The memory of the KV cache, and attention through block tables.

internal import CKernels

/// Element type of the KV cache.
public enum KVCacheType: String, Sendable, CaseIterable {
    case float32, float16, bfloat16
    /// Codes of 8 or 13 bits with a scale for each token and head. Int16's products are summed in integers; its heads
    /// have `largestInt16HeadSize` numbers at most.
    case int8, int16

    /// What sums of 32 bits have room for.
    public static let largestInt16HeadSize = 256

    var code: Int32 {
        switch self {
        case .float32: Int32(PG_CACHE_F32.rawValue)
        case .float16: Int32(PG_CACHE_F16.rawValue)
        case .bfloat16: Int32(PG_CACHE_BF16.rawValue)
        case .int8: Int32(PG_CACHE_INT8.rawValue)
        case .int16: Int32(PG_CACHE_INT16.rawValue)
        }
    }
}

/// Shape of a KV cache.
public struct KVCacheShape: Sendable, Equatable {
    public var layerCount: Int
    public var keyValueHeadCount: Int
    public var headSize: Int
    /// Tokens a block holds; a multiple of 8.
    public var blockSize: Int
    public var type: KVCacheType

    public init(layerCount: Int, keyValueHeadCount: Int, headSize: Int, blockSize: Int, type: KVCacheType) {
        self.layerCount = layerCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headSize = headSize
        self.blockSize = blockSize
        self.type = type
    }

    /// Bytes of K and V of one token in all layers.
    public var bytesPerToken: Int { bytesPerBlock / blockSize }
    /// The same of a block's tokens.
    public var bytesPerBlock: Int { 2 * layerCount * bytesPerLayer }

    /// Bytes of a block's K, or its V, in one layer.
    var bytesPerLayer: Int {
        keyValueHeadCount * pg_cache_head_bytes(type.code, Int32(headSize), Int32(blockSize))
    }
}

/// One pool of blocks for K and V of every layer, allocated at start; pages are touched when first written.
///
/// Sendable as `FloatMatrix` is: a stage gives each slot to one worker to write, and none while it is read.
public struct KVCacheStorage: @unchecked Sendable {
    public let shape: KVCacheShape
    public let blockCount: Int
    private let keys: UnsafeMutablePointer<UInt8>
    private let values: UnsafeMutablePointer<UInt8>
    private let blockBytesPerLayer: Int

    public init(shape: KVCacheShape, blockCount: Int, in arena: Arena) throws(KernelError) {
        precondition(shape.blockSize > 0 && shape.blockSize % 8 == 0 && shape.headSize % 8 == 0, "unsupported shape")
        precondition(shape.type != .int16 || shape.headSize <= KVCacheType.largestInt16HeadSize, "unsupported shape")
        self.shape = shape
        self.blockCount = blockCount
        blockBytesPerLayer = shape.bytesPerLayer
        keys = try arena.allocate(UInt8.self, shape.layerCount, blockCount, blockBytesPerLayer, purpose: "KV cache")
        values = try arena.allocate(UInt8.self, shape.layerCount, blockCount, blockBytesPerLayer, purpose: "KV cache")
    }

    private func layer(_ index: Int) -> pg_cache {
        precondition(index >= 0 && index < shape.layerCount, "layer out of range")
        let offset = index * blockCount * blockBytesPerLayer
        return pg_cache(
            keys: keys + offset, values: values + offset, type: shape.type.code, block_size: Int32(shape.blockSize),
            kv_heads: Int32(shape.keyValueHeadCount), head_size: Int32(shape.headSize))
    }

    /// Writes the K and V that stand in a row of `source` (from the given columns on) to `slot` of a layer.
    public func store(
        layer index: Int, slot: Int, from source: FloatMatrix, row: Int, keyColumn: Int, valueColumn: Int,
        _ kernels: KernelSet
    ) {
        let width = shape.keyValueHeadCount * shape.headSize
        precondition(slot >= 0 && slot < blockCount * shape.blockSize, "slot out of range")
        precondition(keyColumn + width <= source.columnCount && valueColumn + width <= source.columnCount)
        var cache = layer(index)
        kernels.functions.cache_store(&cache, Int64(slot), source.row(row) + keyColumn, source.row(row) + valueColumn)
    }

    /// Copies a block in every layer.
    public func copyBlock(from source: Int, to destination: Int) {
        precondition(source >= 0 && source < blockCount && destination >= 0 && destination < blockCount)
        for index in 0..<shape.layerCount {
            for base in [keys, values] {
                let first = base + index * blockCount * blockBytesPerLayer
                (first + destination * blockBytesPerLayer).update(
                    from: first + source * blockBytesPerLayer, count: blockBytesPerLayer)
            }
        }
    }

    /// Rows of one sequence against one KV head, or one row against several of them; see `pg_attention.h` for the
    /// arithmetic.
    public struct AttentionTask: Sendable {
        public var firstRow: Int32
        public var rowCount: Int32
        public var firstPosition: Int32
        /// More than one only of a single row.
        public var keyValueHeads: Range<Int32>
        /// Where the sequence's block table starts.
        public var blockTableOffset: Int32
        /// The one part of the context that this task takes, and the row of the partial results where it goes; or, of
        /// a task that merges, where those of all parts start. Nil: all of the context.
        public var part: Int32?
        public var partialRow: Int32 = 0

        public init(
            firstRow: Int32, rowCount: Int32, firstPosition: Int32, keyValueHeads: Range<Int32>,
            blockTableOffset: Int32
        ) {
            self.firstRow = firstRow
            self.rowCount = rowCount
            self.firstPosition = firstPosition
            self.keyValueHeads = keyValueHeads
            self.blockTableOffset = blockTableOffset
        }

        /// The most rows, or heads, that a task may have.
        public static let maximumRows = Int(PG_ATTENTION_ROWS)
        /// Positions of a part.
        public static let partSize = Int(PG_ATTENTION_PART)

        /// Parts that the rows' contexts have.
        public var partCount: Int { (Int(firstPosition) + Int(rowCount) + Self.partSize - 1) / Self.partSize }
    }

    /// What attention reads and writes beside the cache, the same for all tasks of a batch and a layer.
    public struct AttentionOperands: Sendable {
        /// Shape [rows, at least headCount × headSize], heads from column 0 on.
        let queries: FloatMatrix
        let out: ActivationRows
        /// Where in `out` the first head goes.
        let firstOutColumn: Int
        /// Whether to make the 8-bit form of `out`, too; then the heads that share a KV head are a multiple of 32 wide.
        let quantizes: Bool
        /// Query heads that share a KV head.
        let groupSize: Int
        /// How many of the last positions are seen; 0: all.
        let window: Int
        let scale: Float
        /// Scaled scores are bent below it: softcap × tanh(score / softcap); 0: they are not.
        let softcap: Float
        /// Shape [workers, at least `attentionScratch(groupSize:)`].
        let scratch: FloatMatrix
        /// Shape [partial results, headSize + 2]: a row for each query of each part that is computed on its own.
        let partials: FloatMatrix

        public init(
            queries: FloatMatrix, out: ActivationRows, firstOutColumn: Int = 0, quantizes: Bool, groupSize: Int,
            window: Int, scale: Float, softcap: Float = 0, scratch: FloatMatrix, partials: FloatMatrix
        ) {
            self.queries = queries
            self.out = out
            self.firstOutColumn = firstOutColumn
            self.quantizes = quantizes
            self.groupSize = groupSize
            self.window = window
            self.scale = scale
            self.softcap = softcap
            self.scratch = scratch
            self.partials = partials
        }
    }

    /// out[row, head] = attention of queries[row, head] for the heads that share the task's KV heads.
    ///
    /// - Parameter blockTables: Covers the position of the task's last row, rounded up to 8.
    public func attend(
        layer index: Int, task: AttentionTask, _ operands: AttentionOperands, blockTables: [Int32], _ worker: Worker,
        _ kernels: KernelSet
    ) {
        let lastPosition = Int(task.firstPosition) + Int(task.rowCount) - 1
        let offset = Int(task.blockTableOffset)
        precondition(offset >= 0 && offset + lastPosition / shape.blockSize < blockTables.count, "block table is short")
        precondition(operands.scratch.columnCount >= attentionScratch(groupSize: operands.groupSize))
        var cache = layer(index)
        blockTables.withUnsafeBufferPointer { tables in
            var view = view(of: task, operands)
            view.block_table = tables.baseAddress.map { $0 + offset }
            kernels.functions.attend(&cache, &view, operands.scratch.row(worker.index))
        }
        if task.part == nil { quantizeOutput(of: task, operands, kernels) }
    }

    private func quantizeOutput(of task: AttentionTask, _ operands: AttentionOperands, _ kernels: KernelSet) {
        guard operands.quantizes else { return }
        let perHead = operands.groupSize * shape.headSize, width = task.keyValueHeads.count * perHead
        let first = operands.firstOutColumn + Int(task.keyValueHeads.lowerBound) * perHead
        for row in 0..<Int(task.rowCount) {
            operands.out.quantize(row: Int(task.firstRow) + row, columns: first..<first + width, kernels)
        }
    }

    /// Joins the partial results of all parts of a task, which stand from `task.partialRow` on, part by part.
    public func mergeParts(of task: AttentionTask, _ operands: AttentionOperands, _ kernels: KernelSet) {
        var view = view(of: task, operands)
        view.part_end = Int32(task.partCount)
        view.partials = operands.partials.row(Int(task.partialRow))
        let last = Int(task.partialRow) + task.partCount * Int(view.row_count) * operands.groupSize
        precondition(last <= operands.partials.rowCount, "partial results out of range")
        kernels.functions.merge_parts(&view, Int32(shape.headSize))
        quantizeOutput(of: task, operands, kernels)
    }

    private func view(of task: AttentionTask, _ operands: AttentionOperands) -> pg_attention_task {
        let queries = operands.queries, out = operands.out.values, partials = operands.partials
        let heads = task.keyValueHeads, isOfHeads = heads.count > 1
        let rowCount = isOfHeads ? Int32(heads.count) : task.rowCount
        precondition(
            rowCount > 0 && Int(rowCount) <= AttentionTask.maximumRows && !heads.isEmpty
                && (!isOfHeads || task.rowCount == 1) && Int(heads.upperBound) <= shape.keyValueHeadCount,
            "task out of range")
        precondition(Int(task.firstRow) + Int(task.rowCount) <= min(queries.rowCount, out.rowCount), "no such rows")
        precondition(partials.columnCount == shape.headSize + 2, "partial results of another size")
        let width = operands.groupSize * shape.headSize, column = Int(heads.lowerBound) * width
        let outColumn = operands.firstOutColumn + column
        precondition(outColumn >= 0 && outColumn + heads.count * width <= out.columnCount, "heads out of range")
        return pg_attention_task(
            queries: queries.row(Int(task.firstRow)) + column, out: out.row(Int(task.firstRow)) + outColumn,
            query_stride: isOfHeads ? width : queries.columnCount, out_stride: isOfHeads ? width : out.columnCount,
            row_count: rowCount, rows_are_heads: isOfHeads ? 1 : 0, first_position: task.firstPosition,
            kv_head: heads.lowerBound, group_size: Int32(operands.groupSize),
            window: Int32(operands.window), scale: operands.scale, softcap: operands.softcap, block_table: nil,
            first_part: task.part ?? 0, part_end: task.part.map { $0 + 1 } ?? Int32(task.partCount),
            partials: task.part == nil ? nil : partials.row(Int(task.partialRow)))
    }

    /// Floats of scratch a worker needs for `attend`.
    public func attentionScratch(groupSize: Int) -> Int {
        pg_attention_scratch(Int32(groupSize), Int32(shape.headSize))
    }
}
