import EngineTesting
import Observability
import Testing

@Suite("Clients that go away", .timeLimit(.minutes(1)))
struct DisconnectTests {
    private static let bodies = [
        #"{"prompt":"hi","max_tokens":400,"ignore_eos":true}"#,
        #"{"prompt":"hi","max_tokens":400,"ignore_eos":true,"stream":true}"#,
        #"{"prompt":["a","b","c"],"max_tokens":400,"ignore_eos":true,"n":2}"#,
        #"{"prompt":["a","b","c"],"max_tokens":400,"ignore_eos":true,"n":2,"stream":true}"#,
    ]

    @Test("a request whose client leaves before its first token is freed, and counted as failed", arguments: bodies)
    func beforeFirstToken(body: String) async throws {
        let gate = Gate()
        try await TestServer.run { options in
            options.executor.beforeStep = { _ in gate.pass() }
        } _: { test in
            defer { gate.open() }
            try await test.connect { connection in
                try await connection.post("/v1/completions", body)
                await gate.waitForArrival()
                try await connection.close()
            }
            gate.open()
            try await test.waitUntilIdle()
            try await eventually { try await test.value(of: "vllm_request_count{status=\"FAILED\"}") == 1 }
            #expect(try await test.value(of: "vllm_request_count{status=\"SUCCESS\"}") == 0)
        }
    }

    @Test("a request whose client leaves in the middle is freed long before its end", arguments: [1, 5, 20])
    func midStream(tokenCount: Int) async throws {
        let gate = Gate()
        try await TestServer.run { options in
            options.executor.beforeStep = { _ in gate.pass() }
        } _: { test in
            defer { gate.open() }
            try await test.connect { connection in
                try await connection.post(
                    "/v1/completions", #"{"prompt":"hi","max_tokens":400,"ignore_eos":true,"stream":true}"#)
                _ = try await connection.head()
                for _ in 0..<tokenCount {
                    gate.letOneThrough()
                    _ = try await connection.nextChunk()
                }
                try await connection.close()
            }
            try await eventually {
                gate.letOneThrough()
                return test.metrics.engine.snapshot().runningCount == 0
            }
            #expect(test.metrics.engine.snapshot().generatedTokenCount < 400)
        }
    }

    @Test("the end of a stream comes in one with its [DONE]: OpenAI's clients close on that, and have their answer")
    func afterDone() async throws {
        try await TestServer.run { test in
            for _ in 0..<20 {
                try await test.connect { connection in
                    try await connection.post(
                        "/v1/completions", #"{"prompt":"hi","max_tokens":2,"ignore_eos":true,"stream":true}"#)
                    _ = try await connection.head()
                    while let chunk = try await connection.nextChunk(), !chunk.contains("[DONE]") {}
                    #expect(connection.unread == "0\r\n\r\n")
                    try await connection.close()
                }
            }
            #expect(try await test.value(of: "vllm_request_count{status=\"SUCCESS\"}") == 20)
            #expect(try await test.value(of: "vllm_request_count{status=\"FAILED\"}") == 0)
        }
    }

    @Test("a client that only closes its sending half counts as gone")
    func halfClose() async throws {
        try await TestServer.run { options in
            options.maxModelLength = 16_000
        } _: { test in
            try await test.connect { connection in
                try await connection.post("/v1/completions", #"{"prompt":"hi","max_tokens":15000,"ignore_eos":true}"#)
                try await test.waitForSequences(1)
                connection.closeOutput()
                #expect(try await connection.rest() == "")
            }
            try await test.waitUntilIdle()
        }
    }

    @Test("two hundred clients that leave at once leave nothing behind")
    func many() async throws {
        try await TestServer.run { test in
            await withTaskGroup(of: Void.self) { group in
                for index in 0..<200 {
                    group.addTask {
                        try? await test.connect { connection in
                            try await connection.post(
                                "/v1/completions",
                                #"{"prompt":"hi","max_tokens":400,"ignore_eos":true,"stream":\#(index % 2 == 0)}"#)
                            if index % 3 == 0 { _ = try await connection.head() }
                            try await connection.close()
                        }
                    }
                }
            }
            try await test.waitUntilIdle()
            try await eventually { try await test.value(of: "vllm_running_requests") == 0 }
            #expect(try await test.value(of: #"pagoda_kv_blocks{state="used"}"#) == 0)
            try await eventually { try await test.request("GET", "/load").body == #"{"server_load":0}"# }
            #expect(try await test.post("/v1/completions", #"{"prompt":"hi"}"#).status == 200)
        }
    }
}
