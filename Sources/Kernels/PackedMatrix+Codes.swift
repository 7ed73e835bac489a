// From quantised checkpoints, and from fp32 by rounding, to panels.

internal import CKernels

/// What weights of 16 or 32 bits can be rounded to as they are packed, in groups of 32 columns.
public enum RoundedForm: Sendable {
    /// Codes −127…127 and a scale.
    case int8
    /// Codes 0…15, a scale and a minimum.
    case int4
}

extension PackedMatrix {
    /// Packs the stacked rows of `sources` (at least one; of one column count and order of columns) on all workers.
    ///
    /// Codes stay as they are, but for the cases that `pg_codes.h` names. Weights whose groups are no multiple of 16
    /// columns, or whose scales fp16 can't hold, are dequantised to fp32.
    ///
    /// - Parameter asFloat32: Dequantise exactly to fp32 (reference mode) instead of keeping the codes.
    public init(
        packing sources: [CodedMatrix], asFloat32: Bool, in arena: Arena, purpose: String, pool: WorkerPool
    ) throws(KernelError) {
        let columnCount = sources[0].columnCount, grouping = sources[0].grouping
        precondition(
            sources.allSatisfy { $0.columnCount == columnCount && $0.grouping.order == grouping.order },
            "sources of different columns")
        let rows = CodeRows(sources)
        let form = asFloat32 ? PG_FORM_F32 : Self.form(of: sources, rows, pool: pool)
        let isFloat = form == PG_FORM_F32
        try self.init(
            rowCount: rows.count, columnCount: columnCount, form: Int32(form.rawValue),
            columnOrder: isFloat ? nil : grouping.order, in: arena, purpose: purpose)
        packPanels(pool: pool, scratchFloats: isFloat) { packed, index, floats in
            let first = index * Self.panelRows, codes = rows.scratch()
            defer { codes.deallocate() }
            let panelRows = rows.panel(index)
            guard isFloat else {
                packed.withColumnOrder { order in
                    pg_pack_code_panel(
                        packed.form, panelRows, order, Int32(columnCount), codes, packed.panel(index))
                }
                return
            }
            var pointers = [UnsafePointer<Float>?](repeating: nil, count: Self.panelRows)
            for place in 0..<min(Self.panelRows, rows.count - first) {
                let values = floats + place * columnCount
                var row = panelRows[place]
                pg_decode_code_row(&row, Int32(columnCount), codes, values)
                pointers[place] = UnsafePointer(values)
            }
            pg_pack_panel_f32(&pointers, Int32(columnCount), packed.panel(index))
        }
    }

    /// Rounds the stacked rows of `sources` (at least one) to `rounded` on all workers.
    ///
    /// - Parameter columnCount: A multiple of 32.
    public init(
        rounding sources: [MatrixSource], to rounded: RoundedForm, columnCount: Int, in arena: Arena, purpose: String,
        pool: WorkerPool
    ) throws(KernelError) {
        precondition(columnCount % Int(PG_GROUP) == 0, "columns that are no whole groups")
        let form = rounded == .int8 ? PG_FORM_Q8_G32 : PG_FORM_Q4_G32
        let rows = Self.rows(of: sources, columnCount: columnCount)
        try self.init(
            rowCount: rows.count, columnCount: columnCount, form: Int32(form.rawValue), in: arena, purpose: purpose)
        packPanels(pool: pool, scratchFloats: true) { packed, index, floats in
            let first = index * Self.panelRows
            var pointers = packed.decode(rows[first..<min(rows.count, first + Self.panelRows)], into: floats)
            pg_quantize_panel(packed.form, &pointers, Int32(columnCount), packed.panel(index))
        }
    }

