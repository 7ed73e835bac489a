import Server
import Testing

@Suite("Connections", .timeLimit(.minutes(1)))
struct ConnectionTests {
    @Test("a connection serves one request after the other")
    func keepAlive() async throws {
        try await TestServer.run { test in
            try await test.connect { connection in
                for _ in 0..<3 {
                    try await connection.post("/v1/completions", #"{"prompt":"hi","max_tokens":3,"ignore_eos":true}"#)
                    #expect(try await connection.response().status == 200)
                }
                try await connection.send("GET", "/health")
                let response = try await connection.response()
                #expect(response.status == 200)
                #expect(response.header("connection") == nil)
            }
        }
    }

    @Test(
        "a client that asks for it gets its connection closed",
        arguments: [
            "GET /health HTTP/1.0\r\n\r\n",
            "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "GET /health HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n",
            "GET /health HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, CLOSE\r\n\r\n",
            "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close, foo\r\n\r\n",
            "GET /health HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        ])
    func closing(request: String) async throws {
        try await TestServer.run { test in
            try await test.connect { connection in
                try await connection.send(request)
                let response = try await connection.response()
                #expect(response.status == 200)
                #expect(response.header("connection") == "close")
                #expect(try await connection.rest() == "")
            }
        }
    }

    @Test("HTTP/1.0 gets a stream without chunks, ended by the end of the connection")
    func oldStream() async throws {
        try await TestServer.run { test in
            try await test.connect { connection in
                let body = #"{"prompt":"hi","max_tokens":3,"stream":true}"#
                try await connection.send(
                    "POST /v1/completions HTTP/1.0\r\nContent-Type: application/json\r\n"
                        + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
                let head = try await connection.head()
                #expect(head.hasPrefix("HTTP/1.0 200 OK\r\n"))
                #expect(!head.contains("chunked"))
                let rest = try await connection.rest()
                #expect(rest.hasPrefix("data: {"))
                #expect(rest.hasSuffix("\n\ndata: [DONE]\n\n"))
            }
        }
    }

    @Test("HTTP/1.0 may keep its connection where it asks for it")
    func oldKeepAlive() async throws {
        try await TestServer.run { test in
            try await test.connect { connection in
                for _ in 0..<2 {
                    try await connection.send("GET /version HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                    #expect(try await connection.response().header("connection") == "keep-alive")
                }
            }
        }
    }

    @Test("a hundred pipelined requests are answered in order, then the garbage after them is refused")
    func pipelining() async throws {
        try await TestServer.run { test in
            try await test.connect { connection in
                var text = ""
                for index in 0..<100 {
                    text += "GET \(index % 2 == 0 ? "/version" : "/load") HTTP/1.1\r\nHost: a\r\n\r\n"
                }
                try await connection.send(text + "garbage\r\n\r\n")
                for index in 0..<100 {
                    let body = try await connection.response().body
                    #expect(body.hasPrefix(index % 2 == 0 ? #"{"version":"# : #"{"server_load":"#))
                }
                #expect(try await connection.response().status == 400)
                #expect(try await connection.rest() == "")
            }
        }
    }

    @Test("more is pipelined than is held in memory, and all of it is answered")
    func boundedPipelining() async throws {
        try await TestServer.run { options in
            options.server.connections.pipelinedBytes = 2000
        } _: { test in
            try await test.connect { connection in
                let request = "GET /version HTTP/1.1\r\nHost: a\r\n\r\n"
                for _ in 0..<20 { try await connection.send(String(repeating: request, count: 50)) }
                for _ in 0..<1000 { #expect(try await connection.response().status == 200) }
            }
        }
    }

    @Test("a client that has closed its sending half still gets the short answers it asked for")
    func halfClose() async throws {
        try await TestServer.run { test in
            try await test.connect { connection in
                try await connection.send(
                    "GET /version HTTP/1.1\r\nHost: a\r\n\r\nGET /load HTTP/1.1\r\nHost: a\r\n\r\n")
                connection.closeOutput()
                #expect(try await connection.response().body.hasPrefix(#"{"version""#))
                #expect(try await connection.response().body.hasPrefix(#"{"server_load""#))
                #expect(try await connection.rest() == "")
            }
        }
    }

    @Test("a client that wants to be asked for its body is asked")
    func expectContinue() async throws {
        try await TestServer.run { test in
            try await test.connect { connection in
                let body = #"{"prompt":"hi"}"#
                try await connection.send(
                    "POST /tokenize HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
                        + "Content-Length: \(body.utf8.count)\r\n\r\n")
                #expect(try await connection.head() == "HTTP/1.1 100 Continue")
                try await connection.send(body)
                #expect(try await connection.response().status == 200)
            }
        }
    }

    @Test("a HEAD request gets no body")
    func head() async throws {
        try await TestServer.run { test in
            try await test.connect { connection in
                try await connection.send("HEAD /version HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                #expect(try await connection.head().hasPrefix("HTTP/1.1 405"))
                #expect(try await connection.rest() == "")
            }
        }
    }

    @Test("a new connection takes the place of an idle one when there are too many")
    func connectionLimit() async throws {
        try await TestServer.run { options in
            options.server.connections.count = 2
        } _: { test in
            try await test.connect { first in
                try await first.send("GET", "/version")
                _ = try await first.response()
                try await test.connect { second in
                    try await second.send("GET", "/version")
                    _ = try await second.response()
                    #expect(try await test.request("GET", "/version").status == 200)
                    #expect(try await test.request("GET", "/version").status == 200)
                }
            }
        }
    }

    @Test("connections that are all busy are not taken away, and a new one is closed")
    func fullyBusy() async throws {
        try await TestServer.run { options in
            options.server.connections.count = 1
        } _: { test in
            try await test.connect { busy in
                try await busy.send(
                    "POST /tokenize HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n")
                _ = try await busy.head()
                let answer = try await test.connect { other in
                    try? await other.send("GET", "/version")
                    return try await other.rest()
                }
                #expect(answer == "")
            }
        }
    }
}
