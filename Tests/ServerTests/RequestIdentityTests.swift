import JSON
import Server
import Testing

@Suite("Request ids", .timeLimit(.minutes(1)))
struct RequestIdentityTests {
    @Test(
        "a request's id is the client's where it is safe to send back, and a new one where it is not",
        arguments: [
            ("abc-DEF_1.2", true), ("Root=1-67891233-abc/+;,!~", true), (String(repeating: "a", count: 128), true),
            (String(repeating: "a", count: 129), false), (String(repeating: "a", count: 8000), false),
            ("a b", false), ("a\tb", false), ("a\u{e9}", false), ("", false),
        ])
    func clientsID(id: String, isKept: Bool) async throws {
        try await TestServer.run { test in
            let response = try await test.post(
                "/v1/completions", #"{"prompt":"a","max_tokens":1}"#, headers: ["X-Request-Id: \(id)"])
            let echoed = try #require(response.header("x-request-id"))
            #expect((echoed == id) == isKept)
            #expect(response.json?["id"]?.text == "cmpl-\(echoed)")
            if !isKept { #expect(echoed.utf8.count == 32) }
        }
    }

    @Test(
        "every answer carries the request's id",
        arguments: [
            ("GET", "/health", 200), ("GET", "/metrics", 200), ("GET", "/nothing", 404), ("DELETE", "/health", 405),
            ("HEAD", "/health", 405),
        ])
    func everyAnswer(method: String, path: String, status: Int) async throws {
        try await TestServer.run { test in
            try await test.connect { connection in
                try await connection.send(method, path, headers: ["X-Request-Id: mine"])
                let head = try await connection.head()
                #expect(head.hasPrefix("HTTP/1.1 \(status)"))
                #expect(head.lowercased().contains("x-request-id: mine"))
            }
        }
    }

    @Test("answers to what is no request, or is refused before it is read, carry a new id each")
    func refusals() async throws {
        try await TestServer.run { options in
            options.server.connections.requestBytes = 10
        } _: { test in
            let malformed = try await test.connect { connection in
                try await connection.send("GET /health HTTP/1.1\r\nHost: test\r\nX-Request-Id: mine\r\n\r\n")
                let first = try await connection.response()
                #expect(first.header("x-request-id") == "mine")
                try await connection.send("nonsense\r\n\r\n")
                return try await connection.response()
            }
            #expect(malformed.status == 400)
            #expect(malformed.header("x-request-id")?.utf8.count == 32)
            let tooLarge = try await test.post("/v1/completions", #"{"prompt":"a"}"#, headers: ["X-Request-Id: big"])
            #expect(tooLarge.status == 413)
            #expect(tooLarge.header("x-request-id") == "big")
        }
    }

    @Test("an id in the body stands in for the header's, and is the id of the whole answer")
    func bodyID() async throws {
        try await TestServer.run { test in
            let body = #"{"prompt":"a","max_tokens":1,"request_id":"own"}"#
            let own = try await test.post("/v1/completions", body)
            #expect(own.json?["id"] == "cmpl-own")
            #expect(own.header("x-request-id") == "own")
            let both = try await test.post("/v1/completions", body, headers: ["X-Request-Id: header"])
            #expect(both.json?["id"] == "cmpl-header")
            let hostile = try await test.post(
                "/v1/completions", #"{"prompt":"a","max_tokens":1,"request_id":"a\r\nSet-Cookie: x=1"}"#)
            let id = try #require(hostile.header("x-request-id"))
            #expect(id.utf8.count == 32)
            #expect(hostile.json?["id"]?.text == "cmpl-\(id)")
            #expect(hostile.header("set-cookie") == nil)
        }
    }

    @Test("a stream tells its id before its first event, in its head")
    func stream() async throws {
        try await TestServer.run { test in
            let response = try await test.post(
                "/v1/completions", #"{"prompt":"a","max_tokens":2,"stream":true}"#, headers: ["X-Request-Id: s1"])
            #expect(response.header("x-request-id") == "s1")
            let events = try response.events()
            #expect(events.allSatisfy { $0["id"]?.text == "cmpl-s1" })
        }
    }
}
