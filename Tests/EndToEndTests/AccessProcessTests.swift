// The program with keys, certificates and metrics of its own, beside the programs that people use with it.

import AccessTesting
import AsyncHTTPClient
import Foundation
import JSON
import NIOHTTP1
import Testing

@Suite("The real server's access", .serialized)
struct AccessProcessTests {
    /// What a command of `pagoda` prints, given something on standard input.
    private func pagoda(_ arguments: [String], input: String = "") throws -> (output: String, errors: String) {
        let process = Process()
        process.executableURL = URL(filePath: try TestFiles.binary())
        process.arguments = arguments
        let (stdin, stdout, stderr) = (Pipe(), Pipe(), Pipe())
        process.standardInput = stdin
        process.standardOutput = stdout
        process.standardError = stderr
        try process.run()
        stdin.fileHandleForWriting.write(Data(input.utf8))
        try stdin.fileHandleForWriting.close()
        let output = String(decoding: stdout.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let errors = String(decoding: stderr.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(arguments): \(errors)")
        return (output, errors)
    }

    private func status(_ server: RunningServer, _ path: String, key: String?) async throws -> HTTPResponseStatus {
        var request = HTTPClientRequest(url: path)
        if let key { request.headers.add(name: "Authorization", value: "Bearer \(key)") }
        return try await server.execute(request).status
    }

    @Test("the official client and a real Prometheus come in with their credentials, over TLS, and nobody without")
    func clients() async throws {
        let certificates = try TestCertificates()
        try certificates.issue("server")
        let files = try TemporaryFiles()
        let made = try pagoda(["hash-key", "alice", "--tenant", "research"])
        let key = try #require(made.errors.split(whereSeparator: \.isWhitespace).last.map(String.init))
        let scraper = try pagoda(
            ["hash-key", "scraper", "--scopes", "metrics", "--stdin"], input: "metrics-key-of-the-test\n")
        let keys = try files.write("keys:\n" + made.output + scraper.output, to: "keys.yaml")
        let password = try pagoda(["hash-password", "bob", "--cost", "6"], input: "password of bob\n")
        let passwords = try files.write("basic_auth_users:\n" + password.output, to: "web.yml")
        let tokens = try files.write("metrics-token-of-the-test\n", to: "tokens")
        let issuer = try TokenIssuer()
        let secret = try files.write(String(decoding: issuer.secret, as: UTF8.self), to: "jwt-secret")
        func token(_ claims: String) throws -> String { try issuer.token(claims, signed: .hs256) }
        let jwt = try token(#"{"sub":"prometheus","aud":"pagoda","exp":3000000000,"scope":"pagoda:metrics"}"#)
        let server = try await RunningServer([
            "--jwt-secret-file", secret, "--jwt-audience", "pagoda", "--api-key-file", keys, "--metrics-password-file",
            passwords, "--metrics-token-file", tokens,
            "--ssl-certfile", certificates.path("server.pem"), "--ssl-keyfile", certificates.path("server.key"),
            "--log-level", "debug",
        ])
        #expect(try await status(server, "/metrics", key: nil) == .unauthorized)
        #expect(try await status(server, "/v1/models", key: nil) == .unauthorized)
        #expect(try await status(server, "/metrics", key: key) == .forbidden)
        let expired = try token(#"{"sub":"prometheus","aud":"pagoda","exp":1700000000,"scope":"pagoda:metrics"}"#)
        #expect(try await status(server, "/metrics", key: expired) == .unauthorized)
        let other = try token(#"{"sub":"alice","aud":"pagoda","exp":3000000000,"scope":"pagoda:api"}"#)
        #expect(try await status(server, "/metrics", key: other) == .forbidden)

        let script = TestFiles.root.appending(path: "Tests/EndToEndTests/access.py").path
        let answers = try JSONParser.parse(
            try output(
                of: try TestFiles.python(),
                [script, "https://localhost:\(server.port)/v1", key, certificates.path("authority.pem")]))
        #expect(answers["right"]?.stringValue?.isEmpty == false, "\(answers)")
        #expect(answers["wrong"] == ["AuthenticationError", 401, "Unauthorized"])
        #expect(answers["metrics"] == ["PermissionDeniedError", 403, "Forbidden"])

        let target = "127.0.0.1:\(server.port)/metrics"
        let encrypted = ["scheme: https", "tls_config: {ca_file: '\(certificates.path("authority.pem"))'}"]
        let prometheus = try await RunningPrometheus(
            targets: ["basic": target, "bearer": target, "key": target, "jwt": target],
            settings: [
                "basic": encrypted + ["basic_auth: {username: bob, password: 'password of bob'}"],
                "bearer": encrypted + ["authorization: {credentials_file: '\(tokens)'}"],
                "key": encrypted + ["authorization: {credentials: metrics-key-of-the-test}"],
                "jwt": encrypted + ["authorization: {credentials_file: '\(try files.write(jwt + "\n", to: "jwt"))'}"],
            ])
        for job in ["basic", "bearer", "key", "jwt"] {
            try await prometheus.wait(
                for: "pagoda_tenant_requests_total{job=\"\(job)\",tenant=\"research\",outcome=\"success\"} == 1",
                seconds: 60)
        }
        let log = server.logText
        for secret in [key, "metrics-key-of-the-test", "password of bob", "metrics-token-of-the-test", jwt] {
            #expect(!log.contains(secret))
        }
        #expect(server.terminate() == 0)
    }

    @Test("SIGHUP brings new keys; a broken file is told in the log and changes nothing; environment and command line")
    func reload() async throws {
        let files = try TemporaryFiles()
        func entry(_ name: String, _ key: String) throws -> String {
            try pagoda(["hash-key", name, "--stdin"], input: key + "\n").output
        }
        let keys = try files.write("keys:\n" + entry("first", "first-key-of-the-test"), to: "keys.yaml")
        let server = try await RunningServer(["--api-key-file", keys, "--api-key", "canary-key-of-the-test"])
        #expect(server.logText.contains("/metrics and /dashboard ask for a key of the API"))
        #expect(!server.logText.contains("no access control"))
        #expect(try await status(server, "/v1/models", key: "first-key-of-the-test") == .ok)
        #expect(try await status(server, "/v1/models", key: "canary-key-of-the-test") == .ok)
        try files.write("keys:\n" + entry("second", "second-key-of-the-test"), to: "keys.yaml")
        kill(server.process.processIdentifier, SIGHUP)
        try await until { try await status(server, "/v1/models", key: "second-key-of-the-test") == .ok }
        #expect(try await status(server, "/v1/models", key: "first-key-of-the-test") == .unauthorized)
        try files.write("keys: [{name: third}]", to: "keys.yaml")
        kill(server.process.processIdentifier, SIGHUP)
        try await until { server.logText.contains("keys and passwords stay as they were") }
        #expect(try await status(server, "/v1/models", key: "second-key-of-the-test") == .ok)
        #expect(!server.logText.contains("canary"))
        #expect(server.terminate() == 0)
    }

    @Test("a server that anybody on the network may use says so once at the start; one on this machine does not")
    func warning() async throws {
        let open = try await RunningServer(["--host", "0.0.0.0"])
        #expect(open.logText.components(separatedBy: "no access control").count == 2)
        let local = try await RunningServer()
        #expect(!local.logText.contains("no access control"))
    }

    private func until(_ condition: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while try await !condition() {
            try #require(ContinuousClock.now < deadline, "the condition never held")
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}
