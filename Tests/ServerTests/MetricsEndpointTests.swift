import Foundation
import Server
import Telemetry
import Testing

@Suite("Metrics endpoint", .timeLimit(.minutes(1)))
struct MetricsEndpointTests {
    private let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

    @Test("a scraper gets the format that it asks for, and caches are told what decided")
    func formats() async throws {
        try await TestServer.run { test in
            let plain = try await test.request("GET", "/metrics")
            #expect(plain.header("content-type") == ExpositionFormat.text.contentType)
            #expect(plain.header("vary") == "Accept, Accept-Encoding")
            #expect(plain.header("content-encoding") == nil)
            #expect(plain.body.contains("\nvllm_request_count{status=\"SUCCESS\"} 0.0\n"))
            let openMetrics = try await test.request(
                "GET", "/metrics", headers: ["Accept: application/openmetrics-text;version=1.0.0, text/plain;q=0.5"])
            #expect(openMetrics.header("content-type") == ExpositionFormat.openMetrics.contentType)
            #expect(openMetrics.body.hasSuffix("\n# EOF\n"))
            let binary = try await test.request("GET", "/metrics", headers: ["Accept: \(protobuf), text/plain;q=0.5"])
            #expect(binary.header("content-type") == ExpositionFormat.protobuf.contentType)
            #expect(binary.body.contains("vllm_request_count"))
            let head = try await test.connect { connection in
                try await connection.send("HEAD /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                return try await connection.rest()
            }
            #expect(head.hasPrefix("HTTP/1.1 200 OK\r\n") && head.hasSuffix("\r\n\r\n"))
        }
    }

    @Test(
        "gzip goes to who accepts it, and unpacks to the exposition",
        arguments: [
            ("gzip", true), ("x-gzip", true), ("deflate, gzip;q=0.5", true), ("*", true), ("GZIP ; q=1", true),
            ("gzip;q=0", false), ("gzip;q=0, *", false), ("identity", false), ("gzip;q=x", false),
        ])
    func gzip(accepted: String, isCompressed: Bool) async throws {
        try await TestServer.run { test in
            let bytes = try await test.connect { connection in
                try await connection.send(
                    "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept-Encoding: \(accepted)\r\n\r\n")
                return try await connection.restBytes()
            }
            let response = Data(bytes)
            let end = try #require(response.firstRange(of: Data("\r\n\r\n".utf8)))
            let head = String(decoding: response[..<end.lowerBound], as: UTF8.self).lowercased()
            #expect(head.contains("content-encoding: gzip") == isCompressed)
            let body = response[end.upperBound...]
            let text = isCompressed ? try unpacked(body) : String(decoding: body, as: UTF8.self)
            #expect(text.hasPrefix("# HELP ") && text.hasSuffix("\n"))
            #expect(text.contains("\nvllm_request_count{status=\"SUCCESS\"} 0.0\n"))
        }
    }

    /// By the system's own gzip.
    private func unpacked(_ data: Data) throws -> String {
        let file = FileManager.default.temporaryDirectory.appending(path: "scrape-\(UUID().uuidString).gz")
        try data.write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let process = Process(), output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["gzip", "-dc", file.path]
        process.standardOutput = output
        try process.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return String(decoding: text, as: UTF8.self)
    }
}
