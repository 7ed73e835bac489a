// A span as a collector sees it.

/// Decoded from an ExportTraceServiceRequest; ids in hexadecimal.
public struct ReceivedSpan: Sendable {
    public enum Attribute: Sendable, Hashable {
        case text(String)
        case flag(Bool)
        case integer(Int64)
        case number(Double)
    }

    public struct Event: Sendable {
        public var name: String
        public var time: UInt64
    }

    public var traceID: String
    public var spanID: String
    /// Empty if it has none.
    public var parentID: String
    public var traceState: String
    public var name: String
    /// 1: internal, 2: server.
    public var kind: UInt64
    /// Nanoseconds since 1970.
    public var start: UInt64
    public var end: UInt64
    public var attributes: [String: Attribute]
    public var events: [Event]
    /// 0: unset, 1: ok, 2: error.
    public var status: UInt64
    public var statusMessage: String
    public var resource: [String: Attribute]

    /// All spans of a request's body; nil if it is no such request.
    public static func all(in body: [UInt8]) -> [ReceivedSpan]? {
        guard let request = ProtobufMessage(body) else { return nil }
        return request.messages(1).flatMap { resourceSpans in
            let resource = attributes(resourceSpans.messages(1).flatMap { $0.messages(1) })
            return resourceSpans.messages(2).flatMap { scopeSpans in
                scopeSpans.messages(2).map { ReceivedSpan($0, resource: resource) }
            }
        }
    }

    private init(_ span: ProtobufMessage, resource: [String: Attribute]) {
        traceID = Self.hexadecimal(span.bytes(1))
        spanID = Self.hexadecimal(span.bytes(2))
        traceState = span.text(3) ?? ""
        parentID = Self.hexadecimal(span.bytes(4))
        name = span.text(5) ?? ""
        kind = span.number(6) ?? 0
        start = span.number(7) ?? 0
        end = span.number(8) ?? 0
        attributes = Self.attributes(span.messages(9))
        events = span.messages(11).map { Event(name: $0.text(2) ?? "", time: $0.number(1) ?? 0) }
        status = span.messages(15).first?.number(3) ?? 0
        statusMessage = span.messages(15).first?.text(2) ?? ""
        self.resource = resource
    }

    private static func attributes(_ pairs: [ProtobufMessage]) -> [String: Attribute] {
        var attributes: [String: Attribute] = [:]
        for pair in pairs {
            guard let name = pair.text(1), let value = pair.messages(2).first?.fields.first else { continue }
            switch (value.number, value.value) {
            case (1, .bytes(let bytes)): attributes[name] = .text(String(decoding: bytes, as: UTF8.self))
            case (2, .varint(let flag)): attributes[name] = .flag(flag != 0)
            case (3, .varint(let number)): attributes[name] = .integer(Int64(bitPattern: number))
            case (4, .fixed64(let bits)): attributes[name] = .number(Double(bitPattern: bits))
            default: continue
            }
        }
        return attributes
    }

    private static func hexadecimal(_ bytes: [UInt8]?) -> String {
        (bytes ?? []).map { byte in
            let digits = String(byte, radix: 16)
            return digits.utf8.count == 2 ? digits : "0" + digits
        }.joined()
    }
}
