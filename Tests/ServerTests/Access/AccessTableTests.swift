import Access
import AccessTesting
import JSON
import Observability
import Server
import Synchronization
import Testing

/// A server with keys and tokens, and one credential of each kind.
struct GuardedServer: Sendable {
    let files: TemporaryFiles
    let access: AccessControl
    let issuer: TokenIssuer

    static let key = "right-key-of-the-test"
    static let rootKey = "root-key-of-the-test"
    static let now = 1_800_000_000.0

    /// - Parameter configure: Changes what the API's keys and tokens are in already.
    init(_ configure: (inout AccessConfiguration) -> Void = { _ in }) throws {
        files = try TemporaryFiles()
        issuer = try TokenIssuer()
        var configuration = AccessConfiguration()
        configuration.keyFile = try files.write(
            """
            keys:
              - {name: alice, hash: "\(CredentialHash.key(Self.key))", scopes: [api, metrics], tenant: research}
              - {name: root, hash: "\(CredentialHash.key(Self.rootKey))", scopes: [api, metrics, admin]}
              - {name: late, hash: "\(CredentialHash.key("expired-key-of-the-test"))", expires: 2020-01-01}
            """, to: "keys.yaml")
        var tokens = TokenConfiguration(
            keys: .keySetFile(try files.write(try issuer.keySet, to: "keys.json")), algorithms: [.rs256, .es256])
        tokens.audience = "pagoda"
        configuration.tokens = tokens
        configure(&configuration)
        // An hour goes by with each look at the clock, so that nobody who guesses here is slowed.
        let seconds = Mutex(Self.now)
        access = try AccessControl(configuration) {
            seconds.withLock { seconds in
                seconds += 3600
                return seconds
            }
        }
    }

    private static let claims = #"{"aud":"pagoda","exp":3000000000,"sub":"alice","scope":"api metrics"}"#

