// Numbers with units, in as many digits as people read.

public struct Quantity: Sendable, Equatable {
    public enum Unit: String, Sendable {
        /// 0 to 1, written in percent.
        case share
        case seconds
        case count
        case perSecond = "per_second"
        case bytes
        case bytesPerSecond = "bytes_per_second"
        case multiplyAddsPerSecond = "multiply_adds_per_second"
        /// How many times as much.
        case factor
    }

    public var value: Double
    public var unit: Unit

    public init(_ value: Double, _ unit: Unit) {
        self.value = value
        self.unit = unit
    }

    /// `97 %`, `1.24 s`, `83 ms`, `13.1 GB/s`.
    public var text: String {
        guard value.isFinite else { return "unknown" }
        switch unit {
        case .share: return Self.digits(value * 100) + " %"
        case .seconds: return value.magnitude < 1 ? Self.digits(value * 1000) + " ms" : Self.digits(value) + " s"
        case .count: return Self.digits(value)
        case .perSecond: return Self.digits(value) + "/s"
        case .bytes: return Self.scaled(value, by: 1024, ["B", "KiB", "MiB", "GiB", "TiB"])
        case .bytesPerSecond: return Self.scaled(value, by: 1000, ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"])
        case .multiplyAddsPerSecond:
            return Self.scaled(value, by: 1000, ["MAC/s", "kMAC/s", "MMAC/s", "GMAC/s", "TMAC/s"])
        case .factor: return Self.digits(value) + " times"
        }
    }

    private static func scaled(_ value: Double, by factor: Double, _ units: [String]) -> String {
        var value = value
        var index = 0
        while value.magnitude >= factor, index + 1 < units.count {
            value /= factor
            index += 1
        }
        return "\(digits(value)) \(units[index])"
    }

    /// Whole numbers whole, others in three digits at most; large ones in groups of three.
    static func digits(_ value: Double) -> String {
        let magnitude = value.magnitude
        let places = magnitude >= 99.95 || magnitude == magnitude.rounded() ? 0 : magnitude >= 9.995 ? 1 : 2
        let factor = places == 0 ? 1.0 : places == 1 ? 10.0 : 100.0
        guard let scaled = Int64(exactly: (magnitude * factor).rounded()) else { return value.description }
        let whole = grouped(scaled / Int64(factor))
        var fraction = String(scaled % Int64(factor))
        fraction = String(repeating: "0", count: max(0, places - fraction.count)) + fraction
        while fraction.last == "0" { fraction.removeLast() }
        let sign = value < 0 && scaled != 0 ? "-" : ""
        return sign + whole + (places == 0 || fraction.isEmpty ? "" : "." + fraction)
    }

    private static func grouped(_ value: Int64) -> String {
        let digits = Array(String(value))
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return text
    }
}
