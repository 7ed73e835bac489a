// Weights as quantisers publish them: integer codes, and a scale and a zero point for each group of columns.

internal import CKernels

/// How a matrix of small integers lies in 32-bit words. Which of the two a word holds several of, rows or columns,
/// and which of the two the words' outer dimension counts, is all that GPTQ, AWQ and compressed-tensors differ in.
public struct IntegerLayout: Sendable, Equatable {
    public enum Axis: Sendable, Equatable { case rows, columns }

    /// 2 to 8.
    public var bits: Int
    /// The dimension along which values follow each other within a word.
    public var packed: Axis
    /// The dimension that comes first in the tensor of words.
    public var outer: Axis
    /// AWQ's order of the eight 4-bit values of a word: 0 2 4 6 1 3 5 7.
    public var isInterleaved = false
    /// 8 bits in two's complement; read as value + 128.
    public var isSigned = false

    public init(bits: Int, packed: Axis, outer: Axis, isInterleaved: Bool = false, isSigned: Bool = false) {
        self.bits = bits
        self.packed = packed
        self.outer = outer
        self.isInterleaved = isInterleaved
        self.isSigned = isSigned
    }

    /// The shape of the tensor of words that holds a matrix.
    public func wordShape(rows: Int, columns: Int) -> [Int] {
        let rowWords = packed == .rows ? words(rows) : rows, columnWords = packed == .columns ? words(columns) : columns
        return outer == .rows ? [rowWords, columnWords] : [columnWords, rowWords]
    }

    /// Words of a stream of `count` values.
    private func words(_ count: Int) -> Int { (count * bits + 31) / 32 }

    /// - Parameter words: The tensor of `wordShape(rows:columns:)`; must outlive the result.
    func integers(_ words: UnsafePointer<UInt8>, rows: Int, columns: Int) -> pg_integers {
        let inner = wordShape(rows: rows, columns: columns)[1], isOuter = packed == outer
        return pg_integers(
            words: words, bits: Int32(bits), streams_are_rows: packed == .columns ? 1 : 0,
            word_step: isOuter ? inner : 1, stream_step: isOuter ? 1 : inner,
            is_interleaved: isInterleaved ? 1 : 0, is_signed: isSigned ? 1 : 0)
    }
}

/// Integers of a matrix in the words of a checkpoint.
public struct PackedIntegers {
    public let layout: IntegerLayout
    public let rowCount: Int
    public let columnCount: Int
    let words: UnsafePointer<UInt8>

    /// - Parameter bytes: Exactly the words that `layout` needs for the matrix, of any alignment; borrowed for as long
    ///   as the result is used.
    public init(bytes: UnsafeRawBufferPointer, layout: IntegerLayout, rowCount: Int, columnCount: Int) {
        precondition((2...8).contains(layout.bits) && rowCount > 0 && columnCount > 0, "integers of no such size")
        precondition(!layout.isInterleaved || layout.bits == 4 && rowCount % 8 == 0, "only words of eight interleave")
        let shape = layout.wordShape(rows: rowCount, columns: columnCount)
        precondition(bytes.count == shape[0] * shape[1] * 4, "words of another shape")
        self.layout = layout
        self.rowCount = rowCount
        self.columnCount = columnCount
        // The precondition guarantees that there are bytes, hence an address.
        words = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
    }

    var integers: pg_integers { layout.integers(words, rows: rowCount, columns: columnCount) }

    /// All values, row by row: shape [rowCount, columnCount].
    public func values() -> [UInt8] {
        var integers = integers
        return [UInt8](unsafeUninitializedCapacity: rowCount * columnCount) { buffer, count in
            if let out = buffer.baseAddress {
                for row in 0..<rowCount {
                    pg_read_integers(&integers, Int32(row), Int32(columnCount), out + row * columnCount)
                }
            }
            count = rowCount * columnCount
        }
    }
}

