// W3C Trace Context: how programs tell one another which trace a request belongs to.

public import Primitives

/// A place in a trace: one span, and whether its trace is recorded. What `traceparent` and `tracestate` say.
public struct TraceContext: Sendable, Equatable {
    public var traceID: TraceID
    public var spanID: SpanID
    public var isSampled: Bool
    /// The list of `tracestate`, handed on as it came; empty if there is none.
    public var state: String

    public init(traceID: TraceID, spanID: SpanID, isSampled: Bool, state: String = "") {
        self.traceID = traceID
        self.spanID = spanID
        self.isSampled = isSampled
        self.state = state
    }

    /// As a caller's headers have it. Nil unless `traceparent` came once and is valid; a bad `tracestate` is dropped.
    public init?(traceparent: [String], tracestate: [String]) {
        guard traceparent.count == 1, let parent = TraceContext(traceparent: traceparent[0]) else { return nil }
        self = parent
        state = Self.checkedState(tracestate)
    }

    /// `version-traceid-parentid-flags`, in lower-case hexadecimal. A version above 00 may go on after that.
    public init?(traceparent: String) {
        let bytes = Array(traceparent.utf8)
        guard bytes.count >= 55, let version = Self.hexadecimal(bytes[0..<2]), version != 0xFF,
            bytes.count == 55 || (version > 0 && bytes[55] == UInt8(ascii: "-")),
            [2, 35, 52].allSatisfy({ bytes[$0] == UInt8(ascii: "-") }),
            let high = Self.hexadecimal(bytes[3..<19]), let low = Self.hexadecimal(bytes[19..<35]),
            let span = Self.hexadecimal(bytes[36..<52]), let flags = Self.hexadecimal(bytes[53..<55]),
            let traceID = TraceID(high: high, low: low), let spanID = SpanID(span)
        else { return nil }
        self.init(traceID: traceID, spanID: spanID, isSampled: flags & 1 == 1)
    }

    /// For the next program, and in the answer.
    public var traceparent: String { "00-\(traceID)-\(spanID)-\(isSampled ? "01" : "00")" }

    /// At most 16 digits; capital ones are not allowed.
    private static func hexadecimal(_ digits: ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for digit in digits {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt64(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt64(digit - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return value
    }
}

// MARK: - tracestate

extension TraceContext {
    private static let longestState = 512
    private static let memberLimit = 32

    /// The members of all headers as one list; empty if any of them is not as the specification has it.
    private static func checkedState(_ headers: [String]) -> String {
        guard headers.reduce(0, { $0 + $1.utf8.count }) <= longestState else { return "" }
        let members = headers.flatMap { $0.utf8.split(separator: UInt8(ascii: ",")) }.map(trimmed)
            .filter { !$0.isEmpty }
        guard members.count <= memberLimit, members.allSatisfy(isMember) else { return "" }
        return members.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ",")
    }

    private static func trimmed(_ text: Substring.UTF8View) -> Substring.UTF8View {
        let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        var text = text.drop(while: isBlank)
        while let last = text.last, isBlank(last) { text.removeLast() }
        return text
    }

    /// `key=value`: lower-case key with an optional tenant before `@`, printable value without comma and equals sign.
    private static func isMember(_ member: Substring.UTF8View) -> Bool {
        guard let equals = member.firstIndex(of: UInt8(ascii: "=")) else { return false }
        let key = member[..<equals]
        let value = member[member.index(after: equals)...]
        guard (1...256).contains(key.count), (1...256).contains(value.count) else { return false }
        guard key.allSatisfy(isKeyByte), key.count(where: { $0 == UInt8(ascii: "@") }) <= 1, let first = key.first,
            isLowerCase(first) || isDigit(first)
        else { return false }
        return value.allSatisfy { (0x20...0x7E).contains($0) && $0 != UInt8(ascii: "=") }
    }

    private static func isKeyByte(_ byte: UInt8) -> Bool {
        isLowerCase(byte) || isDigit(byte) || "_-*/@".utf8.contains(byte)
    }

    private static func isLowerCase(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
