// The exact decimal digits of a number, for formats that fix how many are shown.

/// A finite magnitude as `0.d₁d₂d₃… × 10^point`, exactly: every `Double` has a finite decimal expansion.
struct DecimalExpansion {
    private var digits: [UInt8]
    private var point: Int

    init(_ value: Double) {
        let magnitude = value.isFinite ? value.magnitude : 0
        let isNormal = magnitude.isNormal
        let significand = magnitude.significandBitPattern | (isNormal ? 1 << 52 : 0)
        let exponent = (isNormal ? Int(magnitude.exponentBitPattern) : 1) - 1075
        var number = BigNumber(significand)
        // m × 2⁻ᵏ is m × 5ᵏ × 10⁻ᵏ.
        number.multiply(by: exponent < 0 ? 5 : 2, times: Int(exponent.magnitude))
        digits = number.digits
        point = digits.count + min(exponent, 0)
        if digits.isEmpty { point = 0 }
    }

    /// As `%.nf` shows it.
    func fixed(fractionDigits: Int) -> String {
        let (rounded, point) = rounded(to: self.point + fractionDigits)
        let padded = [UInt8](repeating: 0, count: max(0, 1 - point)) + rounded
        let wholeCount = max(point, 1)
        let whole = padded.prefix(wholeCount) + Array(repeating: 0, count: max(0, wholeCount - padded.count))
        var fraction = Array(padded.dropFirst(wholeCount).prefix(fractionDigits))
        fraction += Array(repeating: 0, count: fractionDigits - fraction.count)
        return Self.text(whole) + (fractionDigits > 0 ? "." + Self.text(fraction) : "")
    }

    /// Digits as `%.ne` shows them, and the power of ten of the first.
    func scientific(digitCount: Int) -> (digits: String, exponent: Int) {
        let (rounded, point) = rounded(to: digitCount)
        let padded = rounded + Array(repeating: 0, count: max(0, digitCount - rounded.count))
        return (Self.text(padded[...]), digits.isEmpty ? 0 : point - 1)
    }

    /// The first `count` digits, a half going to the even neighbour, and where the point is then.
    private func rounded(to count: Int) -> (digits: [UInt8], point: Int) {
        guard count < digits.count else { return (digits, point) }
        guard count >= 0 else { return ([], point) }
        var kept = Array(digits.prefix(count))
        let rest = digits.dropFirst(count)
        let isAboveHalf = rest.first.map { $0 > 5 || ($0 == 5 && rest.dropFirst().contains { $0 > 0 }) } ?? false
        let isHalf = rest.first == 5 && !isAboveHalf
        guard isAboveHalf || (isHalf && (kept.last ?? 0) & 1 == 1) else { return (kept, point) }
        var index = kept.count - 1
        while index >= 0, kept[index] == 9 {
            kept[index] = 0
            index -= 1
        }
        if index >= 0 {
            kept[index] += 1
            return (kept, point)
        }
        return ([1] + kept, point + 1)
    }

    private static func text(_ digits: some Sequence<UInt8>) -> String {
        String(decoding: digits.map { $0 + UInt8(ascii: "0") }, as: UTF8.self)
    }
}

/// A whole number of any size, as far as `DecimalExpansion` needs one.
private struct BigNumber {
    /// In base 10⁹, the lowest first.
    private var limbs: [UInt64]
    private static let base: UInt64 = 1_000_000_000

    init(_ value: UInt64) {
        limbs = [value % Self.base, value / Self.base % Self.base, value / Self.base / Self.base]
    }

    mutating func multiply(by factor: UInt64, times: Int) {
        var remaining = times
        while remaining > 0 {
            // Ten factors at once, none above 5: a limb's product stays far below 2⁶⁴.
            let count = min(remaining, 10)
            let product = (0..<count).reduce(UInt64(1)) { result, _ in result * factor }
            var carry: UInt64 = 0
            for index in limbs.indices {
                let value = limbs[index] * product + carry
                limbs[index] = value % Self.base
                carry = value / Self.base
            }
            if carry > 0 { limbs.append(carry) }
            remaining -= count
        }
    }

    /// The highest first, without leading zeros.
    var digits: [UInt8] {
        var digits: [UInt8] = []
        for limb in limbs.reversed() {
            var divisor = Self.base / 10
            while divisor > 0 {
                digits.append(UInt8(limb / divisor % 10))
                divisor /= 10
            }
        }
        return Array(digits.drop { $0 == 0 })
    }
}
