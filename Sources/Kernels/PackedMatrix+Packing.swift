// From a checkpoint's bytes to panels.

internal import CKernels

/// Source rows of a matrix to be packed; several sources stacked make one matrix (Q, K and V; gate and up).
public struct MatrixSource {
    /// The bytes of [rowCount, columnCount] weights, row by row; valid during the call that takes this value.
    let bytes: UnsafeRawBufferPointer
    let format: StorageFormat
    let rowCount: Int
    /// Row r of the packed matrix is row `rowOrder(r)` of the source.
    let rowOrder: (Int) -> Int

    public init(
        bytes: UnsafeRawBufferPointer, format: StorageFormat, rowCount: Int, rowOrder: @escaping (Int) -> Int = { $0 }
    ) {
        self.bytes = bytes
        self.format = format
        self.rowCount = rowCount
        self.rowOrder = rowOrder
    }
}

extension PackedMatrix {
    /// Packs the stacked rows of `sources` (at least one) on all workers.
    ///
    /// - Parameter asFloat32: Dequantise exactly to fp32 (reference mode) instead of keeping the codes.
    public init(
        packing sources: [MatrixSource], columnCount: Int, asFloat32: Bool, in arena: Arena, purpose: String,
        pool: WorkerPool
    ) throws(KernelError) {
        let rowCount = sources.reduce(0) { $0 + $1.rowCount }
        let float32 = Int32(PG_FORM_F32.rawValue)
        let form = asFloat32 ? float32 : pg_form_for_sources(sources.map(\.format.packSource), Int32(sources.count))
        let toFloat32 = form == float32
        try self.init(rowCount: rowCount, columnCount: columnCount, form: form, in: arena, purpose: purpose)
        let rows = Self.rows(of: sources, columnCount: columnCount)
        packPanels(pool: pool, scratchFloats: toFloat32) { packed, index, floats in
            let first = index * Self.panelRows
            let panelRows = rows[first..<min(rows.count, first + Self.panelRows)]
            if toFloat32 {
                var pointers = packed.decode(panelRows, into: floats)
                pg_pack_panel_f32(&pointers, Int32(columnCount), packed.panel(index))
            } else {
                packed.packCodes(panel: index, panelRows)
            }
        }
    }

    /// Calls `pack` for each panel, on all workers, with room for its rows in fp32 if asked for.
    func packPanels(
        pool: WorkerPool, scratchFloats: Bool,
        _ pack: (_ packed: PackedMatrix, _ panel: Int, _ floats: UnsafeMutablePointer<Float>) -> Void
    ) {
        pool.run { worker in
            let scratch = UnsafeMutablePointer<Float>.allocate(
                capacity: scratchFloats ? Self.panelRows * columnCount : 1)
            defer { scratch.deallocate() }
            worker.stage(tiles: panelCount) { index in pack(self, index, scratch) }
        }
    }

    /// The stacked rows of `sources`, each in its order.
    static func rows(of sources: [MatrixSource], columnCount: Int) -> [RowSource] {
        sources.flatMap { source in
            (0..<source.rowCount).map { row in RowSource(source, row: source.rowOrder(row), columnCount: columnCount) }
        }
    }

    /// The bytes of one row.
    struct RowSource {
        let bytes: UnsafePointer<UInt8>
        let format: StorageFormat

        init(_ source: MatrixSource, row: Int, columnCount: Int) {
            let rowBytes = columnCount / source.format.blockElements * source.format.blockBytes
            precondition(row >= 0 && (row + 1) * rowBytes <= source.bytes.count, "source row out of range")
            format = source.format
            // The precondition guarantees that there are bytes, hence an address.
            bytes = source.bytes.baseAddress.unsafelyUnwrapped.advanced(by: row * rowBytes)
                .assumingMemoryBound(to: UInt8.self)
        }
    }

    private func packCodes(panel index: Int, _ rows: ArraySlice<RowSource>) {
        var pointers = [UnsafePointer<UInt8>?](repeating: nil, count: Self.panelRows)
        var formats = [Int32](repeating: 0, count: Self.panelRows)
        for (place, row) in rows.enumerated() {
            pointers[place] = row.bytes
            formats[place] = row.format.packSource
        }
        pg_pack_panel(form, &formats, &pointers, Int32(columnCount), panel(index))
    }

    /// The fp32 values of up to 16 rows, which stand in `scratch`; null for rows that are not there.
    func decode(
        _ rows: ArraySlice<RowSource>, into scratch: UnsafeMutablePointer<Float>
    ) -> [UnsafePointer<Float>?] {
        var pointers = [UnsafePointer<Float>?](repeating: nil, count: Self.panelRows)
        for (place, row) in rows.enumerated() {
            let values = scratch + place * columnCount
            Dequantize.decode(row.bytes, format: row.format, elementCount: columnCount, into: values)
            pointers[place] = UnsafePointer(values)
        }
        return pointers
    }
}

extension StorageFormat {
    /// The name of this format in `pg_pack.h`.
    var packSource: Int32 {
        let source =
            switch self {
            case .float32: PG_SOURCE_F32
            case .float16: PG_SOURCE_F16
            case .bfloat16: PG_SOURCE_BF16
            case .q4_0: PG_SOURCE_Q4_0
            case .q4_1: PG_SOURCE_Q4_1
            case .q5_0: PG_SOURCE_Q5_0
            case .q5_1: PG_SOURCE_Q5_1
            case .q8_0: PG_SOURCE_Q8_0
            case .q2_K: PG_SOURCE_Q2_K
            case .q3_K: PG_SOURCE_Q3_K
            case .q4_K: PG_SOURCE_Q4_K
            case .q5_K: PG_SOURCE_Q5_K
            case .q6_K: PG_SOURCE_Q6_K
            }
        return Int32(source.rawValue)
    }
}
