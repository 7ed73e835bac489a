// Numbers with a fixed count of decimals.

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

public enum FixedDecimal {
    /// As C's and Python's `%.2f`: the exact value, rounded half to even.
    public static func text(_ value: Double, fractionDigits: Int) -> String {
        // The greatest double has 309 digits before the point.
        var characters = [CChar](repeating: 0, count: 320 + fractionDigits)
        let count = withVaList([Int32(clamping: fractionDigits), value]) {
            vsnprintf(&characters, characters.count, "%.*f", $0)
        }
        let digits = characters.prefix(max(0, Int(count))).map { UInt8(bitPattern: $0) }
        return String(decoding: digits, as: UTF8.self)
    }
}
