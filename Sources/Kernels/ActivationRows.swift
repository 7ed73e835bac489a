// The activations that a matrix product reads: fp32, and quantised where the weights are integers.

internal import CKernels

/// Rows of activations of one width, with the quantised form that integer weights want. Memory belongs to an arena.
///
/// Sendable as `FloatMatrix` is: a stage gives each row to one worker.
public struct ActivationRows: @unchecked Sendable {
    /// The fp32 values, shape [rows, columns].
    public let values: FloatMatrix
    /// Codes of 8 bits, shape [row tiles, groups]: 16 rows stand together in a tile.
    private let groups: UnsafeMutablePointer<pg_activation_group>
    /// Nil: there are none.
    private let fine: FineForm?
    private let groupCount: Int

    /// Codes of 11 bits, shape [row tiles, groups].
    private struct FineForm {
        let groups: UnsafeMutablePointer<pg_activation_group>
        let codes: UnsafeMutablePointer<pg_fine_group>
    }

    public var rowCount: Int { values.rowCount }
    public var columnCount: Int { values.columnCount }

    /// - Parameter hasFineForm: Whether there is a quantised form of 11 bits, too: an eighth of the error, for products
    ///   that take up to twice the time where they are bound by arithmetic.
    public init(
        rows: Int, columns: Int, hasFineForm: Bool = false, in arena: Arena, purpose: String
    ) throws(KernelError) {
        values = try FloatMatrix(rows: rows, columns: columns, in: arena, purpose: purpose)
        groupCount = columns / Self.groupColumns
        let tileCount = (rows + Self.tileRows - 1) / Self.tileRows
        groups = try arena.allocate(pg_activation_group.self, tileCount, groupCount, purpose: purpose)
        fine =
            hasFineForm
            ? FineForm(
                groups: try arena.allocate(pg_activation_group.self, tileCount, groupCount, purpose: purpose),
                codes: try arena.allocate(pg_fine_group.self, tileCount, groupCount, purpose: purpose)) : nil
    }

    /// Rows that stand together in a tile.
    private static let tileRows = Int(PG_TOKEN_TILE)

    /// Brings the quantised forms of a row up to date with its values.
    public func quantize(row: Int, _ kernels: KernelSet) {
        quantize(row: row, columns: 0..<groupCount * Self.groupColumns, kernels)
    }

    /// The same as `consumer` reads it: in its order of columns, and not at all if it reads fp32.
    public func quantize(row: Int, for consumer: PackedMatrix, _ kernels: KernelSet) {
        guard consumer.usesQuantizedActivations else { return }
        guard consumer.permutesColumns else { return quantize(row: row, kernels) }
        precondition(consumer.columnCount == columnCount, "activations of another width")
        let source = values.row(row)
        consumer.withColumnOrder { order in
            guard let order else { return }
            withUnsafeTemporaryAllocation(byteCount: Self.groupColumns * 4, alignment: 64) { bytes in
                // As many bytes as were asked for, hence an address.
                let gathered = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
                for group in 0..<groupCount {
                    for column in 0..<Self.groupColumns {
                        gathered[column] = source[Int(order[group * Self.groupColumns + column])]
                    }
                    quantize(gathered, row: row, groups: group..<group + 1, kernels)
                }
            }
        }
    }

    /// The same for some of the columns, whole groups of 32.
    func quantize(row: Int, columns: Range<Int>, _ kernels: KernelSet) {
        precondition(
            columns.lowerBound % Self.groupColumns == 0 && columns.count % Self.groupColumns == 0
                && columns.upperBound <= columnCount, "columns of parts of groups")
        let first = columns.lowerBound / Self.groupColumns
        quantize(
            values.row(row) + columns.lowerBound, row: row,
            groups: first..<first + columns.count / Self.groupColumns, kernels)
    }

    private func quantize(
        _ values: UnsafePointer<Float>, row: Int, groups range: Range<Int>, _ kernels: KernelSet
    ) {
        let first = row / Self.tileRows * groupCount + range.lowerBound
        let size = Int32(range.count * Self.groupColumns), place = Int32(row % Self.tileRows)
        kernels.functions.quantize_row(values, size, groups + first, nil, place)
        if let fine { kernels.functions.quantize_row(values, size, fine.groups + first, fine.codes + first, place) }
    }

    /// Takes a row of others of the same width: its 8-bit form or its values.
    func copyRow(_ row: Int, to destination: Int, from other: ActivationRows, quantized: Bool) {
        precondition(
            other.columnCount == columnCount && row >= 0 && row < other.rowCount, "activations of another width")
        precondition(fine == nil && other.fine == nil, "only 8-bit forms are copied")
        guard quantized else {
            other.values.copyRow(row, to: destination, of: values)
            return
        }
        precondition(destination >= 0 && destination < rowCount, "row out of range")
        let tile = Self.tileRows, recordBytes = MemoryLayout<pg_quantized>.stride
        let source = UnsafeRawPointer(other.groups + row / tile * groupCount) + row % tile * recordBytes
        let target =
            UnsafeMutableRawPointer(groups + destination / tile * groupCount) + destination % tile * recordBytes
        for group in 0..<groupCount {
            let offset = group * MemoryLayout<pg_activation_group>.stride
            (target + offset).copyMemory(from: source + offset, byteCount: recordBytes)
        }
    }

    /// Columns that share a scale in the quantised form.
    public static let groupColumns = Int(PG_GROUP)

    /// What kernels read: the 11-bit form, which there has to be then, or the 8-bit one.
    func view(isFine: Bool) -> pg_activations {
        precondition(!isFine || fine != nil, "activations of 8 bits only")
        guard isFine, let fine else {
            return pg_activations(values: values.row(0), groups: groups, fine: nil, columns: Int32(columnCount))
        }
        return pg_activations(
            values: values.row(0), groups: fine.groups, fine: fine.codes, columns: Int32(columnCount))
    }
}
