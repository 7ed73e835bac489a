// One source's rows on their way into panels.

internal import CKernels

/// Packs the rows of one source. Of a coded one it owns copies of scales, zero points and groups, as C sees them; the
/// codes stay the checkpoint's.
///
/// Sendable because nothing writes it once it is made.
final class RowPacker: @unchecked Sendable {
    let rowCount: Int
    private let source: WeightRows
    private let columnCount: Int
    /// Of a stored source.
    private let storedRows: [PackedMatrix.RowSource]
    /// Of a coded one, the rows that are wanted, up to a whole panel: those beyond the last one are zeros.
    private let codeRows: UnsafeMutableBufferPointer<pg_code_row>
    private let integers: UnsafeMutableBufferPointer<pg_integers>
    private let scales: UnsafeMutableBufferPointer<Float>
    private let zeroPoints: UnsafeMutableBufferPointer<Int16>
    private let groups: UnsafeMutableBufferPointer<Int32>

    init(_ source: WeightRows, columnCount: Int) {
        self.source = source
        self.columnCount = columnCount
        guard case .coded(let matrix) = source else {
            storedRows =
                if case .stored(let matrix) = source {
                    PackedMatrix.rows(of: [matrix], columnCount: columnCount)
                } else {
                    []
                }
            rowCount = storedRows.count
            (codeRows, integers) = (.allocate(capacity: 0), .allocate(capacity: 0))
            (scales, zeroPoints, groups) = (.allocate(capacity: 0), .allocate(capacity: 0), .allocate(capacity: 0))
            return
        }
        precondition(matrix.columnCount == columnCount, "a source of other columns")
        storedRows = []
        rowCount = matrix.rows.count
        integers = Self.copy([matrix.codes.integers])
        scales = Self.copy(matrix.scales)
        zeroPoints = Self.copy(matrix.zeroPoints)
        groups = Self.copy(matrix.groupOfColumn)
        let panelRows = PackedMatrix.panelRows
        codeRows = .allocate(capacity: (rowCount + panelRows - 1) / panelRows * panelRows)
        codeRows.initialize(repeating: pg_code_row())
        for row in 0..<rowCount { codeRows[row] = codeRow(matrix.rows.lowerBound + row, of: matrix) }
    }

    /// A row of the codes, as C sees it.
    private func codeRow(_ row: Int, of matrix: CodedMatrix) -> pg_code_row {
        let offset = row * matrix.groupCount
        return pg_code_row(
            codes: UnsafePointer(integers.baseAddress), row: Int32(row), groups: groups.baseAddress,
            scales: scales.baseAddress.map { $0 + offset }, zeros: zeroPoints.baseAddress.map { $0 + offset })
    }

    deinit {
        codeRows.deallocate()
        integers.deallocate()
        scales.deallocate()
        zeroPoints.deallocate()
        groups.deallocate()
    }

    private static func copy<Element: BitwiseCopyable>(_ values: [Element]) -> UnsafeMutableBufferPointer<Element> {
        let buffer = UnsafeMutableBufferPointer<Element>.allocate(capacity: values.count)
        _ = buffer.initialize(from: values)
        return buffer
    }

    /// The narrowest form that keeps the codes.
    func form(columnOrder: [Int32]?, pool: WorkerPool) -> Int32 {
        let form: pg_form
        switch source {
        case .stored(let matrix):
            precondition(columnOrder == nil || matrix.format.blockElements == 1, "blocks can't be put in order")
            return pg_form_of_source(matrix.format.packSource)
        case .coded(let matrix):
            let grouping = matrix.grouping
            if grouping.width == 1 || grouping.order != columnOrder || !matrix.fitsHalfPrecision {
                form = PG_FORM_F32
            } else if matrix.fitsFourBits {
                // There are no 4-bit forms with scales for 16 columns; codes less their zero point fit 6.
                form = grouping.width == 16 ? PG_FORM_Q6Z_G16 : matrix.isCentred ? PG_FORM_Q4Z_G32 : PG_FORM_Q4_G32
            } else if grouping.width == 16 {
                form = PG_FORM_Q8M_G16
            } else {
                form = exceedsEightBits(matrix, pool: pool) ? PG_FORM_Q8M_G32 : PG_FORM_Q8_G32
            }
        }
        return Int32(form.rawValue)
    }

    /// Whether some code less its zero point is outside −127…127, in any of the rows, wanted or not.
    private func exceedsEightBits(_ matrix: CodedMatrix, pool: WorkerPool) -> Bool {
        let rowCount = matrix.codes.rowCount
        let found = UnsafeMutableBufferPointer<Bool>.allocate(capacity: rowCount)
        defer { found.deallocate() }
        found.initialize(repeating: false)
        pool.run { worker in
            worker.stage(tiles: rowCount) { row in
                withUnsafeTemporaryAllocation(of: UInt8.self, capacity: self.columnCount) { scratch in
                    var codeRow = self.codeRow(row, of: matrix)
                    found[row] = pg_exceeds_8bit(&codeRow, Int32(self.columnCount), scratch.baseAddress) != 0
                }
            }
        }
        return found.contains(true)
    }

    /// Packs 16 rows. `floats` has room for as many in fp32.
    func pack(
        _ part: PackedMatrix.Part, panel: Int, columnOrder: [Int32]?, _ floats: UnsafeMutablePointer<Float>
    ) {
        let first = panel * PackedMatrix.panelRows, last = min(rowCount, first + PackedMatrix.panelRows)
        let isFloat32 = part.form == Int32(PG_FORM_F32.rawValue)
        guard case .coded = source else {
            let rows = storedRows[first..<last]
            return isFloat32 ? part.packFloat32(panel: panel, rows, floats) : part.pack(panel: panel, rows)
        }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: columnCount) { scratch in
            guard let integers = scratch.baseAddress, let rows = codeRows.baseAddress.map({ $0 + first }) else {
                return
            }
            if isFloat32 {
                var pointers = [UnsafePointer<Float>?](repeating: nil, count: PackedMatrix.panelRows)
                for place in 0..<last - first {
                    let values = floats + place * columnCount
                    pg_decode_code_row(rows + place, Int32(columnCount), integers, values)
                    pointers[place] = UnsafePointer(values)
                }
                pg_pack_panel_f32(&pointers, Int32(columnCount), part.panel(panel))
            } else if let columnOrder {
                columnOrder.withUnsafeBufferPointer { order in
                    pg_pack_code_panel(
                        part.form, rows, order.baseAddress, Int32(columnCount), integers, part.panel(panel))
                }
            } else {
                pg_pack_code_panel(part.form, rows, nil, Int32(columnCount), integers, part.panel(panel))
            }
        }
    }
}
