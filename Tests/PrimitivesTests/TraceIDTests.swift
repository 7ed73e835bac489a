import Primitives
import Testing

@Suite("Trace ids")
struct TraceIDTests {
    @Test("zero names neither a trace nor a span")
    func zero() {
        #expect(TraceID(high: 0, low: 0) == nil)
        #expect(SpanID(0) == nil)
        #expect(TraceID(high: 1, low: 0) != nil)
        #expect(TraceID(high: 0, low: 1) != nil)
    }

    @Test("ids are written with all of their digits, in lower case")
    func text() throws {
        let trace = try #require(TraceID(high: 0x0AF7, low: 0xE))
        #expect(trace.description == "0000000000000af7000000000000000e")
        #expect(try #require(SpanID(0xAB)).description == "00000000000000ab")
        #expect(TraceID.random().description.utf8.count == 32)
        #expect(SpanID.random().description.utf8.count == 16)
        #expect(TraceID.random() != TraceID.random())
    }
}
