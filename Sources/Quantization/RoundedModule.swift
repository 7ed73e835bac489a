// What rounding makes of a module's weights.

public import Kernels

/// The codes of a module, and what they mean.
public struct RoundedModule {
    /// Shape [rows, columns], whole numbers.
    public let codes: FloatMatrix
    /// Shape [rows, groups].
    public let scales: FloatMatrix
    public let zeroPoints: FloatMatrix
    /// Shape [columns].
    public let groupOfColumn: [Int32]
    /// The weights that the codes mean, shape [rows, columns].
    public let values: FloatMatrix

    init(
        rows: Int, groupOfColumn: [Int32], groupCount: Int, in arena: Arena
    ) throws(KernelError) {
        let columns = groupOfColumn.count, purpose = "codes"
        codes = try FloatMatrix(rows: rows, columns: columns, in: arena, purpose: purpose)
        values = try FloatMatrix(rows: rows, columns: columns, in: arena, purpose: purpose)
        scales = try FloatMatrix(rows: rows, columns: groupCount, in: arena, purpose: purpose)
        zeroPoints = try FloatMatrix(rows: rows, columns: groupCount, in: arena, purpose: purpose)
        self.groupOfColumn = groupOfColumn
    }

    func setGrid(_ grid: GroupGrid, row: Int, group: Int) {
        scales[row, group] = grid.scale
        zeroPoints[row, group] = grid.zeroPoint
    }

    func grid(row: Int, group: Int, greatest: Float) -> GroupGrid {
        GroupGrid(scale: scales[row, group], zeroPoint: zeroPoints[row, group], greatest: greatest)
    }

    /// Sets a code, and returns what it means.
    func set(_ code: Float, _ grid: GroupGrid, row: Int, column: Int) -> Float {
        let value = grid.value(ofCode: code)
        codes[row, column] = code
        values[row, column] = value
        return value
    }

    // MARK: - In words

    /// `qweight` [columns·bits/32, rows]: codes down the columns, as they are stored.
    public func codeWords(bits: Int) -> [UInt32] {
        let rows = codes.rowCount, perRow = codes.columnCount * bits / 32
        var words = [UInt32](repeating: 0, count: perRow * rows)
        for row in 0..<rows {
            codes.withRow(row) { values in
                var stream = WordStream(bits: bits), word = 0
                for column in 0..<values.count {
                    guard let full = stream.add(values[column]) else { continue }
                    words[word * rows + row] = full
                    word += 1
                }
            }
        }
        return words
    }

    /// `qzeros` [groups, rows·bits/32]: zero points less one along the rows, as they are stored.
    public func zeroPointWords(bits: Int) -> [UInt32] {
        var words: [UInt32] = []
        for group in 0..<zeroPoints.columnCount {
            var stream = WordStream(bits: bits)
            for row in 0..<zeroPoints.rowCount {
                if let full = stream.add(zeroPoints[row, group] - 1) { words.append(full) }
            }
        }
        return words
    }

    /// `scales` [groups, rows]: bits of fp16, as they are stored.
    func halfScales() -> [UInt16] {
        (0..<scales.columnCount).flatMap { group in
            (0..<scales.rowCount).map { row in Float16(scales[row, group]).bitPattern.littleEndian }
        }
    }
}

/// Codes on their way into 32-bit words, low end first.
private struct WordStream {
    let bits: Int
    private var held: UInt64 = 0
    private var count = 0

    init(bits: Int) {
        self.bits = bits
    }

    /// Adds a whole number of at most `bits` bits; a word, once it is full, as it is stored.
    mutating func add(_ code: Float) -> UInt32? {
        held |= UInt64(code) << UInt64(count)
        count += bits
        guard count >= 32 else { return nil }
        let word = UInt32(truncatingIfNeeded: held)
        held >>= 32
        count -= 32
        return word.littleEndian
    }
}
