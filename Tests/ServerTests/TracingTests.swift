import Engine
import EngineTesting
import JSON
import Logging
import Observability
import Server
import Testing
import TraceTesting

@Suite("Traces of requests", .timeLimit(.minutes(1)))
struct TracingTests {
    private static let traceID = "0af7651916cd43dd8448eb211c80319c"
    private static let callerID = "b7ad6b7169203331"
    private static let sampled = "traceparent: 00-\(traceID)-\(callerID)-01"

    @Test("a request is a span of its caller's trace, with vLLM's attributes, and below it are its queue, prefill and decode")
    func requestSpan() async throws {
        let spans = try await spans { test in
            let response = try await test.post(
                "/v1/completions",
                #"{"prompt":"a secret","max_tokens":4,"temperature":0.7,"top_p":0.9,"ignore_eos":true,"n":1}"#,
                headers: [Self.sampled, "tracestate: congo=1", "X-Request-Id: mine"])
            #expect(response.status == 200)
            let trace = try #require(response.header("traceresponse"))
            #expect(trace.hasPrefix("00-\(Self.traceID)-") && trace.hasSuffix("-01"))
            #expect(!trace.contains(Self.callerID))
        }
        #expect(spans.count == 4)
        #expect(spans.allSatisfy { $0.traceID == Self.traceID && $0.traceState == "congo=1" })
        let request = try #require(spans.first { $0.name == "llm_request" })
        #expect(request.parentID == Self.callerID && request.kind == 2 && request.status == 0)
        let expected: [String: ReceivedSpan.Attribute] = [
            "gen_ai.request.id": .text("mine"), "gen_ai.request.n": .integer(1),
            "gen_ai.request.max_tokens": .integer(4), "gen_ai.request.temperature": .number(0.7),
            "gen_ai.request.top_p": .number(0.9), "gen_ai.usage.prompt_tokens": .integer(8),
            "gen_ai.usage.completion_tokens": .integer(4), "http.route": .text("/v1/completions"),
            "http.response.status_code": .integer(200),
        ]
        for (name, value) in expected { #expect(request.attributes[name] == value, "\(name)") }
        for name in [
            "time_in_queue", "time_to_first_token", "e2e", "time_in_model_prefill", "time_in_model_decode",
            "time_in_model_inference",
        ] {
            guard case .number(let seconds)? = request.attributes["gen_ai.latency.\(name)"] else {
                Issue.record("\(name) is missing")
                continue
            }
            #expect(seconds >= 0)
        }
        let children = try ["queue", "prefill", "decode"].map { name in
            try #require(spans.first { $0.name == name })
        }
        #expect(children.allSatisfy { $0.parentID == request.spanID && $0.kind == 1 })
        // One after the other, inside of the request.
        #expect(request.start <= children[0].start && children[2].end <= request.end)
        #expect(children[0].end == children[1].start && children[1].end == children[2].start)
        #expect(spans.allSatisfy { !"\($0)".contains("secret") })
    }

    @Test("times of 0 are left out, as vLLM leaves out parameters that are 0")
    func zeroTemperature() async throws {
        let spans = try await spans { test in
            _ = try await test.post("/v1/completions", #"{"prompt":"a","max_tokens":1,"temperature":0}"#)
        }
        let request = try #require(spans.first { $0.name == "llm_request" })
        #expect(request.attributes["gen_ai.request.temperature"] == nil)
        #expect(request.parentID == "")
    }

    @Test("every sample of every prompt has its spans, under one for the request")
    func samples() async throws {
        let spans = try await spans { test in
            _ = try await test.post(
                "/v1/completions", #"{"prompt":["a","b"],"n":2,"max_tokens":2,"ignore_eos":true}"#)
        }
        #expect(spans.count { $0.name == "llm_request" } == 1)
        let decodes = spans.filter { $0.name == "decode" }
        let places = decodes.map { [$0.attributes["pagoda.prompt"], $0.attributes["pagoda.choice"]] }
        #expect(Set(places) == Set([[0, 0], [0, 1], [1, 0], [1, 1]].map { $0.map { .integer($0) } }))
        let request = try #require(spans.first { $0.name == "llm_request" })
        #expect(request.attributes["gen_ai.usage.completion_tokens"] == .integer(8))
        #expect(request.attributes["gen_ai.request.n"] == .integer(2))
    }

    @Test("what the caller does not sample is not recorded, and its trace goes on all the same")
    func unsampled() async throws {
        let spans = try await spans { test in
            let response = try await test.post(
                "/v1/completions", #"{"prompt":"a","max_tokens":1}"#,
                headers: ["traceparent: 00-\(Self.traceID)-\(Self.callerID)-00"])
            #expect(response.header("traceresponse")?.hasPrefix("00-\(Self.traceID)-") == true)
            #expect(response.header("traceresponse")?.hasSuffix("-00") == true)
        }
        #expect(spans.isEmpty)
    }

    @Test(
        "a place in a trace that is none begins a trace of its own",
        arguments: [
            ["traceparent: nonsense"], ["traceparent: \(String(repeating: "0", count: 8000))"], [sampled, sampled],
            ["traceparent: 00-\(traceID)-\(callerID)-01, 00-\(traceID)-\(callerID)-01"],
        ])
    func hostileHeaders(headers: [String]) async throws {
        let spans = try await spans { test in
            let response = try await test.post(
                "/v1/completions", #"{"prompt":"a","max_tokens":1}"#, headers: headers)
            #expect(response.status == 200)
        }
        let request = try #require(spans.first { $0.name == "llm_request" })
        #expect(request.traceID != Self.traceID && request.parentID == "")
    }

    @Test("a refused request is a failed span, and one whose client goes ends with its sequence")
    func failures() async throws {
        let gate = Gate()
        let spans = try await spans { options in
            options.server.maxQueuedRequests = 1
            options.executor.beforeStep = { _ in gate.pass() }
        } _: { test in
            try await test.connect { connection in
                try await connection.post("/v1/completions", #"{"prompt":"a","max_tokens":100}"#)
                await gate.waitForArrival()
                let refused = try await test.post("/v1/completions", #"{"prompt":"a"}"#)
                #expect(refused.status == 503)
                #expect(refused.header("traceresponse") != nil)
                try await connection.close()
            }
            gate.open()
            try await test.waitUntilIdle()
        }
        let requests = spans.filter { $0.name == "llm_request" }
        #expect(requests.count == 2 && requests.allSatisfy { $0.status == 2 })
        #expect(Set(requests.map(\.statusMessage)) == ["failed", "client_gone"])
        let refused = try #require(requests.first { $0.statusMessage == "failed" })
        #expect(refused.attributes["http.response.status_code"] == .integer(503))
        #expect(!spans.contains { $0.parentID == refused.spanID })
    }

    @Test("without traces a caller's header is of no consequence")
    func off() async throws {
        try await TestServer.run { test in
            let response = try await test.post(
                "/v1/completions", #"{"prompt":"a","max_tokens":1}"#, headers: [Self.sampled])
            #expect(response.status == 200)
            #expect(response.header("traceresponse") == nil)
        }
    }

    /// The spans that a server has sent by the time it ends.
    private func spans(
        _ configure: (inout TestServer.Options) -> Void = { _ in },
        _ body: @escaping @Sendable (TestServer) async throws -> Void
    ) async throws -> [ReceivedSpan] {
        let collector = try await TraceCollector()
        let queue = SpanQueue()
        let endpoint = try #require(OTLPEndpoint(collector.url))
        let exporter = SpanExporter(
            SpanExporter.Configuration(endpoint: endpoint, version: "1"), queue: queue,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await TestServer.run { options in
            configure(&options)
            var journal = RequestJournal.Configuration()
            journal.tracer = OTLPTracer(sampler: TraceSampler(ratio: 1), queue: queue)
            options.journal = journal
        } _: { test in
            try await body(test)
        }
        await exporter.shutDown(within: .seconds(20))
        #expect(queue.droppedCount == 0 && queue.exportedCount == collector.spans.count)
        return collector.spans
    }
}
