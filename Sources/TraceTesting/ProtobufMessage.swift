// Any message of protobuf's wire format, taken apart by field numbers.

/// Reads what a test looks for; whatever can't be read is not there.
public struct ProtobufMessage: Sendable {
    public enum Value: Sendable, Equatable {
        case varint(UInt64)
        case fixed64(UInt64)
        case fixed32(UInt32)
        case bytes([UInt8])
    }

    /// In the order in which they came.
    public private(set) var fields: [(number: Int, value: Value)] = []

    /// Nil unless all of it is well-formed.
    public init?(_ bytes: [UInt8]) {
        var reader = Reader(rest: bytes[...])
        while !reader.rest.isEmpty {
            guard let tag = reader.varint(), let number = Int(exactly: tag >> 3), number > 0,
                let value = reader.value(wireType: tag & 7)
            else { return nil }
            fields.append((number, value))
        }
    }

    public func messages(_ number: Int) -> [ProtobufMessage] {
        fields.compactMap { field in
            guard field.number == number, case .bytes(let bytes) = field.value else { return nil }
            return ProtobufMessage(bytes)
        }
    }

    public func bytes(_ number: Int) -> [UInt8]? {
        guard case .bytes(let bytes)? = last(number) else { return nil }
        return bytes
    }

    public func text(_ number: Int) -> String? {
        bytes(number).flatMap { String(validating: $0, as: UTF8.self) }
    }

    public func number(_ number: Int) -> UInt64? {
        switch last(number) {
        case .varint(let value), .fixed64(let value): value
        case .fixed32(let value): UInt64(value)
        case .bytes, nil: nil
        }
    }

    private func last(_ number: Int) -> Value? {
        fields.last { $0.number == number }?.value
    }

    private struct Reader {
        var rest: ArraySlice<UInt8>

        mutating func value(wireType: UInt64) -> Value? {
            switch wireType {
            case 0: varint().map { .varint($0) }
            case 1: fixed(8).map { .fixed64($0) }
            case 2: varint().flatMap { Int(exactly: $0) }.flatMap { take($0) }.map { .bytes(Array($0)) }
            case 5: fixed(4).map { .fixed32(UInt32($0)) }
            default: nil
            }
        }

        mutating func varint() -> UInt64? {
            var value: UInt64 = 0
            for shift in stride(from: UInt64(0), to: 64, by: 7) {
                guard let byte = rest.popFirst() else { return nil }
                value |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return value }
            }
            return nil
        }

        mutating func fixed(_ count: Int) -> UInt64? {
            take(count)?.reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }

        mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
            guard count <= rest.count else { return nil }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
    }
}
