// By what a request is known to the programs that it passes through on its way.

/// A trace: everything that one request caused, in all programs. 128 bits, never all zero, as W3C Trace Context and
/// OpenTelemetry have it.
@frozen
public struct TraceID: Hashable, Sendable, CustomStringConvertible {
    public let high: UInt64
    public let low: UInt64

    /// Nil for zero, which names no trace.
    @inlinable
    public init?(high: UInt64, low: UInt64) {
        guard high | low != 0 else { return nil }
        self.high = high
        self.low = low
    }

    /// A new one. The low half is never zero, and it is what samples a trace.
    public static func random() -> TraceID {
        TraceID(nonZeroLow: .random(in: 1 ... .max), high: .random(in: .min ... .max))
    }

    private init(nonZeroLow low: UInt64, high: UInt64) {
        self.high = high
        self.low = low
    }

    /// 32 lower-case hexadecimal digits.
    public var description: String { Hexadecimal.text(high) + Hexadecimal.text(low) }
}

/// One span of a trace. 64 bits, never zero.
@frozen
public struct SpanID: Hashable, Sendable, CustomStringConvertible {
    public let value: UInt64

    /// Nil for zero, which names no span.
    @inlinable
    public init?(_ value: UInt64) {
        guard value != 0 else { return nil }
        self.value = value
    }

    private init(nonZero value: UInt64) {
        self.value = value
    }

    public static func random() -> SpanID {
        SpanID(nonZero: .random(in: 1 ... .max))
    }

    /// 16 lower-case hexadecimal digits.
    public var description: String { Hexadecimal.text(value) }
}

private enum Hexadecimal {
    static func text(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
