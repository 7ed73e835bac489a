// Values to bytes, piece by piece: for bodies that are written far more often than they are read.

/// Appends compact JSON to a buffer. Commas and colons come by themselves; that calls balance is the caller's care.
///
/// Strings are escaped as RFC 8259 demands and no further: text beyond ASCII goes out as UTF-8.
public struct JSONWriter: Sendable {
    public private(set) var bytes: [UInt8]
    /// Whether a value stands before the next one in the same container.
    private var needsComma = false

    /// - Parameter bytes: What the document is appended to; its capacity is kept.
    public init(appendingTo bytes: [UInt8] = []) {
        self.bytes = bytes
    }

    // MARK: - Containers

    public mutating func beginObject() { open(UInt8(ascii: "{")) }
    public mutating func endObject() { close(UInt8(ascii: "}")) }
    public mutating func beginArray() { open(UInt8(ascii: "[")) }
    public mutating func endArray() { close(UInt8(ascii: "]")) }

    public mutating func key(_ key: String) {
        separate()
        Self.appendString(key, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    private mutating func open(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    // MARK: - Values

    public mutating func null() {
        separate()
        bytes.append(contentsOf: "null".utf8)
    }

    public mutating func value(_ value: Bool) {
        separate()
        bytes.append(contentsOf: (value ? "true" : "false").utf8)
    }

    public mutating func value(_ value: some FixedWidthInteger) {
        separate()
        bytes.append(contentsOf: String(value).utf8)
    }

    /// The shortest decimal that reads back as the same number; null if it is infinite or not a number.
    public mutating func value(_ value: Double) {
        separate()
        Self.appendNumber(value, to: &bytes)
    }

    public mutating func value(_ value: String) {
        separate()
        Self.appendString(value, to: &bytes)
    }

    public mutating func value(_ value: JSONValue) {
        separate()
        JSONSerializer(style: .compact).append(value, to: &bytes)
    }

    /// A value that is JSON already, trusted as it is.
    public mutating func raw(_ json: some Sequence<UInt8>) {
        separate()
        bytes.append(contentsOf: json)
    }

    // MARK: - Pieces

    /// `text` between quotes.
    public static func appendString(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        appendEscaped(text, to: &bytes)
        bytes.append(UInt8(ascii: "\""))
    }

    /// What stands between the quotes, for callers that have the rest of a chunk at hand.
    public static func appendEscaped(_ text: String, to bytes: inout [UInt8]) {
        guard text.utf8.contains(where: needsEscape) else {
            bytes.append(contentsOf: text.utf8)
            return
        }
        for byte in text.utf8 {
            if needsEscape(byte) {
                appendEscape(of: byte, to: &bytes)
            } else {
                bytes.append(byte)
            }
        }
    }

    /// See `value(_:)`.
    public static func appendNumber(_ value: Double, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: NumberFormat.compact.text(of: value).utf8)
    }

    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    static func appendEscape(of byte: UInt8, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(byte)
        case 0x08: bytes.append(UInt8(ascii: "b"))
        case 0x09: bytes.append(UInt8(ascii: "t"))
        case 0x0A: bytes.append(UInt8(ascii: "n"))
        case 0x0C: bytes.append(UInt8(ascii: "f"))
        case 0x0D: bytes.append(UInt8(ascii: "r"))
        default: appendUnit(UInt16(byte), to: &bytes)
        }
    }

    /// `uXXXX`; the backslash is there already.
    static func appendUnit(_ unit: UInt16, to bytes: inout [UInt8]) {
        let digits = String(unit, radix: 16)
        bytes.append(UInt8(ascii: "u"))
        bytes.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: 4 - digits.utf8.count))
        bytes.append(contentsOf: digits.utf8)
    }
}