/// weight[row, column] = scales[row, g] × (code[row, column] − zeroPoints[row, g]) where g = groupOfColumn[column].
public struct CodedMatrix {
    public let codes: PackedIntegers
    /// Shape [rowCount, groupCount].
    public let scales: [Float]
    public let zeroPoints: [Int16]
    /// Shape [columnCount].
    public let groupOfColumn: [Int32]
    public let groupCount: Int
    /// Those to be packed, of all that there are codes for.
    let rows: Range<Int>

    /// - Parameters:
    ///   - scales: Finite.
    ///   - zeroPoints: 0 to 256.
    ///   - groupOfColumn: Each below `groupCount`.
    ///   - rows: Those to be packed; nil: all.
    public init(
        codes: PackedIntegers, scales: [Float], zeroPoints: [Int16], groupOfColumn: [Int32], groupCount: Int,
        rows: Range<Int>? = nil
    ) {
        let rows = rows ?? 0..<codes.rowCount
        precondition(rows.lowerBound >= 0 && rows.upperBound <= codes.rowCount, "rows out of range")
        let size = codes.rowCount * groupCount
        precondition(scales.count == size && zeroPoints.count == size, "scales of another shape")
        precondition(zeroPoints.allSatisfy { (0...256).contains($0) }, "zero point out of range")
        precondition(
            groupOfColumn.count == codes.columnCount
                && groupOfColumn.allSatisfy { $0 >= 0 && Int($0) < groupCount }, "group out of range")
        self.codes = codes
        self.scales = scales
        self.zeroPoints = zeroPoints
        self.groupOfColumn = groupOfColumn
        self.groupCount = groupCount
        self.rows = rows
    }

    var rowCount: Int { rows.count }
    var columnCount: Int { codes.columnCount }

    /// Whether packed forms of 4 bits hold its codes.
    var fitsFourBits: Bool { codes.layout.bits <= 4 }

    /// How its columns come to stand in groups of one scale.
    var grouping: ColumnGrouping { ColumnGrouping(groupOfColumn) }

    /// Whether fp16 can hold its scales, and 256 times as much for minima.
    var fitsHalfPrecision: Bool { scales.allSatisfy { abs($0) <= 255 } }

    /// Whether every code less its zero point plus 8 is 0…15.
    var isCentred: Bool {
        let greatest = 1 << codes.layout.bits
        return fitsFourBits && zeroPoints.allSatisfy { $0 >= greatest - 8 && $0 <= 8 }
    }
}

/// How the columns of a matrix are to be ordered so that neighbours share a scale, as packed forms want it.
///
/// GPTQ's act-order scatters the columns of a group; then they are brought together, and whoever multiplies with the
/// matrix reads its input in the same order.
struct ColumnGrouping: Equatable {
    /// Columns that share a scale: 32, 16, or 1 if no order helps.
    let width: Int
    /// Column i of the packed matrix is column order[i] of the checkpoint; nil leaves them as they are.
    let order: [Int32]?

    init(_ groupOfColumn: [Int32]) {
        let isSorted = zip(groupOfColumn, groupOfColumn.dropFirst()).allSatisfy { $0 <= $1 }
        let sorted =
            isSorted
            ? nil
            : groupOfColumn.indices.sorted {
                (groupOfColumn[$0], $0) < (groupOfColumn[$1], $1)
            }.map { Int32($0) }
        for width in [32, 16] where groupOfColumn.count % 32 == 0 {
            for order in [nil, sorted] where Self.isUniform(groupOfColumn, order, width: width) {
                self.width = width
                self.order = order
                return
            }
        }
        width = 1
        order = nil
    }

    private static func isUniform(_ groups: [Int32], _ order: [Int32]?, width: Int) -> Bool {
        func group(_ column: Int) -> Int32 { groups[order.map { Int($0[column]) } ?? column] }
        return groups.indices.allSatisfy { group($0) == group($0 / width * width) }
    }
}
