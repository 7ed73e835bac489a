import Logging
import NIOHTTP1
import Observability
import Testing
import TraceTesting
import Tracing

@Suite("The exporter of spans", .timeLimit(.minutes(1)))
struct SpanExporterTests {
    @Test("a span arrives as OTLP has it, with all that was said of it")
    func encoding() async throws {
        let collector = try await TraceCollector()
        let export = try Export(to: collector.url) { $0.headers = [("x-api-key", "secret")] }
        let tracer = export.tracer
        let root = tracer.startSpan("root", context: .topLevel, ofKind: .server, at: Moment(1_000_000_000_000_000_001))
        let child = tracer.startSpan("child", context: root.context, at: Moment(1_000_000_000_000_000_005))
        child.attributes["text"] = "schön \u{0} \u{1F600}"
        child.attributes["integer"] = -7
        child.attributes["number"] = 0.25
        child.attributes["flag"] = true
        child.addEvent(SpanEvent(name: "event", at: Moment(1_000_000_000_000_000_006), attributes: ["a": 1]))
        child.addLink(SpanLink(context: root.context, attributes: [:]))
        child.recordError(Failure())
        child.setStatus(SpanStatus(code: .error, message: "why"))
        // The end is never before the beginning, whatever the clock does.
        child.end(at: Moment(3))
        child.attributes["late"] = "ignored"
        root.end(at: Moment(1_000_000_000_000_000_009))
        root.end()
        await export.finish()

        let spans = collector.spans
        #expect(spans.map(\.name) == ["child", "root"])
        let (first, second) = (try #require(spans.first), try #require(spans.last))
        #expect(first.traceID == second.traceID && first.traceID.utf8.count == 32)
        #expect(first.parentID == second.spanID && second.parentID == "" && first.spanID.utf8.count == 16)
        #expect(first.kind == 1 && second.kind == 2)
        #expect(first.start == 1_000_000_000_000_000_005 && first.end == first.start)
        #expect(second.start == 1_000_000_000_000_000_001 && second.end == 1_000_000_000_000_000_009)
        #expect(
            first.attributes == [
                "text": .text("schön \u{0} \u{1F600}"), "integer": .integer(-7), "number": .number(0.25),
                "flag": .flag(true),
            ])
        #expect(first.events.map(\.name) == ["event", "exception"])
        #expect(first.events[0].time == 1_000_000_000_000_000_006)
        #expect(first.status == 2 && first.statusMessage == "why" && second.status == 0)
        #expect(first.resource["service.name"] == .text("pagoda") && first.resource["service.version"] == .text("1"))
        let request = try #require(collector.requests.first)
        #expect(request.method == .POST && request.path == "/v1/traces")
        #expect(request.headers["content-type"] == ["application/x-protobuf"])
        #expect(request.headers["x-api-key"] == ["secret"])
        #expect(export.queue.exportedCount == 2 && export.queue.droppedCount == 0)
    }

    @Test("spans go out in batches, without being asked")
    func batches() async throws {
        let collector = try await TraceCollector()
        let export = try Export(to: collector.url) { configuration in
            configuration.batchSize = 10
            configuration.interval = .milliseconds(20)
        }
        export.end(25)
        try await eventually { collector.spans.count == 25 }
        #expect(collector.requests.count >= 3)
        #expect(collector.requests.allSatisfy { (ReceivedSpan.all(in: $0.body) ?? []).count <= 10 })
        await export.finish()
        #expect(export.queue.exportedCount == 25)
    }

    @Test("a queue that is full drops what is new, and counts it")
    func fullQueue() async throws {
        let collector = try await TraceCollector()
        let export = try Export(to: collector.url, capacity: 100)
        export.end(250)
        #expect(export.queue.droppedCount == 150)
        await export.finish()
        #expect(export.queue.exportedCount == 100 && collector.spans.count == 100)
    }

    @Test("a batch is sent again after a failure that may pass", arguments: [429, 502, 503, 504])
    func retries(status: Int) async throws {
        let collector = try await TraceCollector { number in
            TraceCollector.Answer(status: number < 2 ? HTTPResponseStatus(statusCode: status) : .ok)
        }
        let export = try Export(to: collector.url) { configuration in
            configuration.interval = .milliseconds(10)
            configuration.retryDelays = [.milliseconds(1), .milliseconds(1)]
        }
        export.end(3)
        try await eventually { export.queue.exportedCount == 3 }
        await export.finish()
        #expect(collector.requests.count == 3)
        #expect(collector.spans.count == 3 && export.queue.droppedCount == 0)
    }

