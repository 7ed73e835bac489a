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

    /// The rows of a matrix in an arena, which must outlive this value.
    public init(_ values: FloatMatrix) {
        self.init(
            bytes: UnsafeRawBufferPointer(start: values.row(0), count: values.rowCount * values.columnCount * 4),
            format: .float32, rowCount: values.rowCount)
    }
}

extension PackedMatrix {
    /// Packs the stacked rows of `sources` (at least one) on all workers.
    ///
    /// - Parameters:
    ///   - asFloat32: Dequantise exactly to fp32 (reference mode) instead of keeping the codes.
    ///   - packed: See `forEachPanel`.
    public init(
        packing sources: [MatrixSource], columnCount: Int, asFloat32: Bool, in arena: Arena, purpose: String,
        pool: WorkerPool, packed: (Range<Int>) -> Void = { _ in }
    ) throws(KernelError) {
        var parts: [(form: Int32, rowCount: Int)] = []
        var formats: [StorageFormat] = []
        for source in sources {
            // Sources alike share a part, and in reference mode all do.
            if let last = formats.last, last == source.format || asFloat32 {
                parts[parts.count - 1].rowCount += source.rowCount
            } else {
                let form = asFloat32 ? Int32(PG_FORM_F32.rawValue) : pg_form_of_source(source.format.packSource)
                parts.append((form, source.rowCount))
                formats.append(source.format)
            }
        }
        try self.init(parts: parts, columnCount: columnCount, in: arena, purpose: purpose)
        let matrix = self, partCount = parts.count
        let rows = Self.rows(of: sources, columnCount: columnCount)
        pool.run { worker in
            let scratch = UnsafeMutablePointer<Float>.allocate(capacity: asFloat32 ? Self.panelRows * columnCount : 1)
            defer { scratch.deallocate() }
            for index in 0..<partCount {
                let part = matrix.part(index)
                part.forEachPanel(worker, packed: packed) { panel in
                    let first = part.firstRow + panel * Self.panelRows
                    let panelRows = rows[first..<min(part.firstRow + part.rowCount, first + Self.panelRows)]
                    if asFloat32 {
                        part.packFloat32(panel: panel, panelRows, scratch)
                    } else {
                        part.pack(panel: panel, panelRows)
                    }
                }
            }
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
}

extension PackedMatrix.Part {
    /// Calls `body` for each panel, on all workers, some panels in one stage.
    ///
    /// - Parameter packed: Told of the matrix's rows that are done, stage by stage and on one worker, so that the bytes
    ///   of a large source can be given back before its last row is read.
    func forEachPanel(_ worker: Worker, packed: (Range<Int>) -> Void, _ body: (Int) -> Void) {
        let stagePanels = 128
        for first in stride(from: 0, to: panelCount, by: stagePanels) {
            let end = min(panelCount, first + stagePanels)
            worker.stage(tiles: end - first) { body(first + $0) }
            guard worker.index == 0 else { continue }
            packed(firstRow + first * PackedMatrix.panelRows..<firstRow + min(rowCount, end * PackedMatrix.panelRows))
        }
    }

    /// `rows`, up to 16 and at least one, are of one format.
    func pack(panel index: Int, _ rows: ArraySlice<PackedMatrix.RowSource>) {
        guard let source = rows.first?.format.packSource else { return }
        var pointers = [UnsafePointer<UInt8>?](repeating: nil, count: PackedMatrix.panelRows)
        for (place, row) in rows.enumerated() { pointers[place] = row.bytes }
        pg_pack_panel(source, &pointers, Int32(columnCount), panel(index))
    }

    func packFloat32(
        panel index: Int, _ rows: ArraySlice<PackedMatrix.RowSource>, _ scratch: UnsafeMutablePointer<Float>
    ) {
        var pointers = decode(rows, into: scratch)
        pg_pack_panel_f32(&pointers, Int32(columnCount), panel(index))
    }

    /// The fp32 values of up to 16 rows, which stand in `scratch`; null for rows that are not there.
    func decode(
        _ rows: ArraySlice<PackedMatrix.RowSource>, into scratch: UnsafeMutablePointer<Float>
    ) -> [UnsafePointer<Float>?] {
        var pointers = [UnsafePointer<Float>?](repeating: nil, count: PackedMatrix.panelRows)
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
