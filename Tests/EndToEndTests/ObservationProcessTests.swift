import AsyncHTTPClient
import Foundation
import JSON
import NIOCore
import NIOHTTP1
import Testing
import TraceTesting

@Suite("What the real server tells of its requests", .serialized)
struct ObservationProcessTests {
    private static let trace = "0af7651916cd43dd8448eb211c80319c"

    @Test("one id leads from the client to log line, timeline, spans and exemplars; no word of the prompt does")
    func oneRequest() async throws {
        let collector = try await TraceCollector()
        let server = try await RunningServer([
            "--otlp-traces-endpoint", collector.url, "--log-format", "json", "--enable-log-requests",
            "--enable-debug-endpoints",
        ])
        let response = try await send(
            to: server, "/v1/completions",
            #"{"prompt":"The zebra is a","max_tokens":8,"temperature":0,"ignore_eos":true}"#)
        #expect(response.status == .ok)
        #expect(response.headers.first(name: "x-request-id") == "e2e-1")
        #expect(response.headers.first(name: "traceresponse")?.contains(Self.trace) == true)
        _ = try await response.body.collect(upTo: 1 << 20)

        let timelines = try await server.get("/debug/requests")
        let entry = try #require(try JSONParser.parse(timelines)["finished"]?.arrayValue?.first)
        #expect(entry["id"] == "e2e-1" && entry["generated_tokens"] == 8)
        #expect(entry["trace_id"]?.stringValue == Self.trace)

        let metrics = try await send(to: server, "/metrics", nil, accept: "application/openmetrics-text")
        let exposition = String(buffer: try await metrics.body.collect(upTo: 8 << 20))
        #expect(exposition.contains(#"trace_id="\#(Self.trace)""#))

        #expect(server.terminate() == 0)
        // What had not been sent before went out at the end.
        #expect(Set(collector.spans.map(\.name)) == ["llm_request", "queue", "prefill", "decode"])
        #expect(collector.spans.allSatisfy { $0.traceID == Self.trace })

        let lines = server.logText.split(separator: "\n")
        let objects = try lines.map { try JSONParser.parse(String($0)) }
        #expect(objects.allSatisfy { $0["time"]?.stringValue != nil && $0["message"]?.stringValue != nil })
        let access = try #require(objects.first { $0["message"] == "request finished" })
        #expect(access["request_id"] == "e2e-1" && access["trace_id"]?.stringValue == Self.trace)
        #expect(access["metadata"]?["generated_tokens"] == "8")
        for text in [server.logText, timelines, "\(collector.spans)", exposition] { #expect(!text.contains("zebra")) }
    }

    @Test("spans are read by OpenTelemetry's own protobuf definitions")
    func officialDefinitions() throws {
        let script = TestFiles.root.appending(path: "tools/otlp-check.py").path
        let text = try output(of: try TestFiles.python(), [script, try TestFiles.binary(), try TestFiles.model()])
        #expect(text.hasPrefix("ok: 15 spans"), "\(text)")
    }

    @Test("by default nothing is logged of a request, and there are no timelines")
    func defaults() async throws {
        let server = try await RunningServer()
        let response = try await send(to: server, "/v1/completions", #"{"prompt":"The zebra is a","max_tokens":2}"#)
        #expect(response.headers.first(name: "x-request-id") == "e2e-1")
        #expect(response.headers.first(name: "traceresponse") == nil)
        _ = try await response.body.collect(upTo: 1 << 20)
        #expect(try await server.status("/debug/requests") == .notFound)
        #expect(server.terminate() == 0)
        #expect(!server.logText.contains("e2e-1") && !server.logText.contains("zebra"))
        #expect(server.logText.contains("stopped"))
    }

    private func send(
        to server: RunningServer, _ path: String, _ json: String?, accept: String = "*/*"
    ) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: server.base + path)
        request.headers.add(name: "Accept", value: accept)
        request.headers.add(name: "X-Request-Id", value: "e2e-1")
        request.headers.add(name: "traceparent", value: "00-\(Self.trace)-b7ad6b7169203331-01")
        if let json {
            request.method = .POST
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(string: json))
        }
        return try await HTTPClient.shared.execute(request, timeout: .seconds(60))
    }
}
