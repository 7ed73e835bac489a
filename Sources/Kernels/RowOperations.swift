// Norms, rotation and gating of rows, checked.
internal import CKernels

extension KernelSet {
    /// out[outRow] = RMS norm of in[row] with `weight`, shape [1, columns].
    public func rmsNorm(
        _ input: FloatMatrix, row: Int, weight: FloatMatrix, epsilon: Float, into out: FloatMatrix, row outRow: Int
    ) {
        precondition(
            input.columnCount == weight.columnCount && out.columnCount == input.columnCount
                && input.columnCount % 8 == 0, "norm of another size")
        functions.rms_norm(input.row(row), weight.row(0), epsilon, Int32(input.columnCount), out.row(outRow))
    }

    /// Rotates the heads at columns [firstColumn, firstColumn + headCount × headSize) of a row to `position`.
    public func rotate(
        _ matrix: FloatMatrix, row: Int, firstColumn: Int, headCount: Int, headSize: Int,
        table: RotaryTable, position: Int
    ) {
        precondition(firstColumn + headCount * headSize <= matrix.columnCount, "heads out of range")
        precondition(table.rotaryDimensions <= headSize, "rotation wider than a head")
        functions.rotate(
            matrix.row(row) + firstColumn, Int32(headCount), Int32(headSize), Int32(table.rotaryDimensions),
            table.cosines.row(position), table.sines.row(position))
    }

    /// gate[row, i] = silu(gate[row, i]) × up[row, i] for some columns, a multiple of 8.
    public func gateSilu(_ gate: FloatMatrix, up: FloatMatrix, row: Int, columns: Range<Int>) {
        precondition(
            columns.upperBound <= min(gate.columnCount, up.columnCount) && columns.lowerBound >= 0
                && columns.count % 8 == 0, "gate out of range")
        functions.gate_silu(
            gate.row(row) + columns.lowerBound, up.row(row) + columns.lowerBound, Int32(columns.count))
    }

    /// matrix[row] += bias, shape [1, columns], from `firstColumn` on.
    public func add(_ bias: FloatMatrix, to matrix: FloatMatrix, row: Int, firstColumn: Int = 0) {
        precondition(
            firstColumn >= 0 && firstColumn + bias.columnCount <= matrix.columnCount && bias.columnCount % 8 == 0,
            "bias of another size")
        functions.add(bias.row(0), Int32(bias.columnCount), matrix.row(row) + firstColumn)
    }
}

/// Cosines and sines of rotary position embedding for each position, shape [positions, rotaryDimensions / 2] each.
public struct RotaryTable: Sendable {
    public let rotaryDimensions: Int
    public let cosines: FloatMatrix
    public let sines: FloatMatrix

    public init(positions: Int, rotaryDimensions: Int, in arena: Arena) throws(KernelError) {
        self.rotaryDimensions = rotaryDimensions
        cosines = try FloatMatrix(rows: positions, columns: rotaryDimensions / 2, in: arena, purpose: "rotary table")
        sines = try FloatMatrix(rows: positions, columns: rotaryDimensions / 2, in: arena, purpose: "rotary table")
    }
}
