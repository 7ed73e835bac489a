// Protobuf's wire format, as much of it as metrics and spans need.

/// Appends fields of a message, whatever they mean; that numbers and types are the message's own is the caller's care.
public struct ProtobufWriter: Sendable {
    public private(set) var bytes: [UInt8] = []

    public init(capacity: Int = 0) {
        bytes.reserveCapacity(capacity)
    }

    public mutating func unsigned(_ field: Int, _ value: UInt64) {
        tag(field, wireType: 0)
        varint(value)
    }

    /// An sint32 or sint64: small numbers are short, negative ones too.
    public mutating func signed(_ field: Int, _ value: Int64) {
        tag(field, wireType: 0)
        varint(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
    }

    public mutating func double(_ field: Int, _ value: Double) {
        fixed64(field, value.bitPattern)
    }

    public mutating func fixed64(_ field: Int, _ value: UInt64) {
        tag(field, wireType: 1)
        littleEndian(value)
    }

    public mutating func fixed32(_ field: Int, _ value: UInt32) {
        tag(field, wireType: 5)
        littleEndian(value)
    }

    public mutating func bytes(_ field: Int, _ bytes: [UInt8]) {
        tag(field, wireType: 2)
        varint(UInt64(bytes.count))
        self.bytes += bytes
    }

    public mutating func string(_ field: Int, _ text: String) {
        tag(field, wireType: 2)
        varint(UInt64(text.utf8.count))
        bytes += text.utf8
    }

    public mutating func message(_ field: Int, _ body: (inout ProtobufWriter) -> Void) {
        tag(field, wireType: 2)
        delimited(body)
    }

    /// What `body` writes, with its length in front.
    mutating func delimited(_ body: (inout ProtobufWriter) -> Void) {
        // Most lengths take one byte; for a longer one the message moves up.
        let start = bytes.count
        bytes.append(0)
        body(&self)
        var length = UInt64(bytes.count - start - 1)
        var position = start
        while length >= 0x80 {
            bytes[position] = UInt8(truncatingIfNeeded: length) | 0x80
            length >>= 7
            position += 1
            bytes.insert(0, at: position)
        }
        bytes[position] = UInt8(truncatingIfNeeded: length)
    }

    /// Fields that are encoded already.
    mutating func append(_ fields: [UInt8]) {
        bytes += fields
    }

    private mutating func littleEndian(_ value: some FixedWidthInteger & UnsignedInteger) {
        for shift in stride(from: 0, to: value.bitWidth, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    private mutating func tag(_ field: Int, wireType: Int) {
        varint(UInt64(field << 3 | wireType))
    }

    private mutating func varint(_ value: UInt64) {
        var value = value
        while value >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: value))
    }
}
