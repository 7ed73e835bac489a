import Access
import AccessTesting
import Server
import Testing

@Suite("Ways around access", .timeLimit(.minutes(1)))
struct HostileAccessTests {
    /// What a request says, and what the server answers without and with a right key.
    private func statuses(_ lines: [String]) async throws -> [Int] {
        let guarded = try GuardedServer()
        let results = Results()
        try await TestServer.run { options in
            options.access = guarded.access
        } _: { test in
            for key in [nil, "Authorization: Bearer \(GuardedServer.key)"] {
                let head = lines + (key.map { [$0] } ?? [])
                let response = try await test.connect { connection in
                    try await connection.send(head.joined(separator: "\r\n") + "\r\n\r\n")
                    return try await connection.response()
                }
                results.append(response.status)
            }
            // The server lives.
            #expect(try await test.request("GET", "/health").status == 200)
        }
        return results.all
    }

    @Test(
        "a path is what the request line says, and no spelling of an open one opens another",
        arguments: [
            "/health/../v1/models", "/v1/models/../../health", "//v1/models", "/v1//models", "/health/", "/health%2f",
            "/%68ealth", "/v1/models%00", "/v1/models;/health", "/v1/models/.", "/HEALTH", "/ping/v1/models",
            "/health%2f..%2fv1/models", "/v1%2fmodels", "\\health", "/v1/models#/health", "/health#",
            "http://test/v1/models", "http://test/health", "http://localhost/health?", "*",
            "/metrics%20", "/v1/models/%2e%2e/health", "/health\\..\\v1\\models",
        ])
    func paths(target: String) async throws {
        let answer = try await statuses(["GET \(target) HTTP/1.1", "Host: test"])
        #expect([400, 401].contains(answer[0]), "\(target): \(answer)")
        #expect([400, 404, 405].contains(answer[1]), "\(target): \(answer)")
    }

    @Test("a query is no part of the path", arguments: ["/v1/models?", "/v1/models?x=/health", "/v1/models??/health"])
    func queries(target: String) async throws {
        let answer = try await statuses(["GET \(target) HTTP/1.1", "Host: test"])
        #expect(answer == [401, 200])
    }

    @Test(
        "no Host header changes what is asked for; one that is no host is refused",
        arguments: [
            "localhost/health?", "localhost/v1/models?", "localhost?", "localhost#", "localhost/", "user@localhost",
            "localhost\\health", "a b", "localhost, other", "localhost/health", "[::1]/health",
        ])
    func hosts(host: String) async throws {
        let answer = try await statuses(["GET /v1/models HTTP/1.1", "Host: \(host)"])
        #expect(answer == [400, 400])
    }

    @Test("hosts with ports and addresses are fine", arguments: ["localhost:8000", "[::1]:8000", "a.b-c.example", ""])
    func goodHosts(host: String) async throws {
        let answer = try await statuses(["GET /v1/models HTTP/1.1", "Host: \(host)"])
        #expect(answer == [401, 200])
    }

    @Test(
        "headers of proxies and of other frameworks move no request elsewhere, and let nobody in",
        arguments: [
            "X-Original-URL: /health", "X-Rewrite-URL: /health", "X-Forwarded-Prefix: /health",
            "X-HTTP-Method-Override: OPTIONS", "X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1",
            "X-Forwarded-Host: localhost", "X-Real-IP: 127.0.0.1", "X-Api-Key: \(GuardedServer.key)",
            "Cookie: Authorization=Bearer \(GuardedServer.key)", "Proxy-Authorization: Bearer \(GuardedServer.key)",
            "Upgrade: websocket", "X-Auth-User: root",
        ])
    func headers(header: String) async throws {
        let answer = try await statuses(["GET /v1/models HTTP/1.1", "Host: test", header])
        #expect(answer == [401, 200])
    }

    @Test(
        "headers that come twice, or are written oddly, are refused",
        arguments: [
            ["Host: test", "Host: other"], ["Host: test", "Authorization: Bearer wrong"],
            ["Host: test", "authorization : Bearer \(GuardedServer.key)"],
            ["Host: test", "Authorization: Bearer \(GuardedServer.key)", "Authorization: Bearer \(GuardedServer.key)"],
        ])
    func twice(lines: [String]) async throws {
        let answer = try await statuses(["GET /v1/models HTTP/1.1"] + lines)
        #expect([400, 401].contains(answer[0]), "\(answer)")
        #expect(answer[1] == 400)
    }

