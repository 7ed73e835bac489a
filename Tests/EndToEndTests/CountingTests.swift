// The real server's counters beside what its clients counted themselves, and its series beside what a hostile one sends.

import AsyncHTTPClient
import Foundation
import JSON
import NIOCore
import NIOHTTP1
import Synchronization
import Testing

@Suite("What the real server counts", .serialized, .timeLimit(.minutes(10)))
struct CountingTests {
    // MARK: - Sums

    /// What clients know without asking: they chose the prompts' tokens and the answers' lengths.
    private struct Tally: Sendable {
        var requests = 0
        var prompts = 0
        /// Samples of prompts.
        var sequences = 0
        var promptTokens = 0
        var generatedTokens = 0
        /// Refused requests of the client's own making.
        var mistakes = 0

        static func += (sum: inout Tally, other: Tally) {
            sum.requests += other.requests
            sum.prompts += other.prompts
            sum.sequences += other.sequences
            sum.promptTokens += other.promptTokens
            sum.generatedTokens += other.generatedTokens
            sum.mistakes += other.mistakes
        }
    }

    @Test("counters equal the clients' own counts, and in 1,000 scrapes at random moments the sums hold")
    func sums() async throws {
        let server = try await RunningServer(["--max-num-seqs", "8"])
        let isOver = Mutex(false)
        let clients = Task {
            defer { isOver.withLock { $0 = true } }
            return try await withThrowingTaskGroup(of: Tally.self) { group in
                for client in 0..<12 {
                    group.addTask { try await Self.requests(of: client, count: 60, to: server) }
                }
                var sum = Tally()
                for try await tally in group { sum += tally }
                return sum
            }
        }
        var scrapes = 0, loadedScrapes = 0, waitingScrapes = 0
        while scrapes < 1000 || !isOver.withLock({ $0 }) {
            let scrape = Scrape(try await server.get("/metrics"))
            Self.expectSums(in: scrape)
            scrapes += 1
            if scrape["vllm_running_requests"] > 0 { loadedScrapes += 1 }
            if scrape["vllm_waiting_requests"] > 0 { waitingScrapes += 1 }
            // Now and then, a few milliseconds apart, so that they fall anywhere in a step.
            try await Task.sleep(for: .microseconds(Int.random(in: 0...30_000)))
        }
        let counted = try await clients.value
        #expect(loadedScrapes >= 500, "only \(loadedScrapes) of \(scrapes) scrapes saw load")
        #expect(waitingScrapes >= 100, "only \(waitingScrapes) of \(scrapes) scrapes saw a queue")

        let scrape = Scrape(try await server.get("/metrics"))
        Self.expectSums(in: scrape)
        for (name, expected) in [
            (#"vllm_request_count{status="SUCCESS"}"#, counted.requests),
            (#"vllm_request_count{status="FAILED"}"#, 0),
            ("vllm_request_latency_seconds_count", counted.requests),
            (#"pagoda_tenant_requests_total{outcome="success",tenant="default"}"#, counted.requests),
            (#"pagoda_tenant_tokens_total{kind="prompt",tenant="default"}"#, counted.promptTokens),
            (#"pagoda_tenant_tokens_total{kind="generated",tenant="default"}"#, counted.generatedTokens),
            (#"http_requests_total{handler="/v1/completions",method="POST",status="2xx"}"#, counted.requests),
            (#"http_requests_total{handler="/v1/completions",method="POST",status="4xx"}"#, counted.mistakes),
            (
                #"http_request_duration_seconds_count{handler="/v1/completions",method="POST"}"#,
                counted.requests + counted.mistakes
            ),
        ] { #expect(scrape[name] == Double(expected), "\(name)") }
        for (name, expected) in [
            ("vllm:prompt_tokens_total", counted.promptTokens),
            ("vllm:generation_tokens_total", counted.generatedTokens),
            ("vllm:request_success_total", counted.sequences),
            ("vllm:request_prompt_tokens_sum", counted.promptTokens),
            ("vllm:request_generation_tokens_sum", counted.generatedTokens),
            ("vllm:request_params_n_count", counted.prompts),
            ("vllm:request_max_num_generation_tokens_count", counted.prompts),
            ("vllm:inter_token_latency_seconds_count", counted.generatedTokens - counted.sequences),
            ("pagoda_requests_received_total", counted.sequences),
            ("pagoda_requests_rejected_total", 0),
        ] { #expect(scrape.sum(of: name) == Double(expected), "\(name)") }
        for name in [
            "request_prompt_tokens", "request_generation_tokens", "request_params_max_tokens",
            "time_to_first_token_seconds", "request_time_per_output_token_seconds", "e2e_request_latency_seconds",
            "request_queue_time_seconds", "request_inference_time_seconds", "request_prefill_time_seconds",
            "request_decode_time_seconds", "request_num_preemptions", "request_prefill_kv_computed_tokens",
        ] { #expect(scrape.sum(of: "vllm:\(name)_count") == Double(counted.sequences), "\(name)") }
    }

    /// Requests of several shapes, one after the other.
    private static func requests(of client: Int, count: Int, to server: RunningServer) async throws -> Tally {
        var tally = Tally()
        for number in 0..<count {
            let prompts = number % 4 + 1 == 4 ? 2 : 1
            let samples = number % 5 == 2 ? 2 : 1
            let tokens = number % 7 + 2
            let length = (client * 31 + number * 17) % 90 + 1
            let prompt = (0..<length).map { "\(1000 + ($0 * 37 + client + number) % 20_000)" }.joined(separator: ",")
            let list = (0..<prompts).map { _ in "[\(prompt)]" }.joined(separator: ",")
            let streams = (client + number).isMultiple(of: 3)
            let response = try await server.post(
                "/v1/completions",
                """
                {"prompt": [\(list)], "max_tokens": \(tokens), "n": \(samples), "ignore_eos": true, \
                "stream": \(streams)}
                """)
            #expect(response.status == .ok)
            let body = String(buffer: try await response.body.collect(upTo: 1 << 22))
            #expect(streams ? body.hasSuffix("data: [DONE]\n\n") : body.hasSuffix("}"))
            tally.requests += 1
            tally.prompts += prompts
            tally.sequences += prompts * samples
            tally.promptTokens += prompts * samples * length
            tally.generatedTokens += prompts * samples * tokens
            if number.isMultiple(of: 6) {
                let refused = try await server.post("/v1/completions", #"{"prompt": "a", "temperature": -1}"#)
                #expect(refused.status == .badRequest)
                tally.mistakes += 1
            }
        }
        return tally
    }

    /// received = finished + running + waiting + rejected, and counts that belong together are equal.
    private static func expectSums(in scrape: Scrape) {
        let finished = scrape.sum(of: "pagoda_requests_finished_total")
        let open = scrape["vllm_running_requests"] + scrape["vllm_waiting_requests"]
        let rejected = scrape.sum(of: "pagoda_requests_rejected_total")
        #expect(scrape["pagoda_requests_received_total"] == finished + open + rejected)
        #expect(scrape.sum(of: "vllm:num_requests_running") == scrape["vllm_running_requests"])
        #expect(scrape.sum(of: "vllm:num_requests_waiting") == scrape["vllm_waiting_requests"])
        #expect(scrape.sum(of: "vllm:num_requests_waiting_by_reason") == scrape["vllm_waiting_requests"])
        #expect(scrape.sum(of: "vllm:request_success_total") == finished)
        #expect(scrape.sum(of: "vllm:e2e_request_latency_seconds_count") == finished)
        #expect(scrape.sum(of: "vllm:prompt_tokens_by_source_total") == scrape.sum(of: "vllm:prompt_tokens_total"))
        #expect(
            scrape[#"vllm_request_count{status="SUCCESS"}"#] == scrape["vllm_request_latency_seconds_count"])
        #expect(scrape["pagoda_steps_total"] == scrape["pagoda_step_duration_seconds_count"])
        let whole = scrape["pagoda_request_whole_seconds_total"]
        #expect(abs(scrape.sum(of: "pagoda_request_seconds_total") - whole) < 1e-6)
    }

    // MARK: - Series

    @Test("whatever a client makes up, the series stay those of the start", arguments: [[], ["--metrics-labels"]])
    func hostileClient(options: [String]) async throws {
        let server = try await RunningServer(options + options.map { _ in "model,endpoint" })
        let before = Scrape(try await server.get("/metrics")).series
        #expect(before.count > 500)
        var random = SystemRandomNumberGenerator()
        let invented = (0..<400).map { Self.invented($0, using: &random) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for client in 0..<8 {
                group.addTask {
                    for request in invented[(client * 50)..<(client * 50 + 50)] {
                        // A refused connection or method is an answer, too.
                        guard let response = try? await server.execute(request) else { continue }
                        _ = try? await response.body.collect(upTo: 1 << 20)
                    }
                }
            }
            try await group.waitForAll()
        }
        let after = Scrape(try await server.get("/metrics"))
        #expect(after.series == before, "\(after.series.symmetricDifference(before).sorted().prefix(5))")
        #expect(after.sum(of: "http_requests_total") >= 300)
        #expect(after["pagoda_series_dropped_total"] == 0)
    }

    /// A request none of whose names was ever heard of.
    private static func invented(_ number: Int, using random: inout SystemRandomNumberGenerator) -> HTTPClientRequest {
        func word() -> String { String(random.next(), radix: 36) }
        let paths = [
            "/v1/completions", "/v1/chat/completions", "/\(word())", "/v1/\(word())/completions?user=\(word())",
            "/metrics?name=\(word())", "/v1/models/\(word())", "/tokenize",
        ]
        var request = HTTPClientRequest(url: paths[number % paths.count])
        let methods: [HTTPMethod] = [.POST, .POST, .POST, .GET, .PUT, .DELETE, .PATCH, .OPTIONS, .RAW(value: "PURGE")]
        request.method = methods[number / paths.count % methods.count]
        let fields = [
            ("X-Request-Id", word()), ("User-Agent", word()), ("Authorization", "Bearer \(word())"),
            ("X-Tenant", word()), ("X-Tenant-Id", word()), ("X-User", word()), ("OpenAI-Organization", word()),
            ("X-\(word())", word()), ("X-Forwarded-For", "10.0.0.\(number % 256)"),
            ("traceparent", "00-\(String(repeating: "a", count: 32))-\(String(repeating: "b", count: 16))-01"),
            ("tracestate", "\(word())=\(word())"), ("baggage", "tenant=\(word())"),
        ]
        for (name, value) in fields { request.headers.add(name: name, value: value) }
        guard request.method != .GET, request.method != .OPTIONS else { return request }
        request.headers.add(name: "Content-Type", value: number.isMultiple(of: 9) ? word() : "application/json")
        let model = number.isMultiple(of: 3) ? "" : #""model": "\#(word())", "#
        let input = number.isMultiple(of: 2) ? #""prompt": "a""# : #""messages": [{"role": "user", "content": "a"}]"#
        request.body = .bytes(
            ByteBuffer(
                string: """
                    {\(model)\(input), "max_tokens": 1, "user": "\(word())", "tenant": "\(word())", \
                    "request_id": "\(word())", "metadata": {"\(word())": "\(word())"}, "\(word())": "\(word())"}
                    """))
        return request
    }
}

/// An exposition in text form: samples by their names with labels.
private struct Scrape {
    private let values: [String: Double]

    init(_ text: String) {
        var values: [String: Double] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " ") else { continue }
            values[String(line[..<space])] = Double(line[line.index(after: space)...])
        }
        self.values = values
    }

    var series: Set<String> { Set(values.keys) }

    subscript(series: String) -> Double { values[series] ?? .nan }

    /// Over all series of a name; no number if there are none.
    func sum(of name: String) -> Double {
        let found = values.filter { $0.key.prefix { $0 != "{" } == name }
        return found.isEmpty ? .nan : found.values.reduce(0, +)
    }
}
