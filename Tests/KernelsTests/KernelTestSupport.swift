// Seeded inputs for kernel tests, and the paths on which every variant is run.

import Kernels

/// A small deterministic generator (SplitMix64, Steele et al. 2014): the same inputs on every machine.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func floats(_ count: Int, in range: ClosedRange<Float> = -1...1) -> [Float] {
        (0..<count).map { _ in Float.random(in: range, using: &self) }
    }
}

/// Blocks of random codes with scales of ordinary size, as a checkpoint would hold them.
func randomRows(
    _ format: StorageFormat, rows: Int, columns: Int, _ random: inout SeededGenerator
) -> [UInt8] {
    let blocks = rows * columns / format.blockElements
    var bytes: [UInt8] = []
    for _ in 0..<blocks {
        var block = (0..<format.blockBytes).map { _ in UInt8.random(in: 0...255, using: &random) }
        // Packing takes −128, which no quantiser writes, for −127.
        if format == .q8_0 { block = block.map { $0 == 0x80 ? 0x81 : $0 } }
        switch format {
        case .float32: replace(Float.random(in: -1...1, using: &random).bitPattern, in: &block, at: 0)
        case .float16: replace(half(&random), in: &block, at: 0)
        case .bfloat16: replace(UInt16(Float.random(in: -1...1, using: &random).bitPattern >> 16), in: &block, at: 0)
        default: for offset in scaleOffsets(format) { replace(half(&random), in: &block, at: offset) }
        }
        bytes += block
    }
    return bytes
}

/// Where the fp16 scales of a block stand.
private func scaleOffsets(_ format: StorageFormat) -> [Int] {
    switch format {
    case .q4_1, .q5_1, .q4_K, .q5_K: [0, 2]
    case .q2_K: [80, 82]
    case .q3_K: [108]
    case .q6_K: [208]
    default: [0]
    }
}

/// An fp16 between 2^-8 and 2^-5, of either sign.
private func half(_ random: inout SeededGenerator) -> UInt16 {
    UInt16.random(in: 0...1, using: &random) << 15 | UInt16.random(in: 7...9, using: &random) << 10
        | UInt16.random(in: 0...1023, using: &random)
}

private func replace<Value: FixedWidthInteger>(_ value: Value, in block: inout [UInt8], at offset: Int) {
    withUnsafeBytes(of: value.littleEndian) { bytes in
        for (index, byte) in bytes.enumerated() { block[offset + index] = byte }
    }
}

/// The fp32 values of rows, by the reference decoder.
func decoded(_ bytes: [UInt8], _ format: StorageFormat, rows: Int, columns: Int) -> [[Float]] {
    let all = bytes.withUnsafeBytes { Dequantize.decode($0, format: format, elementCount: rows * columns) }
    return (0..<rows).map { Array(all[$0 * columns..<($0 + 1) * columns]) }
}

func matrix(_ rows: [[Float]], in arena: Arena) throws -> FloatMatrix {
    let matrix = try FloatMatrix(rows: rows.count, columns: rows[0].count, in: arena, purpose: "test")
    for (row, values) in rows.enumerated() {
        for (column, value) in values.enumerated() { matrix[row, column] = value }
    }
    return matrix
}

func rows(_ matrix: FloatMatrix) -> [[Float]] {
    (0..<matrix.rowCount).map { row in (0..<matrix.columnCount).map { matrix[row, $0] } }
}

/// ‖a − b‖ / ‖b‖.
func relativeDistance(_ a: [Float], _ b: [Double]) -> Double {
    let difference = zip(a, b).reduce(0.0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
    let norm = b.reduce(0.0) { $0 + $1 * $1 }
    return (difference / max(norm, 1e-30)).squareRoot()
}
