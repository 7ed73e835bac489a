import Access
import AccessTesting
import JSON
import Logging
import Observability
import Server
import Testing
import TraceTesting

@Suite("Whose requests they are", .timeLimit(.minutes(1)))
struct IdentityTests {
    @Test("a key's tenant is counted, logged and shown with each of its requests; strangers make no series")
    func tenants() async throws {
        let guarded = try GuardedServer()
        let log = RecordedLog()
        try await TestServer.run { options in
            options.access = guarded.access
            options.tenants = guarded.access.tenants
            options.server.enablesDebugEndpoints = true
            var journal = RequestJournal.Configuration()
            journal.logger = log.logger
            journal.accessLevel = .info
            options.journal = journal
            options.logger = log.logger
        } _: { test in
            let root = "Authorization: Bearer \(GuardedServer.rootKey)"
            let body = #"{"prompt":"abc","max_tokens":2,"ignore_eos":true}"#
            func ask(_ header: String) async throws -> Int {
                try await test.post("/v1/completions", body, headers: [header]).status
            }
            #expect(try await ask("Authorization: Bearer \(GuardedServer.key)") == 200)
            #expect(try await ask(root) == 200)
            #expect(try await ask("Authorization: Bearer somebody-elses-key") == 401)
            let stranger = try guarded.issuer.token(
                #"{"aud":"pagoda","exp":3000000000,"sub":"bob","tenant":"unheard-of"}"#)
            #expect(try await ask("Authorization: Bearer \(stranger)") == 200)
            try await test.waitUntilIdle()

            let text = try await test.request("GET", "/metrics", headers: [root]).body
            let values = TestServer.values(text)
            for tenant in ["research", "root", "other"] {
                #expect(values["pagoda_tenant_requests_total{outcome=\"success\",tenant=\"\(tenant)\"}"] == 1)
                #expect(values["pagoda_tenant_tokens_total{kind=\"prompt\",tenant=\"\(tenant)\"}"] == 3)
                #expect(values["pagoda_tenant_tokens_total{kind=\"generated\",tenant=\"\(tenant)\"}"] == 2)
            }
            #expect(values["pagoda_tenant_requests_total{outcome=\"success\",tenant=\"default\"}"] == 0)
            #expect(!text.contains("unheard-of"))

            func finishedRequests() async throws -> [JSONValue] {
                let debug = try await test.request("GET", "/debug/requests", headers: [root])
                return debug.json?["finished"]?.arrayValue ?? []
            }
            try await eventually { try await finishedRequests().count == 3 }
            let finished = try await finishedRequests()
            #expect(finished.map { $0["client"]?.text } == ["bob", "root", "alice"])
            #expect(finished.map { $0["tenant"]?.text } == ["unheard-of", "root", "research"])
        }
        let lines = log.lines.filter { $0.message == "request finished" && $0.metadata["prompt_tokens"] != nil }
        #expect(lines.compactMap { $0.metadata["tenant"] } == ["research", "root", "unheard-of"])
        #expect(lines.compactMap { $0.metadata["client"] } == ["alice", "root", "bob"])
    }

    @Test("without access control there is one tenant, and lines name no client")
    func open() async throws {
        let log = RecordedLog()
        try await TestServer.run { options in
            var journal = RequestJournal.Configuration()
            journal.logger = log.logger
            options.journal = journal
        } _: { test in
            let body = #"{"prompt":"abc","max_tokens":2,"ignore_eos":true}"#
            #expect(try await test.post("/v1/completions", body).status == 200)
            try await test.waitUntilIdle()
            let values = try await test.scrape()
            #expect(values["pagoda_tenant_requests_total{outcome=\"success\",tenant=\"default\"}"] == 1)
        }
        #expect(log.lines.allSatisfy { $0.metadata["client"] == nil && $0.metadata["tenant"] == nil })
    }

    @Test("no secret that a request or a file holds appears in a log, a metric, a trace, an error or a page")
    func canaries() async throws {
        let names = (1...20).map { "canary-\($0)-\(String(repeating: "x", count: 12))" }
        let files = try TemporaryFiles()
        let issuer = try TokenIssuer()
        var configuration = AccessConfiguration()
        configuration.keys = [names[0]]
        configuration.keyFile = try files.write(
            """
            # \(names[1])
            keys:
              - {name: alice, hash: "\(CredentialHash.key(names[2]))", scopes: [api, metrics, admin]}
            """, to: "keys.yaml")
        configuration.metrics.tokenFile = try files.write(names[3], to: "tokens")
        let hash = try #require(CredentialHash.password(names[4], cost: 4))
        configuration.metrics.passwordFile = try files.write("basic_auth_users: {bob: '\(hash)'}", to: "web.yml")
        var tokens = TokenConfiguration(
            keys: .secretFile(try files.write(names[5] + names[5], to: "secret")), algorithms: [.hs256])
        tokens.audience = "pagoda"
        configuration.tokens = tokens
        let access = try AccessControl(configuration)
        let foreign = try issuer.token(#"{"aud":"pagoda","exp":3000000000,"canary":"\#(names[6])"}"#, signed: .hs256)
        let log = RecordedLog()
        let seen = SeenTexts()
        @Sendable func basic(_ password: String) -> String {
            let text = TokenIssuer.encoded(Array("bob:\(password)".utf8))
            return "Basic " + text + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        }
        let wrongBasic = basic(names[7])
        let spans = try await recordedSpans { options in
            options.access = access
            options.server.enablesDebugEndpoints = true
            options.logger = log.logger
            options.journal?.logger = log.logger
        } _: { test in
            let key = "Authorization: Bearer \(names[2])"
            // What is let in, with secrets in what is said.
            let texts = [
                #"{"messages":[{"role":"system","content":"\#(names[8])"},{"role":"user","content":"\#(names[9])"}]"#
                    + #","max_tokens":2,"stop":["\#(names[10])"],"user":"\#(names[11])"}"#,
                #"{"messages":[{"role":"user","content":"\#(names[9])"}],"stream":true,"max_tokens":2}"#,
                // Refused: a wrong type, an unknown field, no JSON.
                #"{"messages":[{"role":"user","content":{"a":"\#(names[9])"}}]}"#,
                #"{"messages":"\#(names[9])","metadata":{"k":"\#(names[12])"}}"#,
                #"{"messages":[{"role":"user","content":"\#(names[9])"}],"temperature":9}"#,
                #"{"messages":[{"role":"tool","content":"\#(names[13])"}]}"#, #"{"messages": \#(names[14])"#,
            ]
            for text in texts {
                let answer = try await test.post(
                    "/v1/chat/completions?api_key=\(names[15])", text,
                    headers: [key, "Cookie: session=\(names[16])", "X-Api-Key: \(names[17])"])
                if answer.status >= 400 { seen.append(answer.body + answer.headers.joined()) }
            }
            // What is not let in.
            for header in [
                "Bearer \(names[18])", "Bearer \(foreign)", wrongBasic, "Digest \(names[19])",
                "Bearer \(names[2])x", "Bearer \(names[0]) \(names[0])",
            ] {
                for path in ["/metrics", "/v1/models"] {
                    let answer = try await test.request("GET", path, headers: ["Authorization: \(header)"])
                    #expect(answer.status == 401)
                    seen.append(answer.body + answer.headers.joined())
                }
            }
            for header in ["Bearer \(names[0])", "Bearer \(names[3])", basic(names[4])] {
                let answer = try await test.request("GET", "/metrics", headers: ["Authorization: \(header)"])
                #expect(answer.status == 200)
            }
            try await test.waitUntilIdle()
            let paths = [
                "/metrics", "/debug/requests", "/debug/workload", "/dashboard", "/dashboard/data", "/load", "/version",
            ]
            for path in paths {
                let answer = try await test.request("GET", path, headers: [key])
                #expect(answer.status == 200)
                seen.append(answer.body)
            }
            test.server.reload()
            try files.write("keys: [{name: \(names[1]), hash: \(names[2])}]", to: "keys.yaml")
            test.server.reload()
        }
        let logged = log.lines.map { "\($0.message) \($0.metadata)" }
        #expect(logged.contains { $0.contains("keys and passwords stay as they were") })
        #expect(!spans.isEmpty && seen.texts.count > 20)
        // Of a credential not even its hash, its encoding or its beginning.
        let encoded = names.map { TokenIssuer.encoded(Array($0.utf8)) }.map { String($0.prefix(12)) }
        let secrets = names.map { String($0.dropLast(4)) } + names.map { CredentialHash.key($0) } + encoded + [hash]
        for text in logged + seen.texts + spans {
            for secret in secrets where text.contains(secret) { Issue.record("\(secret) in \(text.prefix(300))") }
        }
    }

    /// What a server told a collector of traces, as text.
    private func recordedSpans(
        _ configure: (inout TestServer.Options) -> Void,
        _ body: @escaping @Sendable (TestServer) async throws -> Void
    ) async throws -> [String] {
        let collector = try await TraceCollector()
        let queue = SpanQueue()
        let endpoint = try #require(OTLPEndpoint(collector.url))
        let exporter = SpanExporter(
            SpanExporter.Configuration(endpoint: endpoint, version: "1"), queue: queue,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await TestServer.run { options in
            var journal = RequestJournal.Configuration()
            journal.tracer = OTLPTracer(sampler: TraceSampler(ratio: 1), queue: queue)
            options.journal = journal
            configure(&options)
        } _: {
            try await body($0)
        }
        await exporter.shutDown(within: .seconds(20))
        return collector.spans.map { "\($0)" }
    }

    private final class SeenTexts: @unchecked Sendable {
        private(set) var texts: [String] = []
        func append(_ text: String) { texts.append(text) }
    }
}
