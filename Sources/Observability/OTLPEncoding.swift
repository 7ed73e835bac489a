// Spans as OTLP has them: opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest, in protobuf.

import Primitives
import Telemetry
import Tracing

/// What the spans' trace shows as their origin.
struct OTLPResource: Sendable {
    /// Names and values of its attributes.
    var attributes: [(name: String, value: String)]
    /// Of the library that made the spans.
    var scopeName: String
    var scopeVersion: String

    /// The body of a request to a collector.
    func request(exporting spans: [SpanRecord]) -> [UInt8] {
        var writer = ProtobufWriter(capacity: 256 + spans.count * 768)
        // resource_spans
        writer.message(1) { writer in
            // resource
            writer.message(1) { writer in
                for (name, value) in attributes { writer.attribute(1, name, .string(value)) }
            }
            // scope_spans
            writer.message(2) { writer in
                writer.message(1) { writer in
                    writer.string(1, scopeName)
                    writer.string(2, scopeVersion)
                }
                for span in spans {
                    writer.message(2) { $0.span(span) }
                }
            }
        }
        return writer.bytes
    }
}

extension ProtobufWriter {
    fileprivate mutating func span(_ span: SpanRecord) {
        bytes(1, span.place.traceID.bytes)
        bytes(2, span.place.spanID.bytes)
        if !span.place.state.isEmpty { string(3, span.place.state) }
        if let parent = span.parent { bytes(4, parent.bytes) }
        string(5, span.name)
        unsigned(6, span.kind.number)
        fixed64(7, span.start)
        fixed64(8, span.end)
        attributes(9, span.attributes)
        for event in span.events {
            message(11) { writer in
                writer.fixed64(1, event.nanosecondsSinceEpoch)
                writer.string(2, event.name)
                writer.attributes(3, event.attributes)
            }
        }
        if span.droppedEventCount > 0 { unsigned(12, UInt64(span.droppedEventCount)) }
        for link in span.links {
            guard let place = link.context.traceContext else { continue }
            message(13) { writer in
                writer.bytes(1, place.traceID.bytes)
                writer.bytes(2, place.spanID.bytes)
                if !place.state.isEmpty { writer.string(3, place.state) }
                writer.attributes(4, link.attributes)
            }
        }
        if span.droppedLinkCount > 0 { unsigned(14, UInt64(span.droppedLinkCount)) }
        if let status = span.status {
            message(15) { writer in
                if let text = status.message { writer.string(2, text) }
                writer.unsigned(3, status.code == .ok ? 1 : 2)
            }
        }
        // Whether the trace is sampled: only such spans are sent.
        fixed32(16, 1)
    }

    fileprivate mutating func attributes(_ field: Int, _ attributes: SpanAttributes) {
        attributes.forEach { name, value in attribute(field, name, value) }
    }

    /// A KeyValue.
    fileprivate mutating func attribute(_ field: Int, _ name: String, _ value: SpanAttribute) {
        message(field) { writer in
            writer.string(1, name)
            writer.message(2) { $0.anyValue(value) }
        }
    }

    private mutating func anyValue(_ value: SpanAttribute) {
        switch value {
        case .string(let text): string(1, text)
        case .bool(let flag): unsigned(2, flag ? 1 : 0)
        case .int32(let number): unsigned(3, UInt64(bitPattern: Int64(number)))
        case .int64(let number): unsigned(3, UInt64(bitPattern: number))
        case .double(let number): double(4, number)
        case .stringArray(let elements): arrayValue(elements.map { .string($0) })
        case .boolArray(let elements): arrayValue(elements.map { .bool($0) })
        case .int32Array(let elements): arrayValue(elements.map { .int32($0) })
        case .int64Array(let elements): arrayValue(elements.map { .int64($0) })
        case .doubleArray(let elements): arrayValue(elements.map { .double($0) })
        case .stringConvertible(let element): string(1, "\(element)")
        case .stringConvertibleArray(let elements): arrayValue(elements.map { .string("\($0)") })
        default: string(1, "\(value)")
        }
    }

    private mutating func arrayValue(_ elements: [SpanAttribute]) {
        message(5) { writer in
            for element in elements {
                writer.message(1) { $0.anyValue(element) }
            }
        }
    }
}

extension TraceID {
    fileprivate var bytes: [UInt8] { high.bigEndianBytes + low.bigEndianBytes }
}

extension SpanID {
    fileprivate var bytes: [UInt8] { value.bigEndianBytes }
}

extension UInt64 {
    fileprivate var bigEndianBytes: [UInt8] {
        stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: self >> UInt64($0)) }
    }
}

extension SpanKind {
    /// Of the enumeration in opentelemetry.proto.trace.v1.
    fileprivate var number: UInt64 {
        switch self {
        case .internal: 1
        case .server: 2
        case .client: 3
        case .producer: 4
        case .consumer: 5
        }
    }
}

// MARK: - The collector's answer

extension OTLPResource {
    /// How many spans the collector did not take although it took the batch: ExportTraceServiceResponse's
    /// partial_success.rejected_spans. 0 for what can't be read, as for an empty answer.
    static func rejectedSpanCount(_ answer: [UInt8]) -> Int {
        var fields = ProtobufFields(answer[...])
        while let field = fields.next() {
            guard field.number == 1, case .bytes(let partialSuccess) = field.value else { continue }
            var members = ProtobufFields(partialSuccess)
            while let member = members.next() {
                guard member.number == 1, case .varint(let count) = member.value else { continue }
                return Int(clamping: max(0, Int64(bitPattern: count)))
            }
        }
        return 0
    }
}

/// The fields of a message, in their order; ends at the first that can't be read.
private struct ProtobufFields {
    enum Value {
        case varint(UInt64)
        case bytes(ArraySlice<UInt8>)
        case fixed
    }

    private var rest: ArraySlice<UInt8>

    init(_ message: ArraySlice<UInt8>) {
        rest = message
    }

    mutating func next() -> (number: UInt64, value: Value)? {
        guard let tag = varint() else { return nil }
        switch tag & 7 {
        case 0: return varint().map { (tag >> 3, .varint($0)) }
        case 1: return take(8).map { _ in (tag >> 3, .fixed) }
        case 2: return varint().flatMap { take($0) }.map { (tag >> 3, .bytes($0)) }
        case 5: return take(4).map { _ in (tag >> 3, .fixed) }
        default: return nil
        }
    }

    private mutating func varint() -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard let byte = rest.popFirst() else { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }

    private mutating func take(_ count: UInt64) -> ArraySlice<UInt8>? {
        guard count <= UInt64(rest.count) else { return nil }
        defer { rest = rest.dropFirst(Int(count)) }
        return rest.prefix(Int(count))
    }
}
