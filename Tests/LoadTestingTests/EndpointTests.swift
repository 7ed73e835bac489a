import LoadTesting
import Synchronization
import Testing

@Suite("Endpoint and progress")
struct EndpointTests {
    @Test("a backend that is not supported is refused, and the supported ones are said")
    func backends() throws {
        let error = #expect(throws: LoadTestError.self) { try LoadBackend(option: "tgi") }
        #expect(error?.description == "--backend tgi is not supported; supported are vllm, openai, openai-chat.")
        #expect(try LoadBackend(option: "openai-chat").isChat)
    }

    @Test("addresses are made from a URL or from host and port")
    func addresses() throws {
        func url(_ base: String?, host: String = "127.0.0.1", port: Int = 8000) throws -> String {
            try ServerEndpoint(backend: .openai, baseURL: base, host: host, port: port, path: nil).baseURL
        }
        #expect(try url(nil) == "http://127.0.0.1:8000")
        #expect(try url(nil, host: "::1", port: 80) == "http://[::1]:80")
        #expect(try url("https://example.org/api//") == "https://example.org/api")
        #expect(throws: LoadTestError.self) { try url("example.org") }
        #expect(throws: LoadTestError.self) { try url(nil, port: 70_000) }
    }

    @Test("the path is the backend's own unless another of its kind is given")
    func paths() throws {
        func path(_ backend: LoadBackend, _ path: String?) throws -> String {
            try ServerEndpoint(backend: backend, baseURL: nil, host: "h", port: 1, path: path).path
        }
        #expect(try path(.openai, nil) == "/v1/completions")
        #expect(try path(.openAIChat, nil) == "/v1/chat/completions")
        #expect(try path(.openai, "openai/v1/completions") == "/openai/v1/completions")
        #expect(throws: LoadTestError.self) { try path(.openAIChat, "/v1/completions") }
        #expect(throws: LoadTestError.self) { try path(.openai, "/v1/embeddings") }
    }

    @Test("a log gets a line at the end, a terminal a bar")
    func progress() {
        func output(isTerminal: Bool) -> String {
            let text = TextBox()
            let meter = ProgressMeter(total: 4, isTerminal: isTerminal) { text.append($0) }
            for record in Examples.run.records { meter.finish(record) }
            meter.close()
            return text.value
        }
        let line = output(isTerminal: false)
        #expect(line.hasPrefix("4/4 [00:00<00:00, ") && line.hasSuffix(" req/s, 1 failed]\n"))
        let bar = output(isTerminal: true)
        #expect(bar.contains("\r100% |████████████████████| 4/4 [") && bar.hasSuffix("\n"))
    }
}

private final class TextBox: Sendable {
    private let text = Mutex("")

    var value: String { text.withLock { $0 } }

    func append(_ more: String) {
        text.withLock { $0 += more }
    }
}
