// deploy/ingress/nginx with Debian's nginx before the real server: who gets at /metrics, and whether streams flow.

import AccessTesting
import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import Testing

@Suite("nginx before the real server", .serialized)
struct IngressTests {
    private static let key = "client-key-of-the-test"

    private static func basic(_ name: String, _ password: String) -> [String: String] {
        ["Authorization": "Basic " + Data("\(name):\(password)".utf8).base64EncodedString()]
    }

    private static func bearer(_ token: String) -> [String: String] { ["Authorization": "Bearer \(token)"] }

    // MARK: - Access

    @Test("with a name and a password /metrics opens, without them or with a client's key it stays closed")
    func basicAuth() async throws {
        let files = try TemporaryFiles()
        let server = try await RunningServer([
            "--api-key", Self.key, "--metrics-token-file", try files.write("token-of-nginx\n", to: "tokens"),
        ])
        let hash = try output(of: "/usr/bin/env", ["openssl", "passwd", "-6", "password of prometheus"])
        let nginx = try await RunningNginx(
            before: server,
            files: [
                "pagoda/metrics.htpasswd": "prometheus:\(hash)",
                "pagoda/metrics-token.conf": "proxy_set_header Authorization \"Bearer token-of-nginx\";\n",
            ])
        let without = try await nginx.answer(.GET, "/metrics")
        #expect(without.status == .unauthorized)
        #expect(without.headers.first(name: "WWW-Authenticate") == #"Basic realm="pagoda metrics""#)
        for wrong in [
            Self.basic("prometheus", "wrong"), Self.basic("other", "password of prometheus"),
            Self.bearer(Self.key), Self.bearer("token-of-nginx"),
        ] {
            #expect(try await nginx.answer(.GET, "/metrics", headers: wrong).status == .unauthorized, "\(wrong)")
        }
        let right = try await nginx.answer(
            .GET, "/metrics", headers: Self.basic("prometheus", "password of prometheus"))
        #expect(right.status == .ok)
        #expect(right.body.contains("\nvllm_request_count{"))
        // What nginx shows the server opens nothing but metrics, and only a right password brings it there.
        let password = Self.basic("prometheus", "password of prometheus")
        for path in ["/dashboard", "/debug/requests", "/live", "/", "/metrics/", "/v1/../metrics", "//metrics"] {
            let answer = try await nginx.answer(.GET, path, headers: password)
            let isClosed = [.notFound, .unauthorized, .forbidden, .badRequest].contains(answer.status)
            #expect(isClosed, "\(path): \(answer.status)")
            #expect(!answer.body.contains("vllm_request_count"), "\(path)")
        }
        #expect(try await nginx.answer(.POST, "/metrics", headers: password).status == .forbidden)
        #expect(try await nginx.answer(.GET, "/v1/models").status == .unauthorized)
        let models = try await nginx.answer(
            .GET, "/v1/models", headers: Self.bearer(Self.key).merging(["X-Request-Id": "mine"]) { $1 })
        #expect(models.status == .ok)
        #expect(models.headers["X-Request-Id"] == ["mine"])
    }

