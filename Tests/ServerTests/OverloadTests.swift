import EngineTesting
import JSON
import Server
import Testing

@Suite("Overload and shutdown", .timeLimit(.minutes(1)))
struct OverloadTests {
    @Test("over the limit of requests in flight a client is told to come back, and counted as failed")
    func admission() async throws {
        let gate = Gate()
        try await TestServer.run { options in
            options.server.maxQueuedRequests = 2
            options.executor.beforeStep = { _ in gate.pass() }
        } _: { test in
            defer { gate.open() }
            try await test.connect { first in
                try await first.post("/v1/completions", #"{"prompt":"a","n":2,"max_tokens":2,"ignore_eos":true}"#)
                await gate.waitForArrival()
                for streams in [false, true] {
                    let refused = try await test.post("/v1/completions", #"{"prompt":"a","stream":\#(streams)}"#)
                    #expect(refused.status == 503)
                    #expect(refused.error("type") == "Service Unavailable")
                    let delay = try #require(refused.header("retry-after").flatMap { Int($0) })
                    #expect((1...60).contains(delay))
                    #expect(refused.header("connection") == nil)
                }
                #expect(try await test.request("GET", "/health").status == 200)
                #expect(try await test.request("GET", "/load").body == #"{"server_load":1}"#)
                #expect(try await test.value(of: #"vllm_request_count{status="FAILED"}"#) == 2)
                gate.open()
                #expect(try await first.response().status == 200)
            }
            #expect(try await test.post("/v1/completions", #"{"prompt":"a"}"#).status == 200)
            // What could never be let in is the client's mistake.
            let hopeless = try await test.post("/v1/completions", #"{"prompt":"a","n":3}"#)
            #expect(hopeless.status == 400)
            #expect(hopeless.error("param") == "n")
        }
    }

    @Test("a draining server finishes what it has and takes nothing new")
    func drain() async throws {
        let gate = Gate()
        try await TestServer.run { options in
            options.server.shutdownTimeout = .seconds(20)
            options.executor.beforeStep = { _ in gate.pass() }
        } _: { test in
            defer { gate.open() }
            try await test.connect { running in
                try await running.post(
                    "/v1/completions", #"{"prompt":"a","max_tokens":3,"ignore_eos":true,"stream":true}"#)
                _ = try await running.head()
                await gate.waitForArrival()
                test.server.shutdown()
                try await eventually { (try? await test.request("GET", "/health").status) == 503 }
                #expect(try await test.request("GET", "/live").status == 200)
                let refused = try await test.post("/v1/completions", #"{"prompt":"a"}"#)
                #expect(refused.status == 503)
                #expect(refused.header("connection") == "close")
                #expect(refused.error("type") == "ServiceUnavailableError")
                gate.open()
                var body = ""
                while let chunk = try await running.nextChunk() { body += chunk }
                #expect(body.contains(#""finish_reason":"length""#))
                #expect(body.hasSuffix("data: [DONE]\n\n"))
            }
        }
    }

    @Test("what isn't done in time is told so: streams by an error event, whole answers by 503")
    func abort() async throws {
        let gate = Gate()
        try await TestServer.run { options in
            options.server.shutdownTimeout = .zero
            options.executor.beforeStep = { _ in gate.pass() }
        } _: { test in
            defer { gate.open() }
            try await test.connect { stream in
                try await test.connect { whole in
                    try await stream.post(
                        "/v1/completions", #"{"prompt":"a","max_tokens":300,"ignore_eos":true,"stream":true}"#)
                    _ = try await stream.head()
                    try await whole.post("/v1/completions", #"{"prompt":"a","max_tokens":300,"ignore_eos":true}"#)
                    await gate.waitForArrival()
                    try await eventually { try await test.request("GET", "/load").body == #"{"server_load":2}"# }
                    test.server.shutdown()
                    try await eventually { (try? await test.request("GET", "/health").status) == 503 }
                    gate.open()
                    var body = ""
                    while let chunk = try await stream.nextChunk() { body += chunk }
                    #expect(body.contains(#""type":"ServiceUnavailableError""#))
                    #expect(body.hasSuffix("data: [DONE]\n\n"))
                    #expect(try await whole.response().status == 503)
                }
            }
        }
    }

    @Test("a stopped server has closed its port, idle connections included")
    func stopped() async throws {
        try await TestServer.run { test in
            try await test.connect { idle in
                try await idle.send("GET", "/version")
                _ = try await idle.response()
                test.server.shutdown()
                #expect(try await idle.rest() == "")
            }
        }
    }

    @Test("an address that is taken is an error that names it")
    func addressInUse() async throws {
        try await TestServer.run { test in
            await #expect(throws: ServerError.self) {
                try await TestServer.run {
                    $0.server.port = test.port
                } _: { _ in
                }
            }
        }
    }
}
