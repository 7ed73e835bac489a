// The real nginx with a file of deploy/ingress/nginx, started and ended by a test.

import AccessTesting
import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOSSL
import Testing

/// One process, without workers of its own, in a folder of its own; ended by its id when the test lets go of it.
/// Sendable: all its state is set before anyone else sees it.
final class RunningNginx: @unchecked Sendable {
    private static let client = {
        var configuration = HTTPClient.Configuration()
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.certificateVerification = .none
        configuration.tlsConfiguration = tls
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    let port = RunningServer.freePort()
    private let folder = FileManager.default.temporaryDirectory.appending(path: "nginx-\(UUID().uuidString)")
    private let process = Process()

    /// - Parameters:
    ///   - server: What it passes requests to.
    ///   - files: Texts by their path in its folder, besides the deployed ones.
    ///   - change: What a test changes of pagoda.conf, beside addresses.
    init(
        before server: RunningServer, files: [String: String] = [:], change: (String) -> String = { $0 }
    ) async throws {
        let deployed = TestFiles.root.appending(path: "deploy/ingress/nginx")
        for name in ["conf.d", "temp"] {
            try FileManager.default.createDirectory(
                at: folder.appending(path: name), withIntermediateDirectories: true)
        }
        try FileManager.default.copyItem(
            at: deployed.appending(path: "pagoda"), to: folder.appending(path: "pagoda"))
        let certificates = try TestCertificates()
        try certificates.issue("tls")
        for (source, target) in [("tls.pem", "pagoda/tls.pem"), ("tls.key", "pagoda/tls.key")] {
            try FileManager.default.copyItem(
                at: certificates.folder.appending(path: source), to: folder.appending(path: target))
        }
        let site = try String(contentsOf: deployed.appending(path: "pagoda.conf"), encoding: .utf8)
            .replacing("server 127.0.0.1:8000;", with: "server 127.0.0.1:\(server.port);")
            .replacing("listen 443 ssl;", with: "listen 127.0.0.1:\(port) ssl;")
            .replacing("/etc/nginx/", with: folder.path + "/")
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map { "\($0)_temp_path temp/\($0);" }
        let main = """
            daemon off; master_process off; pid nginx.pid; error_log stderr warn;
            events { worker_connections 256; }
            http { access_log off; \(temporary.joined(separator: " ")) include conf.d/*.conf; }

            """
        let own = ["nginx.conf": main, "conf.d/pagoda.conf": change(site)]
        for (path, text) in own.merging(files, uniquingKeysWith: { $1 }) {
            try text.write(to: folder.appending(path: path), atomically: true, encoding: .utf8)
        }
        let log = folder.appending(path: "log")
        _ = FileManager.default.createFile(atPath: log.path, contents: nil)
        process.executableURL = URL(filePath: try TestFiles.nginx())
        process.arguments = ["-e", "stderr", "-p", folder.path + "/", "-c", folder.path + "/nginx.conf"]
        process.standardError = try FileHandle(forWritingTo: log)
        try process.runBesideTest()
        let deadline = ContinuousClock.now + .seconds(20)
        while (try? await answer(.GET, "/health").status) != .ok {
            let text = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
            try #require(process.isRunning && ContinuousClock.now < deadline, "nginx did not start: \(text)")
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    deinit {
        process.endNow()
        try? FileManager.default.removeItem(at: folder)
    }

    struct Answer {
        var status: HTTPResponseStatus
        var headers: HTTPHeaders
        var body: String
    }

    func request(_ method: HTTPMethod, _ path: String, headers: [String: String] = [:]) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: "https://127.0.0.1:\(port)\(path)")
        request.method = method
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        return request
    }

    func execute(_ request: HTTPClientRequest) async throws -> HTTPClientResponse {
        try await Self.client.execute(request, timeout: .seconds(120))
    }

    func answer(_ method: HTTPMethod, _ path: String, headers: [String: String] = [:]) async throws -> Answer {
        let response = try await execute(request(method, path, headers: headers))
        let body = try await response.body.collect(upTo: 16 << 20)
        return Answer(status: response.status, headers: response.headers, body: String(buffer: body))
    }
}
