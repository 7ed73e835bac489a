// The real binary, started and ended by a test.

import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOSSL
import Testing

/// A `pagoda serve` process on a port of its own; ended by its id when the test lets go of it.
/// Sendable: all its state is set before anyone else sees it.
final class RunningServer: @unchecked Sendable {
    /// As many connections as a test has clients.
    private static let client = {
        var configuration = HTTPClient.Configuration()
        // Certificates are made for the test, by an authority that nobody knows.
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.certificateVerification = .none
        configuration.tlsConfiguration = tls
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 1024
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    let port: Int
    let process: Process
    private let log: URL
    private let scheme: String

    /// Starts a model, by default the usual one, and waits until it is ready.
    ///
    /// - Parameters:
    ///   - model: With `--max-model-len 2048`; nil and `options` with a model of their own: as they say.
    ///   - environment: Instead of this process's, if it is given.
    init(_ options: [String] = [], model: String? = nil, environment: [String: String]? = nil) async throws {
        port = Self.freePort()
        scheme = options.contains("--ssl-certfile") ? "https" : "http"
        log = FileManager.default.temporaryDirectory.appending(path: "pagoda-\(port).log")
        _ = FileManager.default.createFile(atPath: log.path, contents: nil)
        process = Process()
        process.executableURL = URL(filePath: try TestFiles.binary())
        process.arguments =
            ["serve", "--host", "127.0.0.1", "--port", "\(port)"]
            + (options.contains("--model") ? [] : [try model ?? TestFiles.model(), "--max-model-len", "2048"]) + options
        if let environment { process.environment = environment }
        process.standardError = try FileHandle(forWritingTo: log)
        try process.runBesideTest()
        let deadline = ContinuousClock.now + .seconds(60)
        while try await status("/health") != .ok {
            try #require(process.isRunning && ContinuousClock.now < deadline, "the server did not start: \(logText)")
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    deinit {
        process.endNow()
        try? FileManager.default.removeItem(at: log)
    }

    /// A port that hardly anything else has: below those that the system gives to clients' connections.
    static func freePort() -> Int { Int.random(in: 10_000..<32_000) }

    var base: String { "\(scheme)://127.0.0.1:\(port)" }
    var logText: String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }

    /// The status of a GET; nil while nothing listens.
    func status(_ path: String) async throws -> HTTPResponseStatus? {
        try? await Self.client.execute(HTTPClientRequest(url: base + path), timeout: .seconds(10)).status
    }

    func get(_ path: String) async throws -> String {
        let response = try await Self.client.execute(HTTPClientRequest(url: base + path), timeout: .seconds(10))
        return String(buffer: try await response.body.collect(upTo: 4 << 20))
    }

    func metrics() async throws -> [String: Double] {
        TestFiles.metricValues(try await get("/metrics"))
    }

    /// Starts a POST of JSON; the body is the caller's to read.
    func post(_ path: String, _ json: String, key: String? = nil) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: base + path)
        request.method = .POST
        if let key { request.headers.add(name: "Authorization", value: "Bearer \(key)") }
        request.headers.add(name: "Content-Type", value: "application/json")
        request.body = .bytes(ByteBuffer(string: json))
        return try await Self.client.execute(request, timeout: .seconds(120))
    }

    /// Sends a request whose URL is a path.
    func execute(_ request: HTTPClientRequest) async throws -> HTTPClientResponse {
        var request = request
        request.url = base + request.url
        return try await Self.client.execute(request, timeout: .seconds(120))
    }

    /// Sends SIGTERM and gives the exit status.
    func terminate() -> Int32 {
        process.terminate()
        process.waitUntilExit()
        return process.terminationStatus
    }
}

/// Runs a program to its end; its output.
func output(of program: String, _ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: program)
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self)
}