    @Test("with a token of the scope /metrics opens; without, expired, of another scope or issuer it stays closed")
    func jwt() async throws {
        let files = try TemporaryFiles()
        let issuer = try TokenIssuer()
        let secret = try files.write(String(decoding: issuer.secret, as: UTF8.self), to: "secret")
        func token(_ claims: String, _ signature: TokenIssuer.Signature = .hs256) throws -> [String: String] {
            Self.bearer(try issuer.token(claims, signed: signature))
        }
        let right = try token(#"{"aud":"pagoda","exp":3000000000,"scope":"pagoda:metrics"}"#)
        let closed: [(headers: [String: String], status: HTTPResponseStatus)] = [
            ([:], .unauthorized), (Self.bearer("nonsense"), .unauthorized), (Self.basic("a", "b"), .unauthorized),
            (["Authorization": "Bearer "], .unauthorized),
            (try token(#"{"aud":"pagoda","exp":1700000000,"scope":"pagoda:metrics"}"#), .unauthorized),
            (try token(#"{"aud":"other","exp":3000000000,"scope":"pagoda:metrics"}"#), .unauthorized),
            (try token(#"{"aud":"pagoda","exp":3000000000,"scope":"pagoda:metrics"}"#, .none), .unauthorized),
            (try token(#"{"aud":"pagoda","exp":3000000000,"scope":"pagoda:api"}"#), .forbidden),
        ]
        func tokenOnly(_ site: String) -> String {
            site.replacing("include pagoda/metrics-basic.conf;", with: "")
                .replacing("# include pagoda/metrics-jwt.conf;", with: "include pagoda/metrics-jwt.conf;")
        }
        let server = try await RunningServer(["--jwt-secret-file", secret, "--jwt-audience", "pagoda"])
        let nginx = try await RunningNginx(before: server, change: tokenOnly)
        for (headers, status) in closed {
            let answer = try await nginx.answer(.GET, "/metrics", headers: headers)
            #expect(answer.status == status, "\(headers)")
            guard status == .unauthorized else { continue }
            let challenges = answer.headers["WWW-Authenticate"]
            #expect(challenges.count == 1 && challenges[0].hasPrefix("Bearer realm="), "\(headers): \(challenges)")
        }
        let answer = try await nginx.answer(.GET, "/metrics", headers: right)
        #expect(answer.status == .ok)
        #expect(answer.body.contains("\nvllm_request_count{"))
        #expect(try await nginx.answer(.GET, "/.metrics-token", headers: right).status == .notFound)

        let open = try await RunningServer()
        let doorkeeper = try await RunningNginx(before: open, change: tokenOnly)
        #expect(try await doorkeeper.answer(.GET, "/metrics").status == .unauthorized)
    }

    // MARK: - Streams

    private struct Stream {
        /// When each piece of the body came, in seconds from the request.
        var arrivals: [Double] = []
        var text = ""
    }

    private static let tokens = 192

    /// Asks for so many tokens, as a client that understands gzip, and notes when something came.
    private static func stream(_ nginx: RunningNginx) async throws -> Stream {
        let headers = ["Content-Type": "application/json", "Accept-Encoding": "gzip"]
        var request = nginx.request(.POST, "/v1/completions", headers: headers)
        let body = #"{"prompt": "One", "max_tokens": \#(tokens), "temperature": 0, "ignore_eos": true, "stream": true}"#
        request.body = .bytes(ByteBuffer(string: body))
        let begun = ContinuousClock.now
        let response = try await nginx.execute(request)
        #expect(response.status == .ok)
        var stream = Stream()
        for try await part in response.body {
            stream.arrivals.append((ContinuousClock.now - begun) / .seconds(1))
            stream.text += String(buffer: part)
        }
        return stream
    }

    @Test("each event passes as it comes; as nginx treats other answers they would come in a heap")
    func streaming() async throws {
        let server = try await RunningServer()
        let files = ["pagoda/metrics.htpasswd": "", "pagoda/metrics-token.conf": ""]
        let nginx = try await RunningNginx(before: server, files: files)
        let flowing = try await Self.stream(nginx)
        #expect(flowing.text.hasSuffix("data: [DONE]\n\n"))
        let events = flowing.text.components(separatedBy: "data: ").count - 1
        // Tokens that are made while an event is written share the next one.
        #expect(events * 10 >= Self.tokens * 9)
        #expect(flowing.arrivals.count * 2 > events, "\(flowing.arrivals)")
        // The first one long before the last one: the model takes its time, and the stream with it.
        let first = try #require(flowing.arrivals.first), last = try #require(flowing.arrivals.last)
        #expect(first < last / 2, "\(flowing.arrivals)")
        let gaps = zip(flowing.arrivals.dropFirst(), flowing.arrivals).map { $0 - $1 }.sorted()
        #expect(gaps[gaps.count / 2] > 0.001, "\(gaps)")

        let buffering = try await RunningNginx(before: server, files: files) {
            $0.replacing(#/proxy_buffering +off;/#, with: "proxy_buffering on;")
                .replacing(#/gzip +off;/#, with: "gzip on; gzip_types text/event-stream; gzip_min_length 0;")
        }
        let heaped = try await Self.stream(buffering)
        #expect(heaped.arrivals.count * 4 < events, "\(heaped.arrivals)")
    }

    @Test("a body over the limit is refused at the door")
    func bodyLimit() async throws {
        let server = try await RunningServer()
        let nginx = try await RunningNginx(
            before: server, files: ["pagoda/metrics.htpasswd": "", "pagoda/metrics-token.conf": ""]
        ) {
            $0.replacing(#/client_max_body_size +32m;/#, with: "client_max_body_size 1k;")
        }
        for (size, status) in [(500, HTTPResponseStatus.ok), (2000, .payloadTooLarge)] {
            var request = nginx.request(.POST, "/v1/completions", headers: ["Content-Type": "application/json"])
            let prompt = String(repeating: "a ", count: size / 2)
            request.body = .bytes(ByteBuffer(string: #"{"prompt": "\#(prompt)", "max_tokens": 1}"#))
            #expect(try await nginx.execute(request).status == status, "\(size)")
        }
    }
}
