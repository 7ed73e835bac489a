// One request behind a number.

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The trace of a request, by which an exemplar leads to it: 128 bits, as W3C Trace Context has it.
@frozen
public struct ExemplarTrace: Sendable, Hashable {
    public let high: UInt64
    public let low: UInt64

    @inlinable
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}

/// The last observation of a bucket, or increment of a counter, that had a trace.
struct Exemplar: Sendable, Equatable {
    /// How many words it takes in a recorder.
    static let wordCount = 4

    let trace: ExemplarTrace
    let value: Double
    /// Since the epoch; positive, which tells an exemplar from none.
    let milliseconds: Int64

    /// Milliseconds since the epoch.
    @Sendable
    static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// 32 digits, as traces are written everywhere.
    func appendTraceID(to out: inout [UInt8]) {
        for half in [trace.high, trace.low] {
            for shift in stride(from: UInt64(60), through: 0, by: -4) {
                let digit = UInt8(half >> shift & 0xF)
                out.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit)
            }
        }
    }

    var traceID: String {
        var digits: [UInt8] = []
        appendTraceID(to: &digits)
        return String(decoding: digits, as: UTF8.self)
    }
}
