import JSON
import Server
import Testing

@Suite("Hostile clients", .timeLimit(.minutes(1)))
struct HostileTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var name: String
        var bytes: [UInt8]
        /// Of the last response; nil: the connection may just be closed.
        var statuses: Set<Int>
        var testDescription: String { name }

        init(_ name: String, _ text: String, _ statuses: Int...) {
            self.name = name
            bytes = Array(text.utf8)
            self.statuses = Set(statuses)
        }
    }

    private static func get(_ rest: String) -> String { "GET /version HTTP/1.1\r\nHost: a\r\n" + rest + "\r\n\r\n" }
    private static func letters(_ count: Int) -> String { String(repeating: "a", count: count) }
    private static func post(_ headers: String, _ body: String = "") -> String {
        "POST /tokenize HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + headers + "\r\n\r\n" + body
    }

    private static let rows: [Row] = [
        Row("H001 two framings", post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), 400),
        Row("H003 two lengths", post("Content-Length: 5, 5", "{}   "), 400),
        Row("H003 two length lines", post("Content-Length: 5\r\nContent-Length: 6", "{}   "), 400),
        Row("H005 unknown encoding", post("Transfer-Encoding: xchunked", "0\r\n\r\n"), 400),
        Row("H005 chunked not last", post("Transfer-Encoding: chunked, identity", "0\r\n\r\n"), 400),
        Row("H005 space before the colon", post("Transfer-Encoding : chunked", "0\r\n\r\n"), 400),
        Row("H011 NUL in a value", get("X-A: a\0b"), 400),
        Row("H011 control character in a name", get("X\u{1}A: a"), 400),
        Row("H011 NUL in the target", "GET /ver\0sion HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        Row("H013 HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        Row("H013 TLS hello", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n\r\n", 400),
        Row("H013 SSH banner", "SSH-2.0-OpenSSH_9.6\r\n", 400),
        Row("H015 CONNECT", "CONNECT host:443 HTTP/1.1\r\nHost: a\r\n\r\n", 404, 405, 400),
        Row("H015 TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 404, 405),
        Row("H015 PUT", "PUT /v1/models HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405),
        Row("H015 endless method", String(repeating: "A", count: 65536) + " / HTTP/1.1\r\n\r\n", 400),
        Row("H015 unknown method", "FOO / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        Row("H019 GET with a body", get("Content-Length: 3") + "abc", 200),
        Row("H019 POST without a body", post("Content-Length: 0"), 400),
        Row("H029 70,000 headers", get((0..<70_000).map { _ in "a: b" }.joined(separator: "\r\n")), 400),
        Row("H029 a long header", get("X-A: " + String(repeating: "a", count: 20_000)), 400),
        Row("H031 a target of 9 KiB", "GET /" + letters(9000) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        Row("H031 a target of 1 MiB", "GET /" + letters(1 << 20) + " HTTP/1.1\r\nHost: a\r\n\r\n", 400, 414),
        Row("H033 broken escapes", "GET /version?%zz&%ff&%c0%af HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        Row("H033 escapes in the path", "GET /%76ersion%00 HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        Row("H037 Accept of a stream", get("Accept: text/event-stream"), 200),
        Row("H043 Range", get("Range: bytes=0-9223372036854775807"), 200),
        Row(
            "H009 100,000 trailers",
            post("Transfer-Encoding: chunked", "0\r\n" + String(repeating: "a: b\r\n", count: 100_000) + "\r\n"), 400),
        Row("endless length", post("Content-Length: 99999999999999999999"), 400, 413),
        Row("negative length", post("Content-Length: -1"), 400),
        Row("chunk size over 64 bits", post("Transfer-Encoding: chunked", "fffffffffffffffff\r\na"), 400),
        Row("HTTP/3.0", "GET /version HTTP/3.0\r\nHost: a\r\n\r\n", 400),
        Row("HTTP/0.9", "GET /version\r\n\r\n", 400),
    ]

    @Test("bytes that are no request, or a cruel one, get a plain answer, and nobody else suffers", arguments: rows)
    func table(row: Row) async throws {
        try await TestServer.run { test in
            let status = try await test.connect { connection in
                // The server may stop reading before the end.
                try? await connection.send(row.bytes)
                connection.closeOutput()
                let response = try await connection.response()
                #expect(response.body.utf8.count < 2000)
                return response.status
            }
            #expect(row.statuses.contains(status))
            #expect(try await test.request("GET", "/health").status == 200)
            try await eventually { try await test.value(of: "vllm_running_requests") == 0 }
        }
    }

    @Test("a body in chunks of one byte is put together in linear time")
    func tinyChunks() async throws {
        try await TestServer.run { test in
            try await test.connect { connection in
                let body = #"{"prompt":"\#(String(repeating: "a", count: 200_000))"}"#
                var bytes = Array(Self.post("Transfer-Encoding: chunked").utf8)
                for byte in body.utf8 { bytes += [0x31, 13, 10, byte, 13, 10] }
                try await connection.send(bytes + Array("0\r\n\r\n".utf8))
                let response = try await connection.response()
                #expect(response.status == 200)
                #expect(response.json?["count"] == 200_000)
            }
        }
    }

    @Test("unknown paths, models and methods make no new series")
    func boundedSeries() async throws {
        try await TestServer.run { test in
            func seriesCount() async throws -> Int {
                let lines = try await test.request("GET", "/metrics").body.split(separator: "\n")
                return lines.filter { !$0.hasPrefix("#") }.count
            }
            let before = try await seriesCount()
            for index in 0..<50 {
                _ = try await test.request("GET", "/path\(index)")
                _ = try await test.post("/v1/completions", #"{"prompt":"a","model":"m\#(index)"}"#)
            }
            #expect(try await seriesCount() == before)
        }
    }

    @Test("an error does not repeat what the client has sent at length")
    func boundedEcho() async throws {
        try await TestServer.run { test in
            let name = String(repeating: "x", count: 1 << 20)
            for body in [
                #"{"prompt":"a","model":"\#(name)"}"#, #"{"prompt":"a","stop":{"\#(name)":1}}"#,
                #"{"prompt":[\#(String(repeating: "[],", count: 12_000))[]]}"#,
            ] {
                let response = try await test.post("/v1/completions", body)
                #expect([400, 404].contains(response.status))
                #expect(response.body.utf8.count < 16_384)
            }
        }
    }
}
