import AccessTesting
import EngineTesting
import Foundation
import NIOSSL
import Server
import Testing

@Suite("TLS", .timeLimit(.minutes(1)))
struct TLSTests {
    private func status(_ port: Int, _ tls: NIOSSLContext, _ path: String = "/health") async throws -> Int {
        try await RawConnection.open(port: port, tls: tls) { connection in
            try await connection.send("GET", path)
            return try await connection.response().status
        }
    }

    @Test("requests, bodies and streams pass through TLS as they do without; plain ones are not answered")
    func encrypted() async throws {
        let certificates = try TestCertificates()
        try certificates.issue("server")
        let client = try certificates.client()
        try await TestServer.run { options in
            options.server.tls = TLSFiles(
                certificateFile: certificates.path("server.pem"), keyFile: certificates.path("server.key"))
            options.server.metricsPort = 0
        } _: { test in
            try await RawConnection.open(port: test.port, tls: client) { connection in
                for _ in 0..<3 {
                    try await connection.post(
                        "/v1/completions", #"{"prompt":"abc","max_tokens":5,"ignore_eos":true,"stream":true}"#)
                    let answer = try await connection.response()
                    #expect(answer.status == 200 && answer.body.hasSuffix("data: [DONE]\n\n"))
                }
                try await connection.send("GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                #expect(try await connection.rest().hasPrefix("HTTP/1.1 200"))
            }
            #expect(try await status(try #require(test.server.metricsPort), client, "/metrics") == 200)
            let plain = try await test.connect { connection in
                try await connection.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
                return try await connection.rest()
            }
            #expect(!plain.contains("HTTP"))
            #expect(try await status(test.port, client) == 200)
        }
    }

    @Test("a certificate is renewed on a running server: open streams go on, new connections see the new one")
    func renewal() async throws {
        let certificates = try TestCertificates()
        try certificates.issue("server")
        let other = try TestCertificates()
        let (trustsOld, trustsNew) = (try certificates.client(), try other.client())
        let gate = Gate()
        try await TestServer.run { options in
            options.server.tls = TLSFiles(
                certificateFile: certificates.path("server.pem"), keyFile: certificates.path("server.key"))
            options.executor.beforeStep = { _ in gate.pass() }
        } _: { test in
            defer { gate.open() }
            try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<16 {
                    group.addTask {
                        try await RawConnection.open(port: test.port, tls: trustsOld) { connection in
                            try await connection.post(
                                "/v1/completions", #"{"prompt":"abc","max_tokens":20,"ignore_eos":true,"stream":true}"#)
                            return try await connection.response().body
                        }
                    }
                }
                await gate.waitForArrival()
                try await eventually {
                    try await RawConnection.open(port: test.port, tls: trustsOld) { connection in
                        try await connection.send("GET", "/load")
                        return try await connection.response().body.contains("16")
                    }
                }
                // Half of a renewal: a certificate that does not go with the key. Nothing changes.
                try other.issue("server", serial: 2)
                try replace(certificates, by: other, "server.pem")
                test.server.reload()
                #expect(try await status(test.port, trustsOld) == 200)
                // The other half, noticed without being told.
                try replace(certificates, by: other, "server.key")
                try await eventually { (try? await status(test.port, trustsNew)) == 200 }
                await #expect(throws: (any Error).self) { try await status(test.port, trustsOld) }
                gate.open()
                var count = 0
                for try await body in group {
                    #expect(body.hasSuffix("data: [DONE]\n\n") && body.contains(#""finish_reason":"length""#))
                    count += 1
                }
                #expect(count == 16)
            }
        }
    }

    @Test("where clients' certificates are required nobody comes in without one of the right authority")
    func clientCertificates() async throws {
        let certificates = try TestCertificates()
        for name in ["server", "alice"] { try certificates.issue(name) }
        let strangers = try TestCertificates()
        try strangers.issue("mallory")
        let (with, without) = (try certificates.client(certificate: "alice"), try certificates.client())
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .file(certificates.path("authority.pem"))
        configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(strangers.path("mallory.pem"))
            .map { .certificate($0) }
        configuration.privateKey = .privateKey(
            try NIOSSLPrivateKey(file: strangers.path("mallory.key"), format: .pem))
        let foreign = try NIOSSLContext(configuration: configuration)
        for requirement in TLSFiles.ClientCertificates.allCases {
            try await TestServer.run { options in
                var files = TLSFiles(
                    certificateFile: certificates.path("server.pem"), keyFile: certificates.path("server.key"))
                if requirement != .none { files.authorityFile = certificates.path("authority.pem") }
                files.clientCertificates = requirement
                options.server.tls = files
            } _: { test in
                let before = try await status(test.port, with)
                #expect(before == 200)
                #expect((try? await status(test.port, without)) == (requirement == .required ? nil : 200))
                #expect((try? await status(test.port, foreign)) == (requirement == .none ? 200 : nil))
                let after = try await status(test.port, with)
                #expect(after == 200)
            }
        }
    }

    @Test("files that can't be used are told at the start, by name and without what is in them")
    func brokenFiles() async throws {
        let certificates = try TestCertificates()
        for name in ["server", "other"] { try certificates.issue(name) }
        for (certificate, key) in [
            ("none.pem", "server.key"), ("server.pem", "none.key"), ("server.pem", "other.key"),
            ("server.key", "server.key"), ("server.pem", "server.pem"),
        ] {
            let files = TLSFiles(certificateFile: certificates.path(certificate), keyFile: certificates.path(key))
            let error = try await #require(throws: ServerError.self) {
                try await TestServer.run {
                    $0.server.tls = files
                } _: { _ in
                }
            }
            #expect(error.description.contains(certificates.path(certificate)))
            #expect(!error.description.contains("BEGIN"))
        }
    }

    /// Puts a file of `other` where `certificates` has its own, in one step.
    private func replace(_ certificates: TestCertificates, by other: TestCertificates, _ name: String) throws {
        try #require(rename(other.path(name), certificates.path(name)) == 0)
    }
}