    @Test("a key in the query, or the query of another, opens nothing")
    func keyInQuery() async throws {
        let answer = try await statuses(
            [
                "GET /v1/models?api_key=\(GuardedServer.key)&authorization=Bearer%20\(GuardedServer.key) HTTP/1.1",
                "Host: t",
            ])
        #expect(answer == [401, 200])
    }

    @Test("70,000 headers, 70,000 of them credentials, and a credential of a mebibyte are refused; the server lives")
    func masses() async throws {
        let guarded = try GuardedServer()
        try await TestServer.run { options in
            options.access = guarded.access
        } _: { test in
            let floods = [
                String(repeating: "a: b\r\n", count: 70_000),
                String(repeating: "Authorization: Bearer \(GuardedServer.key)\r\n", count: 70_000),
                "Authorization: Bearer " + String(repeating: "a", count: 1 << 20) + "\r\n",
            ]
            for flood in floods {
                let status = try await test.connect { connection in
                    try await connection.send("GET /v1/models HTTP/1.1\r\nHost: test\r\n")
                    // The server may close while it is still sent.
                    try? await connection.send(flood + "\r\n")
                    return try await connection.response().status
                }
                #expect(status == 400)
                #expect(try await test.request("GET", "/health").status == 200)
            }
        }
    }

    @Test(
        "methods that no route has are refused before they are looked at",
        arguments: ["TRACE", "CONNECT", "FOO", "PRI"])
    func methods(method: String) async throws {
        let answer = try await statuses(["\(method) /health HTTP/1.1", "Host: test"])
        #expect([400, 401].contains(answer[0]))
    }

    @Test("the allow-list of metrics goes by the socket, whatever headers say")
    func forwardedFor() async throws {
        let guarded = try GuardedServer { configuration in
            configuration.metrics.allowedRanges = ["10.0.0.0/8"].compactMap { AddressRange($0) }
        }
        try await TestServer.run { options in
            options.access = guarded.access
        } _: { test in
            let key = "Authorization: Bearer \(GuardedServer.key)"
            for header in ["X-Forwarded-For: 10.0.0.1", "Forwarded: for=10.0.0.1", "X-Real-IP: 10.0.0.1", "A: b"] {
                for path in ["/metrics", "/dashboard"] {
                    let answer = try await test.request("GET", path, headers: [key, header])
                    #expect(answer.status == 403)
                }
            }
            let answer = try await test.request("GET", "/v1/models", headers: [key])
            #expect(answer.status == 200)
        }
    }

    @Test("guesses over HTTP are slowed, and each costs a connection; the right key goes through")
    func guesses() async throws {
        var configuration = AccessConfiguration()
        configuration.keys = [GuardedServer.key]
        let access = try AccessControl(configuration)
        try await TestServer.run { options in
            options.access = access
        } _: { test in
            var statuses: [Int] = []
            for index in 0..<60 {
                let response = try await test.request(
                    "GET", "/v1/models", headers: ["Authorization: Bearer guess-\(index)"])
                statuses.append(response.status)
                guard response.status == 429 else { continue }
                #expect(response.header("connection") == "close")
                #expect((response.header("retry-after").flatMap { Int($0) } ?? 0) >= 1)
            }
            #expect(statuses.prefix(20).allSatisfy { $0 == 401 })
            #expect(statuses.suffix(30).allSatisfy { $0 == 429 })
            let right = ["Authorization: Bearer \(GuardedServer.key)"]
            #expect(try await test.request("GET", "/v1/models", headers: right).status == 200)
        }
    }

    @Test("a wrong key takes as long whether its beginning is right or not")
    func timing() throws {
        var configuration = AccessConfiguration()
        configuration.keys = (0..<50).map { "\($0)-" + String(repeating: "k", count: 200) }
        let access = try AccessControl(configuration)
        func fastest(_ key: String) -> Duration {
            let presented = PresentedCredential(authorization: ["Bearer " + key], peer: nil)
            return ContinuousClock().measure { for _ in 0..<200 { _ = access.decide(presented, for: .api) } }
        }
        let near = "49-" + String(repeating: "k", count: 199) + "x"
        let far = "x9-" + String(repeating: "k", count: 199) + "x"
        var (nearest, farthest) = (Duration.seconds(9), Duration.seconds(9))
        for _ in 0..<50 {
            nearest = min(nearest, fastest(near))
            farthest = min(farthest, fastest(far))
        }
        // Wide, since other work beside it shows as well.
        #expect((0.5...2).contains(nearest / farthest), "\(nearest) beside \(farthest)")
    }
}

/// What a test has seen, from whatever task.
final class Results: @unchecked Sendable {
    private(set) var all: [Int] = []
    func append(_ value: Int) { all.append(value) }
}
