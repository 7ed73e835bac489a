// Just enough of protobuf's wire format to look into an exposition.

/// The fields of a message, in order.
struct ProtobufReader {
    enum Value: Equatable {
        case number(UInt64)
        case bytes([UInt8])
    }

    struct Malformed: Error {}

    private var fields: [(number: Int, value: Value)] = []

    init(_ bytes: some Collection<UInt8>) throws {
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            let tag = try Self.varint(&rest)
            switch tag & 7 {
            case 0: fields.append((Int(tag >> 3), .number(try Self.varint(&rest))))
            case 1:
                let word = try Self.take(8, &rest).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                fields.append((Int(tag >> 3), .number(word)))
            case 2:
                let count = try Self.varint(&rest)
                fields.append((Int(tag >> 3), .bytes(try Self.take(Int(count), &rest))))
            default: throw Malformed()
            }
        }
    }

    /// The families of an exposition, each after its length.
    static func families(_ bytes: [UInt8]) throws -> [ProtobufReader] {
        var rest = bytes[...]
        var families: [ProtobufReader] = []
        while !rest.isEmpty {
            let count = try varint(&rest)
            families.append(try ProtobufReader(try take(Int(count), &rest)))
        }
        return families
    }

    func numbers(_ field: Int) -> [UInt64] {
        fields.compactMap { candidate in
            guard candidate.number == field, case .number(let value) = candidate.value else { return nil }
            return value
        }
    }

    func messages(_ field: Int) -> [ProtobufReader] {
        fields.compactMap { candidate in
            guard candidate.number == field, case .bytes(let bytes) = candidate.value else { return nil }
            return try? ProtobufReader(bytes)
        }
    }

    func number(_ field: Int) -> UInt64? { numbers(field).first }
    func double(_ field: Int) -> Double? { number(field).map { Double(bitPattern: $0) } }
    func message(_ field: Int) -> ProtobufReader? { messages(field).first }

    func string(_ field: Int) -> String? {
        for candidate in fields where candidate.number == field {
            if case .bytes(let bytes) = candidate.value { return String(decoding: bytes, as: UTF8.self) }
        }
        return nil
    }

    /// What an sint32 or sint64 stands for.
    static func signed(_ value: UInt64) -> Int {
        Int(truncatingIfNeeded: Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1))
    }

    private static func varint(_ rest: inout ArraySlice<UInt8>) throws -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while let byte = rest.popFirst() {
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw Malformed()
    }

    private static func take(_ count: Int, _ rest: inout ArraySlice<UInt8>) throws -> [UInt8] {
        guard count <= rest.count else { throw Malformed() }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }
}
