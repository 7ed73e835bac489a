// From quantised checkpoints, and from fp32 by rounding, to panels.

internal import CKernels

/// Rows of a matrix, as a checkpoint holds them.
public enum WeightRows {
    case stored(MatrixSource)
    case coded(CodedMatrix)
}

/// What weights of 16 or 32 bits can be rounded to as they are packed, in groups of 32 columns.
public enum RoundedForm: Sendable {
    /// Codes −127…127 and a scale.
    case int8
    /// Codes 0…15, a scale and a minimum.
    case int4
}

extension PackedMatrix {
    /// Packs the stacked rows of `sources` (at least one), each a part in a form of its own, on all workers.
    ///
    /// Codes stay as they are, but for the cases that `pg_codes.h` names. Dequantised to fp32 are weights whose groups
    /// are no multiple of 16 columns, or whose scales fp16 can't hold, and those that would need another order of
    /// columns than the sources before them.
    ///
    /// - Parameters:
    ///   - asFloat32: Dequantise exactly to fp32 (reference mode) instead of keeping the codes.
    ///   - other: A matrix that is multiplied with the same activations: their order is kept.
    public init(
        packing sources: [WeightRows], columnCount: Int, asFloat32: Bool, sharingInputOf other: PackedMatrix? = nil,
        in arena: Arena, purpose: String, pool: WorkerPool
    ) throws(KernelError) {
        let order = other?.usesQuantizedActivations == true ? other?.columnOrder : Self.columnOrder(of: sources)
        let packers = sources.map { RowPacker($0, columnCount: columnCount) }
        let forms = packers.map { asFloat32 ? Int32(PG_FORM_F32.rawValue) : $0.form(columnOrder: order, pool: pool) }
        let parts = zip(forms, packers).map { (form: $0, rowCount: $1.rowCount) }
        let isInteger = forms.contains { $0 > Int32(PG_FORM_BF16.rawValue) }
        try self.init(
            parts: parts, columnCount: columnCount, columnOrder: isInteger ? order : nil, in: arena, purpose: purpose)
        packPanels(pool: pool) { part, index, panel, floats in
            packers[index].pack(part, panel: panel, columnOrder: order, floats)
        }
    }

    /// Rounds the stacked rows of `sources` (at least one) to `rounded` on all workers.
    ///
    /// - Parameters:
    ///   - columnCount: A multiple of 32.
    ///   - packed: See `forEachPanel`.
    public init(
        rounding sources: [MatrixSource], to rounded: RoundedForm, columnCount: Int, in arena: Arena, purpose: String,
        pool: WorkerPool, packed: (Range<Int>) -> Void = { _ in }
    ) throws(KernelError) {
        precondition(columnCount % Int(PG_GROUP) == 0, "columns that are no whole groups")
        let form = rounded == .int8 ? PG_FORM_Q8_G32 : PG_FORM_Q4_G32
        let rows = Self.rows(of: sources, columnCount: columnCount)
        try self.init(
            parts: [(form: Int32(form.rawValue), rowCount: rows.count)], columnCount: columnCount, in: arena,
            purpose: purpose)
        packPanels(pool: pool, packed: packed) { part, _, panel, floats in
            let first = panel * Self.panelRows
            var pointers = part.decode(rows[first..<min(rows.count, first + Self.panelRows)], into: floats)
            pg_quantize_panel(part.form, &pointers, Int32(columnCount), part.panel(panel))
        }
    }

    /// The order that the first of the sources wants that has one of them.
    private static func columnOrder(of sources: [WeightRows]) -> [Int32]? {
        for case .coded(let matrix) in sources where matrix.grouping.width > 1 { return matrix.grouping.order }
        return nil
    }

    /// Calls `pack` for each panel of each part, on all workers, with room for its rows in fp32.
    private func packPanels(
        pool: WorkerPool, packed: (Range<Int>) -> Void = { _ in },
        _ pack: (Part, _ part: Int, _ panel: Int, _ floats: UnsafeMutablePointer<Float>) -> Void
    ) {
        pool.run { worker in
            let floats = UnsafeMutablePointer<Float>.allocate(capacity: Self.panelRows * columnCount)
            defer { floats.deallocate() }
            for index in 0..<partCount {
                let part = part(index)
                part.forEachPanel(worker, packed: packed) { panel in pack(part, index, panel, floats) }
            }
        }
    }
}