    /// `Authorization` headers by what is wrong with them.
    func wrongCredentials() throws -> [(name: String, header: String?)] {
        func token(_ claims: String, _ signature: TokenIssuer.Signature) throws -> String {
            "Bearer " + (try issuer.token(claims, signed: signature))
        }
        return [
            ("none", nil), ("wrong key", "Bearer wrong-key-of-the-test"), ("empty key", "Bearer "),
            ("expired key", "Bearer expired-key-of-the-test"),
            ("password", "Basic YWxpY2U6cGFzc3dvcmQ="),
            ("expired token", try token(#"{"aud":"pagoda","exp":1700000000}"#, .es256)),
            ("other audience", try token(#"{"aud":"other","exp":3000000000}"#, .es256)),
            ("alg none", try token(Self.claims, .none)), ("key confusion", try token(Self.claims, .confusedKey)),
            ("other secret", try token(Self.claims, .hs256)),
        ]
    }

    func rightCredentials() throws -> [String] {
        ["Bearer " + Self.key, "Bearer " + (try issuer.token(Self.claims, signed: .rs256))]
    }
}

@Suite("Access to routes", .timeLimit(.minutes(2)))
struct AccessTableTests {
    static let open: Set<String> = ["GET /health", "GET /live", "GET /ping", "POST /ping"]
    static let admin: Set<String> = ["GET /debug/requests", "GET /debug/workload"]
    static let paths = [
        "/health", "/live", "/ping", "/version", "/load", "/metrics", "/metrics/", "/v1/models", "/models",
        "/tokenize", "/detokenize", "/v1/completions", "/completions", "/v1/chat/completions", "/chat/completions",
        "/debug/requests", "/debug/workload", "/dashboard", "/dashboard/", "/dashboard/data", "/dashboard/data/", "/",
        "/nothing", "/v1/nothing", "/docs", "/openapi.json",
    ]
    static let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

    private func status(
        _ connection: inout RawConnection, _ method: String, _ path: String, _ header: String?
    ) async throws -> (status: Int, head: String) {
        let headers = (header.map { ["Authorization: \($0)"] } ?? []) + ["Content-Type: application/json"]
        try await connection.send(method, path, headers: headers, body: method == "POST" ? "{}" : nil)
        guard method != "HEAD" else {
            let head = try await connection.head()
            return (Int(head.split(separator: " ")[1]) ?? 0, head)
        }
        let response = try await connection.response()
        if response.status == 401 {
            #expect(response.error("code")?.int == 401 && response.error("type")?.text == "Unauthorized")
            #expect(response.error("message")?.text?.isEmpty == false && response.error("param")?.isNull == true)
        }
        return (response.status, response.headers.joined(separator: "\n"))
    }

    @Test("every route but the probes, by every method, refuses every wrong credential")
    func wrongCredentials() async throws {
        let guarded = try GuardedServer()
        try await TestServer.run { options in
            options.access = guarded.access
            options.server.enablesDebugEndpoints = true
            options.journal = .init()
        } _: { test in
            for (name, header) in try guarded.wrongCredentials() {
                try await test.connect { connection in
                    for path in Self.paths {
                        for method in Self.methods {
                            let answer = try await status(&connection, method, path, header)
                            guard !Self.open.contains("\(method) \(path)") else {
                                #expect(answer.status == 200, "\(name): \(method) \(path)")
                                continue
                            }
                            #expect(answer.status == 401, "\(name): \(method) \(path)")
                            #expect(
                                answer.head.lowercased().contains("www-authenticate: bearer realm=\"pagoda\""),
                                "\(name): \(method) \(path)")
                        }
                    }
                }
            }
        }
    }

    @Test("right credentials are answered as if there were no control, but for what is an administrator's")
    func rightCredentials() async throws {
        let guarded = try GuardedServer()
        let collected = Mutex<[String: Int]>([:])
        @Sendable func collect(_ test: TestServer, _ name: String, _ header: String?) async throws {
            for path in Self.paths {
                for method in Self.methods {
                    let answer = try await test.connect { try await status(&$0, method, path, header) }
                    collected.withLock { $0["\(name) \(method) \(path)"] = answer.status }
                }
            }
        }
        try await TestServer.run { options in
            options.server.enablesDebugEndpoints = true
            options.journal = .init()
        } _: {
            try await collect($0, "open", nil)
        }
        try await TestServer.run { options in
            options.access = guarded.access
            options.server.enablesDebugEndpoints = true
            options.journal = .init()
        } _: { test in
            for header in try guarded.rightCredentials() { try await collect(test, "right", header) }
            try await collect(test, "root", "Bearer " + GuardedServer.rootKey)
        }
        let statuses = collected.withLock { $0 }
        for path in Self.paths {
            for method in Self.methods {
                let route = "\(method) \(path)"
                let expected = try #require(statuses["open \(route)"])
                #expect(statuses["root \(route)"] == expected, "\(route)")
                #expect(statuses["right \(route)"] == (Self.admin.contains(route) ? 403 : expected), "\(route)")
            }
        }
    }

    @Test("the table above has every route that the server counts")
    func tableIsWhole() async throws {
        try await TestServer.run { options in
            options.server.enablesDebugEndpoints = true
            options.journal = .init()
        } _: { test in
            let series = try await test.scrape().keys.filter { $0.hasPrefix("http_requests_total{") }
            for name in series {
                let handler = try #require(
                    name.components(separatedBy: "handler=\"").last?.split(separator: "\"").first)
                #expect(Self.paths.contains(String(handler)) || handler == "none", "\(handler)")
            }
        }
    }

    @Test("nothing large is read from whoever has shown no right credential")
    func bodies() async throws {
        let guarded = try GuardedServer()
        try await TestServer.run { options in
            options.access = guarded.access
        } _: { test in
            for headers in [["Content-Length: 30000000"], ["Content-Length: 10", "Expect: 100-continue"]] {
                let response = try await test.connect { connection in
                    try await connection.send("POST", "/v1/completions", headers: headers)
                    return try await connection.response()
                }
                #expect(response.status == 401)
                #expect(response.header("connection") == "close")
            }
            let probe = try await test.connect { connection in
                try await connection.send("POST", "/ping", headers: ["Content-Length: 30000000"])
                return try await connection.response()
            }
            #expect(probe.status == 413)
            // Chunks without end, and without their length told before.
            let response = try await test.connect { connection in
                try await connection.send("POST", "/v1/completions", headers: ["Transfer-Encoding: chunked"])
                for _ in 0..<20 { try await connection.send("2000\r\n" + String(repeating: "a", count: 8192) + "\r\n") }
                return try await connection.response()
            }
            #expect(response.status == 401)
            let right = "Authorization: Bearer \(GuardedServer.key)"
            let large = #"{"prompt":""# + String(repeating: "a", count: 100_000) + #""}"#
            #expect(try await test.post("/v1/completions", large, headers: [right]).status == 400)
        }
    }

    @Test("a key's models are all that it sees, and another one is unknown to it")
    func models() async throws {
        let files = try TemporaryFiles()
        var configuration = AccessConfiguration()
        configuration.keyFile = try files.write(
            """
            keys:
              - {name: all, hash: "\(CredentialHash.key("key-for-all-models"))"}
              - {name: one, hash: "\(CredentialHash.key("key-for-one-model"))", models: [alias]}
            """, to: "keys.yaml")
        let access = try AccessControl(configuration)
        try await TestServer.run { options in
            options.access = access
        } _: { test in
            func ids(_ key: String) async throws -> [String] {
                let response = try await test.request("GET", "/v1/models", headers: ["Authorization: Bearer \(key)"])
                return response.json?["data"]?.arrayValue?.compactMap { $0["id"]?.text } ?? []
            }
            #expect(try await ids("key-for-all-models") == ["tiny", "alias"])
            #expect(try await ids("key-for-one-model") == ["alias"])
            for path in ["/v1/completions", "/tokenize"] {
                func answer(_ model: String, _ key: String) async throws -> RawResponse {
                    try await test.post(
                        path, #"{"model":"\#(model)","prompt":"a","max_tokens":1}"#,
                        headers: ["Authorization: Bearer \(key)"])
                }
                #expect(try await answer("tiny", "key-for-all-models").status == 200)
                #expect(try await answer("alias", "key-for-one-model").status == 200)
                let hidden = try await answer("tiny", "key-for-one-model")
                let unknown = try await answer("none", "key-for-one-model")
                #expect(hidden.status == 404 && unknown.status == 404)
                #expect(hidden.error("message")?.text?.contains("Models served here: `alias`.") == true)
                #expect(hidden.body.replacing("tiny", with: "none") == unknown.body)
            }
        }
    }
}
