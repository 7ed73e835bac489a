import JSON
import LoadTesting
import NIOHTTP1
import Primitives
import Synchronization
import Testing

@Suite("Client", .serialized)
struct ClientTests {
    @Test("a stream is timed by its chunks and counted by its usage")
    func stream() async throws {
        try await ScriptedServer.run(answer: { _, _ in .stream(["Hel", "lo \"", "wor\nld"]) }) { port, log in
            let run = try await Self.run(port: port, count: 2)
            #expect(run.records.count == 2)
            for record in run.records {
                #expect(record.error == nil)
                #expect(record.text == "Hello \"wor\nld")
                #expect(record.promptTokenCount == 7)
                #expect(record.outputTokenCount == 3)
                #expect(record.interTokenLatencies.count == 2)
                #expect(record.timeToFirstToken > 0)
                #expect(record.latency >= record.timeToFirstToken)
                let sum = record.timeToFirstToken + record.interTokenLatencies.reduce(0, +)
                #expect(abs(record.latency - sum) < 1e-6)
            }
            #expect(run.durationSeconds >= run.records[0].latency)
            #expect(log.requests.count == 2)
        }
    }

    @Test("completions are asked for as vLLM's generator asks")
    func completionBody() async throws {
        try await ScriptedServer.run(answer: { _, _ in .stream(["x"]) }) { port, log in
            var body = RequestBody(backend: .openai, model: "m", ignoresEndOfSequence: true)
            body.extra["temperature"] = 0.5
            body.extra["stream_options"] = ["include_usage": false]
            _ = try await Self.run(port: port, count: 1, body: body, apiKey: "secret", headers: [("X-More", "1")])
            let request = try #require(log.requests.first)
            #expect(request.method == "POST" && request.path == "/v1/completions")
            #expect(request.headers["Authorization"] == ["Bearer secret"])
            #expect(request.headers["X-Request-Id"] == ["id-0"])
            #expect(request.headers["X-More"] == ["1"])
            let expected: JSONValue = [
                "model": "m", "prompt": [1, 2, 3], "repetition_penalty": 1.0, "max_tokens": 4, "logprobs": nil,
                "stream": true, "stream_options": ["include_usage": false], "ignore_eos": true, "temperature": 0.5,
            ]
            #expect(request.json == expected)
        }
    }

    @Test("chats are asked for as vLLM's generator asks, and their deltas are read")
    func chat() async throws {
        let answer = ScriptedAnswer(pieces: [
            ScriptedAnswer.event(["choices": [["delta": ["role": "assistant", "content": ""]]]]),
            ScriptedAnswer.event(["choices": [["index": 0, "delta": ["content": "Hi"]]]]),
            ScriptedAnswer.event(["choices": [["delta": [:], "finish_reason": "stop"]]]),
            "data: [DONE]\n\n",
        ])
        try await ScriptedServer.run(answer: { _, _ in answer }) { port, log in
            let run = try await Self.run(
                port: port, count: 1, prompt: .text("Hello"), body: RequestBody(backend: .openAIChat, model: "m"))
            #expect(run.records.map(\.text) == ["Hi"])
            #expect(run.records.map(\.interTokenLatencies.count) == [2])
            #expect(run.records.map(\.outputTokenCount) == [nil])
            let request = try #require(log.requests.first)
            #expect(request.path == "/v1/chat/completions")
            let expected: JSONValue = [
                "model": "m", "messages": [["role": "user", "content": [["type": "text", "text": "Hello"]]]],
                "max_completion_tokens": 4, "stream": true, "stream_options": ["include_usage": true],
            ]
            #expect(request.json == expected)
        }
    }

    @Test("however a stream is cut into pieces, it is read the same")
    func cuts() async throws {
        let whole = ScriptedAnswer.stream(["ä€", "\u{1F600}", "\\\"}]"]).pieces.joined()
        let withNoise = ": ping\r\n\r\nevent: x\r\n" + whole.split(separator: "\n").joined(separator: "\r\n\r\n") + "\n"
        for size in [1, 7, 64, 10_000] {
            let pieces = Self.cut(withNoise, every: size)
            try await ScriptedServer.run(answer: { _, _ in ScriptedAnswer(pieces: pieces) }) { port, _ in
                let record = try #require(try await Self.run(port: port, count: 1).records.first)
                #expect(record.error == nil)
                #expect(record.text == "ä€\u{1F600}\\\"}]")
                #expect(record.outputTokenCount == 3)
            }
        }
    }

