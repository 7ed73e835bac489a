import NIOCore
import NIOPosix
import Server
import Testing

@Suite("Deadlines", .timeLimit(.minutes(1)))
struct DeadlineTests {
    @Test("a head that does not end is answered with 408")
    func slowHead() async throws {
        try await TestServer.run { options in
            options.server.connections.headTimeout = .milliseconds(500)
        } _: { test in
            // Until the first byte is there, a connection is closed without a word.
            try await eventually {
                try await test.connect { connection in
                    try await connection.send("GET /health HTTP/1.1\r\nHost: a\r\nX-Slow: ")
                    guard let response = try? await connection.response() else { return false }
                    #expect(response.status == 408)
                    #expect(response.header("connection") == "close")
                    #expect(response.body.contains(#""code":408"#))
                    #expect(try await connection.rest() == "")
                    return true
                }
            }
        }
    }

    @Test("a connection that says nothing is closed without a word")
    func silence() async throws {
        try await TestServer.run { options in
            options.server.connections.headTimeout = .milliseconds(200)
        } _: { test in
            let rest = try await test.connect { try await $0.rest() }
            #expect(rest == "")
        }
    }

    @Test("a connection is closed when nothing follows on a response for long enough")
    func keepAliveEnds() async throws {
        try await TestServer.run { options in
            options.server.connections.keepAliveTimeout = .milliseconds(200)
        } _: { test in
            try await test.connect { connection in
                try await connection.send("GET", "/version")
                #expect(try await connection.response().status == 200)
                #expect(try await connection.rest() == "")
            }
        }
    }

    @Test(
        "a body that does not end is answered with 408",
        arguments: [
            "Content-Length: 1000", "Transfer-Encoding: chunked",
        ])
    func slowBody(framing: String) async throws {
        try await TestServer.run { options in
            options.server.connections.bodyTimeout = .milliseconds(200)
        } _: { test in
            try await test.connect { connection in
                try await connection.send("POST /v1/completions HTTP/1.1\r\nHost: a\r\n\(framing)\r\n\r\n1\r\n")
                let response = try await connection.response()
                #expect(response.status == 408)
                #expect(try await connection.rest() == "")
            }
        }
    }

    @Test("a body that comes fast enough has the time it needs")
    func earnedTime() async throws {
        try await TestServer.run { options in
            options.server.connections.bodyTimeout = .milliseconds(100)
            options.server.connections.bodyBytesPerSecond = 1
        } _: { test in
            try await test.connect { connection in
                let body = #"{"prompt":"hi"}"#
                try await connection.send(
                    "POST /tokenize HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                        + "Content-Length: \(body.utf8.count)\r\n\r\n\(body.dropLast())")
                // Each of the bytes before has bought a second.
                try await Task.sleep(for: .milliseconds(300))
                try await connection.send("}")
                #expect(try await connection.response().status == 200)
            }
        }
    }

    @Test("a client that takes nothing of a whole answer loses its connection")
    func stalledAnswer() async throws {
        try await TestServer.run { options in
            options.server.connections.writeStallTimeout = .milliseconds(300)
            options.server.connections.count = 1
        } _: { test in
            let text = String(repeating: "a", count: 4_000_000)
            try await Self.connectWithoutReading(port: test.port) { channel in
                try await Self.write("/tokenize", #"{"prompt":"\#(text)"}"#, to: channel)
                // There is room for another connection only when this one is closed.
                try await eventually { (try? await test.request("GET", "/health").status) == 200 }
            }
        }
    }

    @Test("a client that takes nothing of a stream loses it, and the engine its request")
    func stalledStream() async throws {
        try await TestServer.run { options in
            options.server.connections.writeStallTimeout = .milliseconds(300)
            options.maxModelLength = 2048
        } _: { test in
            try await Self.connectWithoutReading(port: test.port) { channel in
                // More than the system's buffers hold.
                let body =
                    #"{"messages":[{"role":"user","content":"hi"}],"max_tokens":900,"n":8,"logprobs":true,"#
                    + #""top_logprobs":20,"ignore_eos":true,"stream":true}"#
                try await Self.write("/v1/chat/completions", body, to: channel)
                try await eventually { try await test.value(of: #"vllm_request_count{status="FAILED"}"#) == 1 }
            }
            try await test.waitUntilIdle()
        }
    }

    /// A client whose socket is never read.
    private static func connectWithoutReading(
        port: Int, _ body: (any Channel) async throws -> Void
    ) async throws {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: false)
            .channelOption(.socketOption(.so_rcvbuf), value: 32 * 1024)
            .connect(host: "127.0.0.1", port: port).get()
        defer { channel.close(promise: nil) }
        try await body(channel)
    }

    private static func write(_ path: String, _ body: String, to channel: any Channel) async throws {
        let head = "POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        let text = head + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
        try await channel.writeAndFlush(ByteBuffer(string: text))
    }
}
