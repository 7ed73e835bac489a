// The real Prometheus and Alertmanager, started and ended by a test.

import AsyncHTTPClient
import Foundation
import JSON
import NIOCore
import NIOHTTP1
import Testing

/// A program of Debian's packages in a folder of its own; ended by its id when the test lets go of it.
/// Sendable: all its state is set before anyone else sees it.
class MonitoringProgram: @unchecked Sendable {
    let port = RunningServer.freePort()
    let folder = FileManager.default.temporaryDirectory.appending(path: "monitoring-\(UUID().uuidString)")
    private let process = Process()

    /// - Parameter files: texts by their path in the folder.
    init(_ program: String, files: [String: String], options: (_ port: Int) -> [String]) async throws {
        for (path, text) in files {
            let file = folder.appending(path: path)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try text.write(to: file, atomically: true, encoding: .utf8)
        }
        let log = folder.appending(path: "log")
        _ = FileManager.default.createFile(atPath: log.path, contents: nil)
        process.executableURL = URL(filePath: try TestFiles.prometheusProgram(program))
        process.arguments = options(port)
        process.currentDirectoryURL = folder
        process.standardError = try FileHandle(forWritingTo: log)
        try process.runBesideTest()
        let deadline = ContinuousClock.now + .seconds(30)
        while (try? await get("/-/ready")) == nil {
            let text = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
            try #require(process.isRunning && ContinuousClock.now < deadline, "\(program) did not start: \(text)")
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    deinit {
        process.endNow()
        try? FileManager.default.removeItem(at: folder)
    }

    private struct UnexpectedAnswer: Error {
        var path: String
        var status: HTTPResponseStatus
        var body: String
    }

    /// The body of a GET that was answered with 200.
    func get(_ path: String) async throws -> String {
        let request = HTTPClientRequest(url: "http://127.0.0.1:\(port)\(path)")
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(10))
        let body = String(buffer: try await response.body.collect(upTo: 16 << 20))
        guard response.status == .ok else {
            throw UnexpectedAnswer(path: path, status: response.status, body: body)
        }
        return body
    }
}

/// Prometheus that scrapes and evaluates each second.
final class RunningPrometheus: MonitoringProgram, @unchecked Sendable {
    /// A series as a query gives it.
    struct Sample {
        var labels: [String: String]
        var value: Double
    }

    /// - Parameters:
    ///   - targets: host, port and path of the metrics by name of the job.
    ///   - settings: further lines of a job's configuration.
    ///   - rules: files of rules by their name.
    init(
        targets: [String: String], settings: [String: [String]] = [:], rules: [String: String] = [:], alertmanagerPort: Int? = nil, features: [String] = []
    ) async throws {
        var configuration = "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
        configuration += "rule_files: [rules/*.yml]\n"
        if let alertmanagerPort {
            let target = "127.0.0.1:\(alertmanagerPort)"
            configuration += "alerting: {alertmanagers: [{static_configs: [{targets: ['\(target)']}]}]}\n"
        }
        configuration += "scrape_configs:\n"
        for (job, target) in targets {
            let slash = target.firstIndex(of: "/") ?? target.endIndex
            configuration += """
                - job_name: \(job)
                  metrics_path: \(target[slash...])
                  static_configs: [{targets: ['\(target[..<slash])']}]\n
                """
            configuration += (settings[job] ?? []).map { "  \($0)\n" }.joined()
        }
        var files = ["prometheus.yml": configuration]
        for (name, text) in rules { files["rules/\(name)"] = text }
        try await super.init("prometheus", files: files) { port in
            [
                "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:\(port)",
                "--enable-feature=\(features.joined(separator: ","))",
            ]
        }
        // It looks for targets every five seconds.
        try await wait(for: "count(up == 1) >= \(targets.count)", seconds: 20)
    }

    /// The `data` of an answer of the HTTP interface.
    func data(_ path: String, _ parameters: [String: String] = [:]) async throws -> JSONValue {
        var components = URLComponents()
        components.queryItems = parameters.map { URLQueryItem(name: $0.key, value: $0.value) }
        // A plus sign would be read as a space.
        let query = (components.percentEncodedQuery ?? "").replacing("+", with: "%2B")
        let answer = try JSONParser.parse(try await get("/api/v1/\(path)?\(query)"))
        return try #require(answer["data"])
    }

    /// The result of an instant query.
    func query(_ expression: String) async throws -> [Sample] {
        let result = try await data("query", ["query": expression])
        if result["resultType"]?.stringValue == "scalar" {
            let value = Double(result["result"]?.arrayValue?.last?.stringValue ?? "")
            return [Sample(labels: [:], value: try #require(value))]
        }
        return try (result["result"]?.arrayValue ?? []).map { series in
            let labels = (series["metric"]?.objectValue?.members ?? []).map { ($0.key, $0.value.stringValue ?? "") }
            let text = try #require(series["value"]?.arrayValue?.last?.stringValue)
            return Sample(labels: Dictionary(uniqueKeysWithValues: labels), value: try #require(Double(text)))
        }
    }

    /// The names of all series of a job, without those that Prometheus itself adds to a target.
    func names(ofJob job: String) async throws -> Set<String> {
        let values = try await data("label/__name__/values", ["match[]": "{job=\"\(job)\"}"]).arrayValue ?? []
        return Set(values.compactMap(\.stringValue).filter { $0 != "up" && !$0.hasPrefix("scrape_") })
    }

    /// Waits until a query has a result.
    func wait(for expression: String, seconds: Int) async throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while try await query(expression).isEmpty {
            try #require(ContinuousClock.now < deadline, "\(expression) stays empty")
            try await Task.sleep(for: .milliseconds(200))
        }
    }
}