    @Test("one character's escapes may lie in two chunks, and members that nobody asked for don't disturb")
    func escapes() async throws {
        let first = #"{"a": {"choices": [1, "}"]}, "choices": [{"logprobs": {"text": ["no"]}, "text": "\ud83d"}, {}]}"#
        let pieces = [
            "data: \(first)\n\n", #"data:{"choices":[{"text":"\ude00"}],"usage":{"completion_tokens":2}}"# + "\n\n",
            "data: [DONE]\n\n",
        ]
        try await ScriptedServer.run(answer: { _, _ in ScriptedAnswer(pieces: pieces) }) { port, _ in
            let record = try #require(try await Self.run(port: port, count: 1).records.first)
            #expect(record.error == nil)
            #expect(record.text == "\u{1F600}")
            #expect(record.outputTokenCount == 2)
        }
    }

    // MARK: - Failures

    @Test("a refusal is a failure with its status and its words")
    func refusal() async throws {
        let answer = ScriptedAnswer(status: .internalServerError, pieces: [#"{"error": "broken"}"#])
        try await ScriptedServer.run(answer: { number, _ in number == 0 ? answer : .stream(["x"]) }) { port, _ in
            let run = try await Self.run(port: port, count: 2, concurrency: 1)
            #expect(run.records.map(\.error) == [#"500 Internal Server Error: {"error": "broken"}"#, nil])
        }
    }

    @Test("a connection that is cut within the stream is a failure")
    func hangUp() async throws {
        var answer = ScriptedAnswer.stream(["a", "b", "c"])
        answer.pieces.removeLast(2)
        answer.hangsUp = true
        let cut = answer
        try await ScriptedServer.run(answer: { _, _ in cut }) { port, _ in
            let record = try #require(try await Self.run(port: port, count: 1).records.first)
            #expect(record.error == "The server closed the connection before the end of its answer")
        }
    }

    @Test("a connection that is cut after [DONE] is none")
    func hangUpAfterDone() async throws {
        var answer = ScriptedAnswer.stream(["a"])
        answer.hangsUp = true
        let cut = answer
        try await ScriptedServer.run(answer: { _, _ in cut }) { port, _ in
            let run = try await Self.run(port: port, count: 1)
            #expect(run.records.map(\.error) == [nil])
        }
    }

    @Test("a server that refuses the connection has failed the request, at once")
    func refusedConnection() async throws {
        let port = try await ScriptedServer.closedPort()
        let record = try #require(try await Self.run(port: port, count: 1).records.first)
        #expect(record.error?.contains("onnection refused") == true)
    }

    @Test(
        "a stream that is none is a failure that says why",
        arguments: [
            (["data: [DONE]\n\n"], "The stream had no chunk with a choice"),
            (["data: {\"choices\": [{}]}\n\n"], "The stream ended without [DONE]"),
            (["data: {\"choices\": [{\"text\": \"a\n\n"], "A chunk is not JSON: {\"choices\": [{\"text\": \"a"),
            (["data: nonsense\n\n"], "A chunk is not JSON: nonsense"),
            (["data: {\"error\": {\"code\": 500}}\n\n"], "The server broke off with {\"error\": {\"code\": 500}}"),
            ([], "The stream ended without [DONE]"),
        ] as [([String], String)])
    func brokenStreams(pieces: [String], reason: String) async throws {
        try await ScriptedServer.run(answer: { _, _ in ScriptedAnswer(pieces: pieces) }) { port, _ in
            let run = try await Self.run(port: port, count: 1)
            #expect(run.records.map(\.error) == [reason])
        }
    }

    // MARK: - Traffic

    @Test("never are more requests open than allowed, and all are let go in order")
    func concurrency() async throws {
        try await ScriptedServer.run(answer: { _, _ in .stream(["a", "b", "c"]) }) { port, log in
            let finished = Mutex(0)
            let run = try await Self.run(port: port, count: 20, concurrency: 3) { _ in finished.withLock { $0 += 1 } }
            #expect(run.records.allSatisfy { $0.error == nil })
            #expect(log.mostActive <= 3 && log.mostActive > 1)
            #expect(log.requests.count == 20 && finished.withLock { $0 } == 20)
            // All are due at once, so whoever waited longer was let go later; tasks may overtake each other after that.
            #expect(zip(run.records, run.records.dropFirst()).allSatisfy { $0.queueTime <= $1.queueTime })
            #expect(run.records[0].queueTime < run.records[19].queueTime)
        }
    }

    @Test("requests are not sent before they are due, and a ramp is told by its rates")
    func arrivals() async throws {
        let arrivals = try ArrivalProcess(
            burstiness: .infinity, rampUp: .init(strategy: "linear", startRate: 100, endRate: 102))
        try await ScriptedServer.run(answer: { _, _ in .stream(["a"]) }) { port, _ in
            let run = try await Self.run(port: port, count: 6, arrivals: arrivals)
            let offsets = arrivals.offsets(count: 6, seed: 0)
            // The first is sent when it is due or later: the start of the run lies at least its offset before.
            let last = run.records[5].start.seconds(since: run.records[0].start)
            #expect(run.durationSeconds >= offsets[5])
            #expect(last <= run.durationSeconds)
            #expect(run.rateChanges.map(\.requestsPerSecond) == [100, 101, 102])
        }
    }

    @Test("the server is tried until it answers, and given up after a while")
    func readiness() async throws {
        let busy = ScriptedAnswer(status: .serviceUnavailable)
        try await ScriptedServer.run(answer: { number, _ in number < 2 ? busy : .stream(["a"]) }) { port, log in
            try await Self.withTest(port: port, count: 1) { test in
                let retries = Mutex<[String]>([])
                try await test.waitUntilReady(within: .seconds(60), retryingEvery: .milliseconds(1)) { reason in
                    retries.withLock { $0.append(reason) }
                }
                #expect(retries.withLock { $0 } == Array(repeating: "503 Service Unavailable", count: 2))
                #expect(log.requests.count == 3)
            }
        }
        try await ScriptedServer.run(answer: { _, _ in busy }) { port, _ in
            try await Self.withTest(port: port, count: 1) { test in
                _ = await #expect(throws: LoadTestError.notReady(reason: "503 Service Unavailable")) {
                    try await test.waitUntilReady(
                        within: .milliseconds(200), retryingEvery: .seconds(9), onRetry: { _ in })
                }
            }
        }
    }

    @Test("warm-ups are sent and not counted")
    func warmUps() async throws {
        try await ScriptedServer.run(answer: { _, _ in .stream(["a"]) }) { port, log in
            try await Self.withTest(port: port, count: 2) { test in
                await test.warmUp(count: 3) { _ in }
                #expect(await test.run { _ in }.records.count == 2)
                #expect(log.requests.count == 5)
            }
        }
    }

    @Test("the model is the first that the server lists")
    func firstModel() async throws {
        let list = ScriptedAnswer(pieces: [#"{"data": [{"id": "m", "root": "/models/m.gguf"}, {"id": "n"}]}"#])
        let bare = ScriptedAnswer(pieces: [#"{"data": [{"id": "n"}]}"#])
        let none = ScriptedAnswer(pieces: [#"{"data": []}"#])
        let answers = [list, bare, none, ScriptedAnswer(status: .unauthorized)]
        try await ScriptedServer.run(answer: { number, _ in answers[number] }) { port, log in
            let client = LoadClient(
                endpoint: try Self.endpoint(port: port, backend: .openai), maximumConnections: 1, apiKey: "k")
            #expect(try await client.firstModel() == ("m", "/models/m.gguf"))
            #expect(try await client.firstModel() == ("n", "n"))
            await #expect(throws: LoadTestError.self) { try await client.firstModel() }
            await #expect(throws: LoadTestError.self) { try await client.firstModel() }
            #expect(log.requests.first?.path == "/v1/models")
            #expect(log.requests.first?.headers["Authorization"] == ["Bearer k"])
            await client.shutDown()
        }
    }

    @Test("speculation during the run is read from the server's metrics, summed over engines")
    func speculation() async throws {
        func metrics(_ drafts: Int, _ tokens: Int, _ accepted: Int, _ first: Int, _ second: Int) -> String {
            """
            # HELP vllm:spec_decode_num_drafts_total Number of drafts.
            # TYPE vllm:spec_decode_num_drafts_total counter
            vllm:spec_decode_num_drafts_total{engine="0",model_name="m"} \(drafts - 1).0
            vllm:spec_decode_num_drafts_total{engine="1",model_name="m"} 1.0
            vllm:spec_decode_num_drafts_created{engine="0"} 1.79e+09
            vllm:spec_decode_num_draft_tokens_total{engine="0"} \(tokens).0
            vllm:spec_decode_num_accepted_tokens_total{engine="0"} \(accepted).0
            vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",position="0"} \(first).0
            vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",position="1"} \(second).0
            """
        }
        let texts = [metrics(5, 10, 6, 4, 2), metrics(15, 30, 21, 12, 9)]
        try await ScriptedServer.run(metrics: texts, answer: { _, _ in .stream(["a"]) }) { port, _ in
            let run = try await Self.run(port: port, count: 1)
            let speculation = try #require(run.speculation)
            #expect(speculation.draftCount == 10)
            #expect(speculation.draftTokenCount == 20)
            #expect(speculation.acceptedTokenCount == 15)
            #expect(speculation.acceptancePercent == 75)
            #expect(speculation.acceptanceLength == 2.5)
            #expect(speculation.positionRates == [0.8, 0.7])
            let selection = try LatencySelection(metrics: "")
            let settings = ReportSettings(
                maximumConcurrency: nil, requestRate: .infinity, showsGoodput: false, latencies: selection)
            let statistics = RunStatistics(run, ranks: [], objectives: try ServiceObjectives())
            #expect(
                ConsoleReport.lines(statistics, settings: settings).suffix(10) == [
                    "---------------Speculative Decoding---------------",
                    "Acceptance rate (%):                     75.00     ",
                    "Acceptance length:                       2.50      ",
                    "Drafts:                                  10        ",
                    "Draft tokens:                            20        ",
                    "Accepted tokens:                         15        ",
                    "Per-position acceptance (%):",
                    "  Position 0:                            80.00     ",
                    "  Position 1:                            70.00     ",
                    "==================================================",
                ])
        }
        try await ScriptedServer.run(metrics: [texts[0]], answer: { _, _ in .stream(["a"]) }) { port, _ in
            let run = try await Self.run(port: port, count: 1)
            #expect(run.speculation == nil)
        }
    }

    @Test("a test without requests or places is refused")
    func refusals() async throws {
        await #expect(throws: LoadTestError.self) { try await Self.run(port: 1, count: 0) }
        await #expect(throws: LoadTestError.self) { try await Self.run(port: 1, count: 1, concurrency: 0) }
    }

    // MARK: - Support

    private static func endpoint(
        port: Int, backend: LoadBackend, headers: [(String, String)] = []
    ) throws -> ServerEndpoint {
        try ServerEndpoint(
            backend: backend, baseURL: nil, host: "127.0.0.1", port: port, path: nil,
            headers: headers.map { .init(name: $0.0, value: $0.1) })
    }

    private static func run(
        port: Int, count: Int, prompt: LoadPrompt = .tokens([1, 2, 3]),
        body: RequestBody = RequestBody(backend: .openai, model: "m"), arrivals: ArrivalProcess? = nil,
        concurrency: Int? = nil, apiKey: String? = nil, headers: [(String, String)] = [],
        onFinish: @escaping @Sendable (RequestRecord) -> Void = { _ in }
    ) async throws -> LoadTestRun {
        try await withTest(
            port: port, count: count, prompt: prompt, body: body, arrivals: arrivals, concurrency: concurrency,
            apiKey: apiKey, headers: headers
        ) { await $0.run(onFinish: onFinish) }
    }

    private static func withTest<Result: Sendable>(
        port: Int, count: Int, prompt: LoadPrompt = .tokens([1, 2, 3]),
        body: RequestBody = RequestBody(backend: .openai, model: "m"), arrivals: ArrivalProcess? = nil,
        concurrency: Int? = nil, apiKey: String? = nil, headers: [(String, String)] = [],
        _ use: (LoadTest) async throws -> Result
    ) async throws -> Result {
        let client = LoadClient(
            endpoint: try endpoint(port: port, backend: body.backend, headers: headers), maximumConnections: 8,
            apiKey: apiKey)
        let requests = (0..<count).map {
            LoadRequest(id: "id-\($0)", prompt: prompt, promptTokenCount: 3, outputTokenCount: 4)
        }
        do {
            let test = try LoadTest(
                client: client, body: body, requests: requests, arrivals: try arrivals ?? ArrivalProcess(),
                maximumConcurrency: concurrency, seed: 0)
            let result = try await use(test)
            await client.shutDown()
            return result
        } catch {
            await client.shutDown()
            throw error
        }
    }

    /// Pieces of `size` bytes at least, cut where a character ends.
    private static func cut(_ text: String, every size: Int) -> [String] {
        var pieces: [String] = []
        var piece = ""
        for scalar in text.unicodeScalars {
            piece.unicodeScalars.append(scalar)
            if piece.utf8.count >= size {
                pieces.append(piece)
                piece = ""
            }
        }
        return piece.isEmpty ? pieces : pieces + [piece]
    }
}
