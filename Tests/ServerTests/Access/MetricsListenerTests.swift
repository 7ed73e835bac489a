import Access
import AccessTesting
import Server
import Testing

@Suite("Metrics on a port of their own", .timeLimit(.minutes(1)))
struct MetricsListenerTests {
    @Test("/metrics and the dashboard move there, with the probes; the API stays where it was")
    func twoPorts() async throws {
        try await TestServer.run { options in
            options.server.metricsPort = 0
            options.server.metricsHost = "127.0.0.1"
        } _: { test in
            let port = try #require(test.server.metricsPort)
            #expect(port != test.port)
            func status(_ port: Int, _ path: String) async throws -> Int {
                try await RawConnection.open(port: port) { connection in
                    try await connection.send("GET", path)
                    return try await connection.response().status
                }
            }
            for path in ["/metrics", "/dashboard", "/dashboard/data"] {
                #expect(try await status(test.port, path) == 404)
                #expect(try await status(port, path) == 200)
            }
            for path in ["/v1/models", "/load", "/version", "/v1/completions"] {
                #expect(try await status(port, path) == 404)
            }
            #expect(try await status(test.port, "/v1/models") == 200)
            for port in [port, test.port] { #expect(try await status(port, "/health") == 200) }
        }
    }

    @Test("the two ports ask for what each is told to")
    func ownCredentials() async throws {
        let files = try TemporaryFiles()
        let guarded = try GuardedServer { configuration in
            configuration.metrics.mode = .own
            configuration.metrics.tokenFile = try? files.write("metrics-token-of-the-test", to: "tokens")
        }
        try await TestServer.run { options in
            options.access = guarded.access
            options.server.metricsPort = 0
        } _: { test in
            let port = try #require(test.server.metricsPort)
            func status(_ key: String?) async throws -> Int {
                try await RawConnection.open(port: port) { connection in
                    try await connection.send(
                        "GET", "/metrics", headers: key.map { ["Authorization: Bearer \($0)"] } ?? [])
                    return try await connection.response().status
                }
            }
            #expect(try await status(nil) == 401)
            #expect(try await status(GuardedServer.key) == 401)
            #expect(try await status("metrics-token-of-the-test") == 200)
            let token = ["Authorization: Bearer metrics-token-of-the-test"]
            #expect(try await test.request("GET", "/v1/models", headers: token).status == 401)
        }
    }

    @Test("an address that is taken is told, and the first listener lets go of its own")
    func taken() async throws {
        try await TestServer.run { first in
            await #expect(throws: ServerError.self) {
                try await TestServer.run {
                    $0.server.metricsPort = first.port
                } _: { _ in
                }
            }
        }
    }

    @Test("a flood of scrapes is answered 503 beyond its share; the API and the next scrape after it are answered")
    func flood() async throws {
        try await TestServer.run { options in
            // A thousandth of a core: 20 ms saved up.
            options.server.scrapeShare = 0.001
        } _: { test in
            let (served, refused) = try await withThrowingTaskGroup(of: (Int, Int).self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        try await test.connect { connection in
                            var counts = (0, 0)
                            for _ in 0..<200 {
                                try await connection.send("GET", "/metrics")
                                let response = try await connection.response()
                                if response.status == 200 { counts.0 += 1 } else { counts.1 += 1 }
                                guard response.status != 200 else { continue }
                                #expect(response.status == 503 && response.header("retry-after") == "1")
                            }
                            return counts
                        }
                    }
                }
                return try await group.reduce((0, 0)) { ($0.0 + $1.0, $0.1 + $1.1) }
            }
            #expect(served > 0 && refused > 400, "\(served) served, \(refused) refused")
            let body = #"{"prompt":"abc","max_tokens":2}"#
            #expect(try await test.post("/v1/completions", body).status == 200)
            #expect(try await test.request("GET", "/health").status == 200)
        }
    }
}
