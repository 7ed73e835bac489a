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

    /// RMS norm in place of each of the heads at columns [firstColumn, firstColumn + headCount × size) of a row, with
    /// `weight`, shape [1, size].
    public func rmsNormHeads(
        _ matrix: FloatMatrix, row: Int, firstColumn: Int, headCount: Int, weight: FloatMatrix, epsilon: Float
    ) {
        let size = weight.columnCount
        precondition(firstColumn >= 0 && firstColumn + headCount * size <= matrix.columnCount, "heads out of range")
        precondition(size % 8 == 0, "norm of another size")
        for head in 0..<headCount {
            let values = matrix.row(row) + firstColumn + head * size
            functions.rms_norm(values, weight.row(0), epsilon, Int32(size), values)
        }
    }

    /// gate[row, i] = activation(gate[row, i]) × up[row, i] for some columns, a multiple of 8.
    public func gate(
        _ gate: FloatMatrix, up: FloatMatrix, row: Int, columns: Range<Int>, _ activation: GateActivation
    ) {
        precondition(
            columns.upperBound <= min(gate.columnCount, up.columnCount) && columns.lowerBound >= 0
                && columns.count % 8 == 0, "gate out of range")
        let function =
            switch activation {
            case .silu: functions.gate_silu
            case .geluTanh: functions.gate_gelu
            }
        function(gate.row(row) + columns.lowerBound, up.row(row) + columns.lowerBound, Int32(columns.count))
    }

    /// matrix[row] += bias, shape [1, columns], from `firstColumn` on.
    public func add(_ bias: FloatMatrix, to matrix: FloatMatrix, row: Int, firstColumn: Int = 0) {
        precondition(
            firstColumn >= 0 && firstColumn + bias.columnCount <= matrix.columnCount && bias.columnCount % 8 == 0,
            "bias of another size")
        functions.add(bias.row(0), Int32(bias.columnCount), matrix.row(row) + firstColumn)
    }

    /// matrix[row] += other[otherRow] × factor, for some columns, a multiple of 8; nil: for all.
    public func add(
        _ other: FloatMatrix, row otherRow: Int, times factor: Float, to matrix: FloatMatrix, row: Int,
        columns: Range<Int>? = nil
    ) {
        let columns = columns ?? 0..<matrix.columnCount
        precondition(
            other.columnCount == matrix.columnCount && columns.lowerBound >= 0
                && columns.upperBound <= matrix.columnCount && columns.count % 8 == 0, "columns out of range")
        functions.add_scaled(
            other.row(otherRow) + columns.lowerBound, factor, Int32(columns.count),
            matrix.row(row) + columns.lowerBound)
    }

    /// matrix[row, i] *= factor for the first `columnCount` columns, a multiple of 8; nil: for all.
    public func scale(_ matrix: FloatMatrix, row: Int, columnCount: Int? = nil, by factor: Float) {
        let columnCount = columnCount ?? matrix.columnCount
        precondition(
            columnCount >= 0 && columnCount <= matrix.columnCount && columnCount % 8 == 0, "columns out of range")
        functions.scale(factor, Int32(columnCount), matrix.row(row))
    }

    /// 1 / (1 + e^−x).
    public func sigmoid(_ x: Float) -> Float {
        var argument = -x, power: Float = 0
        functions.exp(&argument, 1, 0, 1, &power)
        return 1 / (1 + power)
    }

    /// Bends some columns of a row of logits below a cap: cap × tanh(logit / cap).
    public func softcap(_ logits: LogitsBuffer, row: Int, columns: Range<Int>, cap: Float) {
        precondition(
            columns.lowerBound >= 0 && columns.upperBound <= logits.vocabularySize && cap > 0, "no such logits")
        guard let base = logits.rowElements(row).baseAddress else { return }
        functions.softcap(base + columns.lowerBound, Int32(columns.count), cap)
    }
}

/// What is done with a gate before it is multiplied.
public enum GateActivation: Sendable {
    case silu
    /// The tangent's approximation of GELU.
    case geluTanh
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
