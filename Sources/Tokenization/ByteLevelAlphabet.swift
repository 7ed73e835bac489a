// GPT-2's way of writing any byte as a printable character, in which byte-level vocabularies are published.

/// The mapping between bytes and the characters that stand for them (GPT-2's encoder.py, `bytes_to_unicode`):
/// printable Latin-1 characters stand for themselves, the other 68 bytes are U+0100 and up, in order.
enum ByteLevelAlphabet {
    /// The character for each byte.
    static let scalars: [UInt32] = {
        var next: UInt32 = 0x100
        return (UInt32(0)...255).map { byte in
            if isPrintable(byte) { return byte }
            defer { next += 1 }
            return next
        }
    }()

    /// The UTF-8 of the character for each byte, one or two bytes long.
    static let encodings: [[UInt8]] = scalars.map { value in
        value < 0x80 ? [UInt8(value)] : [UInt8(0xC0 | value >> 6), UInt8(0x80 | value & 0x3F)]
    }

    /// The byte for each character below U+0144; -1 for those that stand for none.
    private static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 0x144)
        for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar)] = Int16(byte) }
        return bytes
    }()

    /// Appends the bytes that `text` stands for; a text with any other character stands for its own UTF-8.
    static func decode(_ text: ArraySlice<UInt8>, into output: inout [UInt8]) {
        let start = output.count
        var index = text.startIndex
        while index < text.endIndex {
            let (scalar, width) = UTF8Text.scalar(at: index, in: text)
            guard scalar < 0x144, bytes[Int(scalar)] >= 0 else {
                output.removeSubrange(start...)
                output.append(contentsOf: text)
                return
            }
            output.append(UInt8(truncatingIfNeeded: bytes[Int(scalar)]))
            index += width
        }
    }

    private static func isPrintable(_ byte: UInt32) -> Bool {
        (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte)
    }
}
