// Numbers as Python's Prometheus client writes them.

/// Dashboards and recording rules match bucket bounds as text, so that vLLM's must come out to the byte.
enum NumberText {
    static func text(_ value: Double) -> String {
        var bytes: [UInt8] = []
        append(value, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// `1.0`, `0.005`, `1e+06`, `+Inf`: the shortest decimal that reads back as `value`, with a point or an exponent.
    static func append(_ value: Double, to out: inout [UInt8]) {
        if value.isNaN {
            out += "NaN".utf8
        } else if value.isInfinite {
            out += value > 0 ? "+Inf".utf8 : "-Inf".utf8
        } else if value.sign == .plus, value < 1_000_000, value == value.rounded(.towardZero) {
            // Most values are counts, and small.
            out += String(Int(value)).utf8
            out += ".0".utf8
        } else {
            let (digits, exponent) = decimal(value.magnitude)
            if value.sign == .minus { out.append(UInt8(ascii: "-")) }
            // Python's repr has exponents below 1e-4 and from 1e16 on; the client, as Go, from 1e6 on if positive.
            if exponent < -4 || exponent >= 16 || (value > 0 && exponent >= 6) {
                appendScientific(digits, exponent: exponent, to: &out)
            } else {
                appendPositional(digits, exponent: exponent, to: &out)
            }
        }
    }

    /// Significant digits without zeros at either end (one zero for 0) and the power of ten of the first.
    private static func decimal(_ value: Double) -> (digits: [UInt8], exponent: Int) {
        let text = value.description.utf8
        let mantissa = text.prefix { $0 != UInt8(ascii: "e") }
        let written = Int(String(decoding: text.dropFirst(mantissa.count + 1), as: UTF8.self)) ?? 0
        let whole = mantissa.prefix { $0 != UInt8(ascii: ".") }
        let all = mantissa.filter { $0 != UInt8(ascii: ".") }
        let leadingZeros = all.prefix { $0 == UInt8(ascii: "0") }.count
        var digits = Array(all.dropFirst(leadingZeros))
        while digits.last == UInt8(ascii: "0") { digits.removeLast() }
        guard !digits.isEmpty else { return ([UInt8(ascii: "0")], 0) }
        return (digits, written + whole.count - 1 - leadingZeros)
    }

    private static func appendScientific(_ digits: [UInt8], exponent: Int, to out: inout [UInt8]) {
        out.append(digits[0])
        if digits.count > 1 {
            out.append(UInt8(ascii: "."))
            out += digits.dropFirst()
        }
        out += exponent < 0 ? "e-".utf8 : "e+".utf8
        if exponent.magnitude < 10 { out.append(UInt8(ascii: "0")) }
        out += String(exponent.magnitude).utf8
    }

    private static func appendPositional(_ digits: [UInt8], exponent: Int, to out: inout [UInt8]) {
        let zero = UInt8(ascii: "0")
        if exponent < 0 {
            out += "0.".utf8
            out += repeatElement(zero, count: -exponent - 1)
            out += digits
            return
        }
        let fraction = digits.dropFirst(exponent + 1)
        out += digits.prefix(exponent + 1)
        out += repeatElement(zero, count: max(0, exponent + 1 - digits.count))
        out.append(UInt8(ascii: "."))
        if fraction.isEmpty { out.append(zero) } else { out += fraction }
    }
}