    @Test("a batch that is refused, or fails too often, is dropped and counted", arguments: [400, 401, 404, 500, 503])
    func refusals(status: Int) async throws {
        let collector = try await TraceCollector { _ in
            TraceCollector.Answer(status: HTTPResponseStatus(statusCode: status))
        }
        let export = try Export(to: collector.url) { configuration in
            configuration.interval = .milliseconds(10)
            configuration.retryDelays = [.milliseconds(1)]
        }
        export.end(3)
        try await eventually { export.queue.droppedCount == 3 }
        await export.finish()
        #expect(collector.requests.count == (status == 503 ? 2 : 1))
        #expect(export.queue.exportedCount == 0)
    }

    @Test("spans that the collector rejects from a batch it takes count as dropped")
    func partialSuccess() async throws {
        let collector = try await TraceCollector { _ in
            var answer = TraceCollector.Answer()
            // partial_success { rejected_spans: 2, error_message: "no" }
            answer.body = [0x0A, 0x06, 0x08, 0x02, 0x12, 0x02, 0x6E, 0x6F]
            return answer
        }
        let export = try Export(to: collector.url)
        export.end(5)
        await export.finish()
        #expect(export.queue.exportedCount == 3 && export.queue.droppedCount == 2)
    }

    @Test("an answer that is no protobuf is taken for a plain success", arguments: [[0x0A], [0x0A, 0xFF], [0x08], [0xFF]])
    func strangeAnswers(body: [UInt8]) async throws {
        let collector = try await TraceCollector { _ in
            var answer = TraceCollector.Answer()
            answer.body = body
            return answer
        }
        let export = try Export(to: collector.url)
        export.end(1)
        await export.finish()
        #expect(export.queue.exportedCount == 1 && export.queue.droppedCount == 0)
    }

    @Test("a collector that never answers, or is not there, holds up neither spans nor the end")
    func silentCollector() async throws {
        let collector = try await TraceCollector { _ in
            var answer = TraceCollector.Answer()
            answer.isSilent = true
            return answer
        }
        for url in [collector.url, "http://127.0.0.1:1/v1/traces"] {
            let export = try Export(to: url, capacity: 10)
            export.end(20)
            await export.exporter.shutDown(within: .milliseconds(50))
            #expect(export.queue.droppedCount == 20 && export.queue.exportedCount == 0)
        }
    }

    @Test(
        "an endpoint is a URL of a receiver; without a path it is the usual one",
        arguments: [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
            ("https://host/a/b", "https://host/a/b"), ("HTTP://[::1]:4318/x", "http://[::1]:4318/x"),
            ("localhost:4318", nil), ("grpc://host:4317", nil), ("http://", nil), ("http:///v1/traces", nil),
            ("http://user:key@host/", nil), ("http://host/?key=1", nil), ("http://ho st/", nil), ("http://h/\u{e9}", nil),
            ("http://host:99999999/", nil), ("", nil),
        ])
    func endpoints(text: String, url: String?) {
        #expect(OTLPEndpoint(text)?.url == url)
    }

    private struct Failure: Error {}
}

/// An exporter with its queue and tracer.
private struct Export {
    let queue: SpanQueue
    let tracer: OTLPTracer
    let exporter: SpanExporter

    init(
        to url: String, capacity: Int = 1000, _ configure: (inout SpanExporter.Configuration) -> Void = { _ in }
    ) throws {
        var configuration = SpanExporter.Configuration(endpoint: try #require(OTLPEndpoint(url)), version: "1")
        // Only at the end, unless a test wants it otherwise.
        configuration.interval = .seconds(3600)
        configure(&configuration)
        queue = SpanQueue(capacity: capacity)
        tracer = OTLPTracer(sampler: TraceSampler(ratio: 1), queue: queue)
        exporter = SpanExporter(configuration, queue: queue, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    func end(_ count: Int) {
        for number in 0..<count { tracer.startSpan("span \(number)", context: .topLevel).end() }
    }

    func finish() async {
        await exporter.shutDown(within: .seconds(20))
    }
}

private struct Moment: TracerInstant {
    let nanosecondsSinceEpoch: UInt64

    init(_ nanoseconds: UInt64) {
        nanosecondsSinceEpoch = nanoseconds
    }

    static func < (left: Moment, right: Moment) -> Bool { left.nanosecondsSinceEpoch < right.nanosecondsSinceEpoch }
}
