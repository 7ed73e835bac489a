// Rows of fp32 in an arena.

/// A view of fp32 rows, shape [rowCount, columnCount], row-major, in memory that an arena owns.
///
/// Sendable in the sense of the pool: within a stage each row is written by one worker at most, and barriers order
/// stages. Rows are checked; columns are the callee's.
@frozen
public struct FloatMatrix: @unchecked Sendable {
    public let rowCount: Int
    public let columnCount: Int
    @usableFromInline let base: UnsafeMutablePointer<Float>

    init(base: UnsafeMutablePointer<Float>, rowCount: Int, columnCount: Int) {
        self.base = base
        self.rowCount = rowCount
        self.columnCount = columnCount
    }

    public init(rows: Int, columns: Int, in arena: Arena, purpose: String) throws(KernelError) {
        base = try arena.allocate(Float.self, rows, columns, purpose: purpose)
        rowCount = rows
        columnCount = columns
    }

    func row(_ index: Int) -> UnsafeMutablePointer<Float> {
        precondition(index >= 0 && index < rowCount, "row out of range")
        return base + index * columnCount
    }

    /// Element access for loading and tests; kernels work on whole rows.
    public subscript(row: Int, column: Int) -> Float {
        get {
            precondition(column >= 0 && column < columnCount, "column out of range")
            return self.row(row)[column]
        }
        nonmutating set {
            precondition(column >= 0 && column < columnCount, "column out of range")
            self.row(row)[column] = newValue
        }
    }

    /// Calls `body` with row `index`, shape [columnCount], which may be overwritten.
    @inlinable
    public func withRow<Result, Failure: Error>(
        _ index: Int, _ body: (inout MutableSpan<Float>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(index >= 0 && index < rowCount, "row out of range")
        // The arena that owns the row outlives the call, by the contract of views.
        let elements = UnsafeMutableBufferPointer(start: base + index * columnCount, count: columnCount)
        var row = MutableSpan(_unsafeElements: elements)
        return try body(&row)
    }

    public func copyRow(_ index: Int, to destination: Int, of other: FloatMatrix) {
        precondition(columnCount == other.columnCount, "rows of different lengths")
        other.row(destination).update(from: row(index), count: columnCount)
    }

    /// Copies some columns of a row to where they stand in the same row of `other`, of the same width.
    public func copyColumns(_ columns: Range<Int>, ofRow index: Int, to other: FloatMatrix) {
        precondition(
            columnCount == other.columnCount && columns.lowerBound >= 0 && columns.upperBound <= columnCount,
            "columns out of range")
        (other.row(index) + columns.lowerBound).update(from: row(index) + columns.lowerBound, count: columns.count)
    }

    /// Calls `body` with the elements, row by row, for libraries that pass them on.
    public func withElements<Result>(_ body: (UnsafeMutablePointer<Float>) -> Result) -> Result { body(base) }
}
