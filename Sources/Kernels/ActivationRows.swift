// The activations that a matrix product reads: fp32, and quantised to 8 bits where the weights are integers.

internal import CKernels

/// Rows of activations of one width, with the 8-bit form that integer weights want. Memory belongs to an arena.
///
/// Sendable as `FloatMatrix` is: a stage gives each row to one worker.
public struct ActivationRows: @unchecked Sendable {
    /// The fp32 values, shape [rows, columns].
    public let values: FloatMatrix
    private let codes: UnsafeMutablePointer<Int8>
    private let scales: UnsafeMutablePointer<Float>
    private let sums: UnsafeMutablePointer<Float>
    private let halfSums: UnsafeMutablePointer<Float>
    private let groupCount: Int

    public var rowCount: Int { values.rowCount }
    public var columnCount: Int { values.columnCount }

    public init(rows: Int, columns: Int, in arena: Arena, purpose: String) throws(KernelError) {
        values = try FloatMatrix(rows: rows, columns: columns, in: arena, purpose: purpose)
        groupCount = columns / 32
        codes = try arena.allocate(Int8.self, rows, columns, purpose: purpose)
        scales = try arena.allocate(Float.self, rows, groupCount, purpose: purpose)
        sums = try arena.allocate(Float.self, rows, groupCount, purpose: purpose)
        halfSums = try arena.allocate(Float.self, rows, groupCount * 2, purpose: purpose)
    }

    /// Brings the 8-bit form of a row up to date with its values.
    public func quantize(row: Int, _ kernels: KernelSet) {
        kernels.quantizeRow(
            values.row(row), Int32(columnCount), codes + row * columnCount, scales + row * groupCount,
            sums + row * groupCount, halfSums + row * groupCount * 2)
    }

    var view: pg_activations {
        pg_activations(
            values: values.row(0), codes: codes, scales: scales, sums: sums, half_sums: halfSums,
            columns: Int32(columnCount))
    }
}