    /// The narrowest form that keeps all codes.
    private static func form(of sources: [CodedMatrix], _ rows: CodeRows, pool: WorkerPool) -> pg_form {
        let width = sources.map(\.grouping.width).min() ?? 1
        guard width >= 16, sources.allSatisfy(\.fitsHalfPrecision) else { return PG_FORM_F32 }
        if sources.allSatisfy(\.fitsFourBits) {
            // There are no 4-bit forms with scales for 16 columns; 4 bits less a zero point fit 8 as they are.
            guard width == 32 else { return PG_FORM_Q8_G16 }
            return sources.allSatisfy(\.isCentred) ? PG_FORM_Q4Z_G32 : PG_FORM_Q4_G32
        }
        let needsMinimum = rows.exceedEightBits(pool: pool)
        return width == 32
            ? (needsMinimum ? PG_FORM_Q8M_G32 : PG_FORM_Q8_G32) : (needsMinimum ? PG_FORM_Q8M_G16 : PG_FORM_Q8_G16)
    }
}

/// The rows of several coded matrices, as C sees them. Owns copies of their scales, zero points and groups; the codes
/// stay the checkpoint's.
///
/// Sendable because nothing writes it once it is made.
private final class CodeRows: @unchecked Sendable {
    let count: Int
    private let columnCount: Int
    private let rows: UnsafeMutableBufferPointer<pg_code_row>
    private let integers: UnsafeMutableBufferPointer<pg_integers>
    private let scales: [UnsafeMutableBufferPointer<Float>]
    private let zeroPoints: [UnsafeMutableBufferPointer<Int16>]
    private let groups: [UnsafeMutableBufferPointer<Int32>]

    init(_ sources: [CodedMatrix]) {
        count = sources.reduce(0) { $0 + $1.rowCount }
        columnCount = sources[0].columnCount
        integers = Self.copy(sources.map(\.codes.integers))
        scales = sources.map { Self.copy($0.scales) }
        zeroPoints = sources.map { Self.copy($0.zeroPoints) }
        groups = sources.map { Self.copy($0.groupOfColumn) }
        // Whole panels: rows beyond the last one are zeros.
        let panelRows = Int(PG_PANEL_ROWS)
        rows = .allocate(capacity: (count + panelRows - 1) / panelRows * panelRows)
        rows.initialize(repeating: pg_code_row())
        var index = 0
        for (source, matrix) in sources.enumerated() {
            for row in 0..<matrix.rowCount {
                let offset = row * matrix.groupCount
                rows[index] = pg_code_row(
                    codes: integers.baseAddress.map { UnsafePointer($0 + source) }, row: Int32(row),
                    groups: groups[source].baseAddress, scales: scales[source].baseAddress.map { $0 + offset },
                    zeros: zeroPoints[source].baseAddress.map { $0 + offset })
                index += 1
            }
        }
    }

    deinit {
        rows.deallocate()
        integers.deallocate()
        for buffer in scales { buffer.deallocate() }
        for buffer in zeroPoints { buffer.deallocate() }
        for buffer in groups { buffer.deallocate() }
    }

    private static func copy<Element: BitwiseCopyable>(_ values: [Element]) -> UnsafeMutableBufferPointer<Element> {
        let buffer = UnsafeMutableBufferPointer<Element>.allocate(capacity: values.count)
        _ = buffer.initialize(from: values)
        return buffer
    }

    /// 16 rows; valid as long as this object.
    func panel(_ index: Int) -> UnsafeMutablePointer<pg_code_row> {
        // Bounds are checked by the slice, which is never empty.
        let panelRows = Int(PG_PANEL_ROWS)
        return UnsafeMutableBufferPointer(rebasing: rows[index * panelRows..<(index + 1) * panelRows])
            .baseAddress.unsafelyUnwrapped
    }

    /// Room for a row's integers; the caller's to deallocate.
    func scratch() -> UnsafeMutablePointer<UInt8> { .allocate(capacity: columnCount) }

    /// Whether some code less its zero point is outside −127…127.
    func exceedEightBits(pool: WorkerPool) -> Bool {
        let found = UnsafeMutableBufferPointer<Bool>.allocate(capacity: rows.count)
        defer { found.deallocate() }
        found.initialize(repeating: false)
        pool.run { worker in
            let scratch = self.scratch()
            defer { scratch.deallocate() }
            worker.stage(tiles: self.count) { index in
                found[index] = pg_exceeds_8bit(&self.rows[index], Int32(self.columnCount), scratch) != 0
            }
        }
        return found.contains(true)
    }
}
