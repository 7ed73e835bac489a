// The bits of many logits as one short number.

/// FNV-1a of 128 bits over fp32 values, each as its four little-endian bytes: any change of any bit shows.
///
/// Not against forgery; two rows that differ by accident have the same hash once in 2¹²⁸.
public struct LogitsHash: Sendable, Hashable, CustomStringConvertible {
    private var value: UInt128 = 0x6C62_272E_07BB_0142_62B8_2175_6295_C58D
    private static let prime: UInt128 = 0x0100_0000_0000_0000_0000_013B

    public init() {}

    public mutating func combine(_ byte: UInt8) {
        value = (value ^ UInt128(byte)) &* Self.prime
    }

    public mutating func combine(_ row: Span<Float>) {
        for index in 0..<row.count {
            let bits = row[index].bitPattern
            for shift: UInt32 in [0, 8, 16, 24] { combine(UInt8(truncatingIfNeeded: bits >> shift)) }
        }
    }

    /// Takes in another hash, by its 16 bytes from the lowest on.
    public mutating func combine(_ other: LogitsHash) {
        for shift in stride(from: 0, to: 128, by: 8) { combine(UInt8(truncatingIfNeeded: other.value >> shift)) }
    }

    /// 32 hexadecimal digits.
    public var description: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 32 - digits.count) + digits
    }
}
