// The shortest decimal of a number, laid out as the peers lay it out.

/// Where exponents begin and how they look. The digits are Swift's: the fewest that read back as the same `Double`.
struct NumberFormat: Sendable, Equatable {
    /// Positions of the decimal point, counted from the first digit, for which no exponent is written.
    private let plainPositions: ClosedRange<Int>
    private let exponentDigits: Int

    /// As pydantic's serialiser writes response bodies: `0.00001`, `1e-6`, `1e+16`.
    static let compact = NumberFormat(plainPositions: -4...16, exponentDigits: 1)
    /// As Python's `repr`: `0.0001`, `1e-05`, `1e+16`.
    static let python = NumberFormat(plainPositions: -3...16, exponentDigits: 2)

    /// JSON has no word for infinity and NaN: they become null.
    func text(of value: Double) -> String {
        guard value.isFinite else { return "null" }
        // Here Swift and its peers agree; nearly every number is of this kind.
        if value == 0 || (1e-4..<1e15).contains(value.magnitude) { return value.description }
        let (digits, position) = Self.decimal(of: value.magnitude)
        return (value < 0 ? "-" : "") + layOut(digits: digits, position: position)
    }

    /// - Returns: Significant digits, and where the decimal point stands: `0.5` is (5, 0), `120` is (12, 3).
    private static func decimal(of magnitude: Double) -> (digits: Substring, position: Int) {
        let parts = magnitude.description.split(separator: "e")
        let mantissa = (parts.first ?? "0").split(separator: ".")
        let whole = mantissa.first ?? "0"
        let all = whole + (mantissa.dropFirst().first ?? "")
        let digits = all.drop { $0 == "0" }
        let exponent = parts.dropFirst().first.flatMap { Int($0) } ?? 0
        let trailingZeros = digits.reversed().prefix { $0 == "0" }.count
        return (digits.dropLast(trailingZeros), whole.count - (all.count - digits.count) + exponent)
    }

    private func layOut(digits: Substring, position: Int) -> String {
        guard plainPositions.contains(position) else { return exponential(digits: digits, exponent: position - 1) }
        if position <= 0 { return "0." + String(repeating: "0", count: -position) + digits }
        if position >= digits.count {
            return digits + String(repeating: "0", count: position - digits.count) + ".0"
        }
        return digits.prefix(position) + "." + digits.dropFirst(position)
    }

    private func exponential(digits: Substring, exponent: Int) -> String {
        let fraction = digits.dropFirst()
        let sign = exponent < 0 ? "-" : "+"
        let figures = String(exponent.magnitude)
        let padding = String(repeating: "0", count: max(0, exponentDigits - figures.count))
        return digits.prefix(1) + (fraction.isEmpty ? "" : "." + fraction) + "e" + sign + padding + figures
    }
}
