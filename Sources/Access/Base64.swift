// RFC 4648, strictly: one spelling for each sequence of bytes.

enum Base64 {
    enum Alphabet {
        /// With `+`, `/`, and padding to whole groups of four.
        case standard
        /// With `-`, `_`, and no padding.
        case url
    }

    /// Nil for anything that encoding would not have written.
    static func decode(_ text: some Collection<UInt8>, alphabet: Alphabet) -> [UInt8]? {
        var digits = Array(text)
        if alphabet == .standard {
            guard digits.count % 4 == 0 else { return nil }
            for _ in 0..<2 where digits.last == UInt8(ascii: "=") { digits.removeLast() }
        }
        guard digits.count % 4 != 1 else { return nil }
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for digit in digits {
            guard let value = value(of: digit, alphabet) else { return nil }
            bits = (bits << 6 | value) & 0xFFFF
            count += 6
            guard count >= 8 else { continue }
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        }
        // What is left over must be zero.
        guard bits & ((1 << UInt32(count)) - 1) == 0 else { return nil }
        return bytes
    }

    private static func value(of digit: UInt8, _ alphabet: Alphabet) -> UInt32? {
        switch (digit, alphabet) {
        case (UInt8(ascii: "A")...UInt8(ascii: "Z"), _): UInt32(digit) - 65
        case (UInt8(ascii: "a")...UInt8(ascii: "z"), _): UInt32(digit) - 97 + 26
        case (UInt8(ascii: "0")...UInt8(ascii: "9"), _): UInt32(digit) - 48 + 52
        case (UInt8(ascii: "+"), .standard), (UInt8(ascii: "-"), .url): 62
        case (UInt8(ascii: "/"), .standard), (UInt8(ascii: "_"), .url): 63
        default: nil
        }
    }
}
