import Observability
import Primitives
import Testing
import Tracing

@Suite("Trace context")
struct TraceContextTests {
    private static let trace = "0af7651916cd43dd8448eb211c80319c"
    private static let span = "b7ad6b7169203331"

    @Test(
        "a caller's place in a trace is read as W3C Trace Context has it",
        arguments: [
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", false),
            // Only the last bit samples; the others are not ours to judge.
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03", true),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fe", false),
            // Of a later version the part that is known counts.
            ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes-later", true),
        ])
    func valid(header: String, isSampled: Bool) throws {
        let context = try #require(TraceContext(traceparent: [header], tracestate: []))
        #expect(context.traceID.description == Self.trace)
        #expect(context.spanID.description == Self.span)
        #expect(context.isSampled == isSampled)
        #expect(context.traceparent == "00-\(Self.trace)-\(Self.span)-\(isSampled ? "01" : "00")")
    }

    @Test(
        "what is no traceparent is none",
        arguments: [
            "", "-", "00", "00---", String(repeating: "0", count: 55), String(repeating: "-", count: 55),
            // Zero ids.
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            // The forbidden version, and lengths of version 00.
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01more",
            // Capitals, spaces, signs, letters past f, other digits, other dashes.
            "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
            " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-+1",
            "00-0xf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0gf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-\u{661}af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
            "0g-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nx: y",
            String(repeating: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01,", count: 1000),
        ])
    func invalid(header: String) {
        #expect(TraceContext(traceparent: [header], tracestate: []) == nil)
    }

    @Test("two places in a trace are none")
    func twoHeaders() {
        let header = "00-\(Self.trace)-\(Self.span)-01"
        #expect(TraceContext(traceparent: [], tracestate: ["a=b"]) == nil)
        #expect(TraceContext(traceparent: [header, header], tracestate: []) == nil)
    }

    @Test(
        "tracestate is handed on as one list, or dropped without harm to the rest",
        arguments: [
            ([], ""), (["congo=t61rcWkgMzE"], "congo=t61rcWkgMzE"),
            (["rojo=00f067aa0ba902b7 , congo=t61", "a-b_c*d/e@f=1"], "rojo=00f067aa0ba902b7,congo=t61,a-b_c*d/e@f=1"),
            (["a=1,,\t,b=2"], "a=1,b=2"),
            (["a"], ""), (["=1"], ""), (["a="], ""), (["A=1"], ""), (["a=b=c"], ""), (["a=\u{e9}"], ""),
            (["a=1", "b=\u{7}"], ""), (["@a=1"], ""), (["a@b@c=1"], ""),
            ([String(repeating: "a=1,", count: 32)], String(repeating: "a=1,", count: 31) + "a=1"),
            ([String(repeating: "a=1,", count: 33)], ""),
            (["a=" + String(repeating: "x", count: 257)], ""),
            ([String(repeating: "abcdefghij=0123456789,", count: 30)], ""),
        ])
    func state(headers: [String], list: String) throws {
        let context = try #require(
            TraceContext(traceparent: ["00-\(Self.trace)-\(Self.span)-01"], tracestate: headers))
        #expect(context.state == list)
    }

    @Test("a span continues the caller's trace and its decision, and what begins here is sampled by its ratio")
    func sampling() throws {
        let queue = SpanQueue(capacity: 100_000)
        func sampledCount(_ ratio: Double, headers: [String: String]) -> Int {
            let tracer = OTLPTracer(sampler: TraceSampler(ratio: ratio), queue: queue)
            return (0..<10_000).count { _ in
                var context = InstrumentationContext.topLevel
                tracer.extract(headers, into: &context, using: DictionaryCarrier())
                let span = tracer.startSpan("x", context: context)
                defer { span.end() }
                return span.isRecording
            }
        }
        #expect(sampledCount(0, headers: [:]) == 0)
        #expect(sampledCount(1, headers: [:]) == 10_000)
        #expect((800...1200).contains(sampledCount(0.1, headers: [:])))
        #expect(sampledCount(0, headers: ["traceparent": "00-\(Self.trace)-\(Self.span)-01"]) == 10_000)
        #expect(sampledCount(1, headers: ["traceparent": "00-\(Self.trace)-\(Self.span)-00"]) == 0)
        #expect(sampledCount(0, headers: ["traceparent": "nonsense"]) == 0)
    }

    @Test("the place of a span is told to the next program")
    func injection() throws {
        let tracer = OTLPTracer(sampler: TraceSampler(ratio: 1), queue: SpanQueue())
        var context = InstrumentationContext.topLevel
        let caller = ["traceparent": "00-\(Self.trace)-\(Self.span)-01", "tracestate": "a=1"]
        tracer.extract(caller, into: &context, using: DictionaryCarrier())
        let span = tracer.startSpan("x", context: context)
        var headers: [String: String] = [:]
        tracer.inject(span.context, into: &headers, using: DictionaryCarrier())
        let next = try #require(TraceContext(traceparent: headers["traceparent"] ?? ""))
        #expect(next.traceID.description == Self.trace)
        #expect(next.spanID.description != Self.span)
        #expect(next.isSampled)
        #expect(headers["tracestate"] == "a=1")
        var nothing: [String: String] = [:]
        tracer.inject(.topLevel, into: &nothing, using: DictionaryCarrier())
        #expect(nothing.isEmpty)
    }
}

private struct DictionaryCarrier: Extractor, Injector {
    func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
    func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) { carrier[key] = value }
}
