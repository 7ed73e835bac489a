// Numbers as Python's Prometheus client writes them.

/// Dashboards and recording rules match bucket bounds as text, so that vLLM's must come out to the byte.
enum NumberText {
    /// `1.0`, `0.005`, `1e+06`, `+Inf`: the shortest decimal that reads back as `value`, with a point or an exponent.
    static func text(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        let (digits, exponent) = decimal(value.magnitude)
        let sign = value.sign == .minus ? "-" : ""
        // Python's repr has exponents below 1e-4 and from 1e16 on; the client, as Go, from 1e6 on if positive.
        if exponent < -4 || exponent >= 16 || (value > 0 && exponent >= 6) {
            return sign + scientific(digits, exponent: exponent)
        }
        return sign + positional(digits, exponent: exponent)
    }

    /// Significant digits without zeros at either end (one zero for 0) and the power of ten of the first.
    private static func decimal(_ value: Double) -> (digits: [Character], exponent: Int) {
        let parts = value.description.split(separator: "e", maxSplits: 1)
        let mantissa = parts.first ?? "0"
        let written = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        let whole = mantissa.prefix { $0 != "." }
        let all = mantissa.filter { $0 != "." }
        let leadingZeros = all.prefix { $0 == "0" }.count
        var digits = Array(all.dropFirst(leadingZeros))
        while digits.last == "0" { digits.removeLast() }
        guard !digits.isEmpty else { return (["0"], 0) }
        return (digits, written + whole.count - 1 - leadingZeros)
    }

    private static func scientific(_ digits: [Character], exponent: Int) -> String {
        let fraction = digits.count > 1 ? "." + String(digits.dropFirst()) : ""
        let power = exponent.magnitude < 10 ? "0\(exponent.magnitude)" : "\(exponent.magnitude)"
        return "\(digits[0])\(fraction)e\(exponent < 0 ? "-" : "+")\(power)"
    }

    private static func positional(_ digits: [Character], exponent: Int) -> String {
        if exponent < 0 {
            return "0." + String(repeating: "0", count: -exponent - 1) + String(digits)
        }
        let whole = String(digits.prefix(exponent + 1))
        let fraction = String(digits.dropFirst(exponent + 1))
        let padding = String(repeating: "0", count: exponent + 1 - whole.count)
        return "\(whole)\(padding).\(fraction.isEmpty ? "0" : fraction)"
    }
}
