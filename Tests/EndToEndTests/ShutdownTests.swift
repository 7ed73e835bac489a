// How the program ends under load, and what a probe sees of it.

import AccessTesting
import AsyncHTTPClient
import Foundation
import JSON
import NIOCore
import NIOHTTP1
import Testing

@Suite("The real server's end", .serialized, .timeLimit(.minutes(5)))
struct ShutdownTests {
    /// How a streamed completion ended.
    enum Ending: Equatable {
        case whole
        /// With the code that its last event before `[DONE]` told.
        case error(code: Int)
        case torn(String)
    }

    private static let streamCount = 32

    @Test(
        "SIGTERM under load of 32 streams: within the time given each ends whole or with an error, new requests are refused",
        arguments: [(120.0, 64, Ending.whole), (1.0, 1900, Ending.error(code: 503))])
    func underLoad(seconds: Double, tokens: Int, ending: Ending) async throws {
        let server = try await RunningServer([
            "--max-num-seqs", "\(Self.streamCount)", "--shutdown-timeout", "\(seconds)",
        ])
        try await withThrowingTaskGroup(of: Ending.self) { group in
            for index in 0..<Self.streamCount {
                group.addTask { try await stream(from: server, index: index, tokens: tokens) }
            }
            try await wait { try await server.metrics()["vllm_running_requests"] == Double(Self.streamCount) }
            let told = ContinuousClock.now
            kill(server.process.processIdentifier, SIGTERM)
            try await checkRefusals(of: server)
            for try await seen in group { #expect(seen == ending) }
            server.process.waitUntilExit()
            #expect(server.process.terminationStatus == 0)
            // Beside the time given: a step that is under way, and what is still to be written.
            let took = told.duration(to: .now)
            #expect(took < .seconds(seconds + 5), "it took \(took) to end")
        }
        #expect(server.logText.contains("stopped"))
    }

    /// Asks for completions once the server says that it is stopping.
    private func checkRefusals(of server: RunningServer) async throws {
        try await wait { try await server.status("/health") == .serviceUnavailable }
        var refusals = 0
        while refusals < 3, server.process.isRunning {
            guard let response = try? await server.post("/v1/completions", #"{"prompt": "One", "max_tokens": 1}"#)
            else {
                // On a connection that the server was closing, or after the last stream's end.
                continue
            }
            refusals += 1
            #expect(response.status == .serviceUnavailable)
            #expect(response.headers.first(name: "Retry-After").flatMap(Int.init) ?? 0 >= 1)
            #expect(response.headers.first(name: "Connection")?.lowercased() == "close")
            let body = try? JSONParser.parse([UInt8](buffer: try await response.body.collect(upTo: 1 << 20)))
            #expect(body?["error"]?["type"] == "ServiceUnavailableError")
        }
        #expect(refusals >= 1, "no request was refused")
    }

    /// Streams one completion to whatever end it has.
    private func stream(from server: RunningServer, index: Int, tokens: Int) async throws -> Ending {
        let body = """
            {"prompt": "Story number \(index): once upon a time", "max_tokens": \(tokens), "temperature": 0, \
            "ignore_eos": true, "stream": true}
            """
        let response = try await server.post("/v1/completions", body)
        guard response.status == .ok else { return .torn("status \(response.status.code)") }
        var text = ""
        do {
            for try await part in response.body { text += String(buffer: part) }
        } catch {
            return .torn("\(error)")
        }
        let events = text.components(separatedBy: "\n\n").filter { !$0.isEmpty }
        guard events.last == "data: [DONE]", let last = events.dropLast().last?.dropFirst("data: ".count),
            let event = try? JSONParser.parse(Array(last.utf8))
        else { return .torn(String(text.suffix(200))) }
        if let code = event["error"]?["code"]?.integerValue { return .error(code: Int(code)) }
        let finish = event["choices"]?.arrayValue?.first?["finish_reason"]
        return finish == "length" ? .whole : .torn("finish_reason \(String(describing: finish))")
    }

    @Test("SIGTERM while the model loads, and right at the start, ends the program at once")
    func whileLoading() async throws {
        let log = FileManager.default.temporaryDirectory.appending(path: "pagoda-\(UUID().uuidString).log")
        _ = FileManager.default.createFile(atPath: log.path, contents: nil)
        defer { try? FileManager.default.removeItem(at: log) }
        let process = Process()
        process.executableURL = URL(filePath: try TestFiles.binary())
        process.arguments = [
            "serve", try TestFiles.model(), "--host", "127.0.0.1", "--port", "\(RunningServer.freePort())",
        ]
        process.standardError = try FileHandle(forWritingTo: log)
        try process.run()
        defer { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }
        try await wait { try String(contentsOf: log, encoding: .utf8).contains("loading the model") }
        let told = ContinuousClock.now
        process.terminate()
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == 0)
        #expect(told.duration(to: .now) < .seconds(5))
        #expect(try String(contentsOf: log, encoding: .utf8).contains("stopped"))
    }

    // MARK: - pagoda health

    private func health(
        _ arguments: [String], environment: [String: String] = [:]
    ) throws -> (status: Int32, errors: String) {
        let process = Process()
        process.executableURL = URL(filePath: try TestFiles.binary())
        process.arguments = ["health"] + arguments
        process.environment = environment
        let pipe = Pipe()
        process.standardOutput = FileHandle.nullDevice
        process.standardError = pipe
        try process.run()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }

    @Test("`pagoda health` succeeds at a server that is ready, whatever keys and certificates it asks others for")
    func ready() async throws {
        let certificates = try TestCertificates()
        try certificates.issue("server")
        let server = try await RunningServer([
            "--api-key", "canary-key-of-the-test", "--ssl-certfile", certificates.path("server.pem"), "--ssl-keyfile",
            certificates.path("server.key"),
        ])
        let asked = try health(["--url", server.base])
        #expect(asked.status == 0, "\(asked.errors)")
        #expect(try health([], environment: ["PAGODA_HEALTH_URL": server.base]).status == 0)
        #expect(try health(["--url", "https://127.0.0.1:\(server.port)/health"]).status == 0)
        #expect(try health(["--url", "http://127.0.0.1:\(server.port)"]).status == 1)
    }

    @Test("`pagoda health` fails, in a sentence, at a server that is stopping, at none, and in a time that is none")
    func notReady() async throws {
        let server = try await RunningServer(["--shutdown-timeout", "60"])
        let running = Task {
            try await server.post("/v1/completions", #"{"prompt": "One", "max_tokens": 1000, "ignore_eos": true}"#)
        }
        try await wait { try await server.metrics()["vllm_running_requests"] == 1 }
        kill(server.process.processIdentifier, SIGTERM)
        try await wait { try await server.status("/health") == .serviceUnavailable }
        let stopping = try health(["--url", server.base])
        #expect(stopping.status == 1 && stopping.errors.contains("503"), "\(stopping.errors)")
        running.cancel()
        _ = try? await running.value
        server.process.waitUntilExit()
        #expect(server.process.terminationStatus == 0)
        let gone = try health(["--url", server.base])
        #expect(gone.status == 1 && gone.errors.contains("No answer from \(server.base)/health"), "\(gone.errors)")
        let wrong = try health(["--timeout", "0"])
        #expect(wrong.status != 0 && wrong.errors.contains("--timeout"), "\(wrong.errors)")
    }

    private func wait(for condition: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try await !condition() {
            try #require(ContinuousClock.now < deadline, "the condition never held")
            try await Task.sleep(for: .milliseconds(10))
        }
    }
}
