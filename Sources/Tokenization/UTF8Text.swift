// Reading scalars out of bytes that are UTF-8.

/// Steps through valid UTF-8 (the bytes of a `String`) without making strings of its parts.
enum UTF8Text {
    /// The scalar that starts at `index`, and how many bytes it takes; never more than there are.
    static func scalar<Bytes>(at index: Int, in bytes: Bytes) -> (value: UInt32, width: Int)
    where Bytes: RandomAccessCollection, Bytes.Element == UInt8, Bytes.Index == Int {
        let lead = bytes[index]
        guard lead >= 0xC0 else { return (UInt32(lead), 1) }
        let width = min(width(ofLead: lead), bytes.endIndex - index)
        var value = UInt32(lead) & (0x7F >> UInt32(width))
        for offset in 1..<max(width, 1) { value = value << 6 | UInt32(bytes[index + offset] & 0x3F) }
        return (value, width)
    }

    /// The scalar that ends before `index`, which must not be 0, and how many bytes it takes.
    static func scalar(before index: Int, in bytes: [UInt8]) -> (value: UInt32, width: Int) {
        var start = index - 1
        while start > 0, index - start < 4, bytes[start] & 0xC0 == 0x80 { start -= 1 }
        return (scalar(at: start, in: bytes).value, index - start)
    }

    static func width(ofLead lead: UInt8) -> Int {
        switch lead {
        case ..<0xC0: 1
        case ..<0xE0: 2
        case ..<0xF0: 3
        default: 4
        }
    }

    /// How many bytes at the end of any `bytes` are the beginning of a character that is still incomplete: 0 to 3.
    static func incompleteSuffixCount(of bytes: [UInt8]) -> Int {
        for count in 1...3 where count <= bytes.count {
            let start = bytes.count - count
            let lead = bytes[start]
            if lead & 0xC0 == 0x80 { continue }
            return lead >= 0xC2 && lead <= 0xF4 && width(ofLead: lead) > count
                && (count == 1 || isSecondByte(bytes[start + 1], after: lead)) ? count : 0
        }
        return 0
    }

    /// Whether bytes after a lead byte can still become a character (Unicode, table 3-7): not overlong, no surrogate.
    private static func isSecondByte(_ byte: UInt8, after lead: UInt8) -> Bool {
        switch lead {
        case 0xE0: byte >= 0xA0
        case 0xED: byte < 0xA0
        case 0xF0: byte >= 0x90
        case 0xF4: byte < 0x90
        default: true
        }
    }
}
