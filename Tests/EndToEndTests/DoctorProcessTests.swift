import AccessTesting
import AsyncHTTPClient
import Foundation
import JSON
import NIOCore
import NIOHTTP1
import NIOPosix
import Testing

/// Each diagnosis, of the real server in the condition that it is about.
@Suite("pagoda doctor", .serialized, .timeLimit(.minutes(5)))
struct DoctorProcessTests {
    // MARK: - Conditions

    @Test("finds nothing at an idle server")
    func idle() async throws {
        let server = try await RunningServer()
        let text = try output(of: try TestFiles.binary(), ["doctor", server.base, "--interval", "1"])
        #expect(text.contains("Nothing limits it. The server is idle."))
        #expect(text.contains("1. nothing (healthy)"))
    }

    @Test("finds memory bandwidth behind a single stream, and compute behind 32", arguments: [1, 32])
    func speed(streamCount: Int) async throws {
        let server = try await RunningServer()
        let verdict = try await underLoad(server, clients: streamCount, Self.completion(tokens: 1000))
        #expect(verdict.limits.first == (streamCount == 1 ? "memory_bandwidth" : "compute"), "\(verdict)")
        #expect(verdict.severity == "limit")
    }

    @Test("finds the slots where many users share one")
    func slots() async throws {
        let server = try await RunningServer(["--max-num-seqs", "1"])
        let verdict = try await underLoad(server, clients: 8, Self.completion(tokens: 60))
        #expect(verdict.limits.first == "slots" && verdict.severity == "trouble", "\(verdict)")
        #expect(verdict.settings.contains("raise --max-num-seqs"))
    }

    @Test("finds KV space where long outputs fill a small cache")
    func kvSpace() async throws {
        let server = try await RunningServer(["--kv-cache-memory-bytes", "48M"])
        let users = load(server, clients: 12, Self.completion(tokens: 600))
        defer { users.cancel() }
        try await wait(for: "vllm_waiting_requests", toReach: 1, at: server)
        let verdict = try await diagnose(server, interval: 3)
        #expect(verdict.limits.first == "kv_space" && verdict.severity == "trouble", "\(verdict)")
        #expect(verdict.settings.contains("raise --kv-cache-memory-bytes"))
    }

    @Test("finds admission where requests are turned away")
    func admission() async throws {
        let server = try await RunningServer(["--max-num-queued-reqs", "2"])
        let verdict = try await underLoad(server, clients: 6, Self.completion(tokens: 40))
        #expect(verdict.limits.first == "admission" && verdict.severity == "trouble", "\(verdict)")
    }

    @Test(
        "names the tenant that crowds out another, until a tenant file keeps it in its place", arguments: [false, true])
    func tenant(hasFile: Bool) async throws {
        let files = try TemporaryFiles()
        let keys = try files.write(
            """
            keys:
              - {name: batch, hash: "sha256:36d248ce39fd724de0786e1c76739a40462c7d6c889a82e8349f81e3d6db378b"}
              - {name: online, hash: "sha256:f89381c7561983ada100340fa3826ba73000237ee430812e8680bdd47ae43266"}
            """, to: "keys.yaml")
        let tenants = try files.write(
            "tenants: [{name: online}, {name: batch, priority: 1000, max_sequences: 2}]", to: "tenants.yaml")
        let server = try await RunningServer(
            ["--max-num-seqs", "4", "--api-key-file", keys, "--metrics-auth", "none"]
                + (hasFile ? ["--tenant-file", tenants, "--scheduling-policy", "priority"] : []))
        let job = load(server, clients: 16, Self.completion(tokens: 300), key: "key-of-batch-for-the-test")
        defer { job.cancel() }
        try await wait(for: "vllm_waiting_requests", toReach: 8, at: server)
        let chat = load(
            server, clients: 1, Self.completion(tokens: 8), key: "key-of-online-for-the-test",
            pause: .milliseconds(300))
        defer { chat.cancel() }
        try await Task.sleep(for: .seconds(1))
        let verdict = try await diagnose(server, interval: 4)
        guard !hasFile else { return #expect(!verdict.limits.contains("tenant"), "\(verdict)") }
        #expect(verdict.limits.first == "tenant" && verdict.severity == "trouble", "\(verdict)")
        #expect(verdict.json["headline"]?.stringValue?.contains("The tenant batch has") == true, "\(verdict)")
        #expect(verdict.settings == ["use --tenant-file and --scheduling-policy priority"])
    }

    @Test("finds the long prompts that hold up running streams")
    func longPrompts() async throws {
        // Steps short enough that several tens end while it is watched, on slow machines too; and each prompt is read
        // anew, so that prompts fill most of the time on fast ones.
        let server = try await RunningServer([
            "--max-model-len", "8192", "--max-num-batched-tokens", "512", "--max-decode-slowdown", "0",
            "--no-enable-prefix-caching",
        ])
        let prompt = (0..<4000).map { "\(1000 + $0)" }.joined(separator: ",")
        let long = #"{"prompt":[\#(prompt)],"max_tokens":1,"temperature":0}"#
        let streams = load(server, clients: 2, Self.completion(tokens: 2000))
        defer { streams.cancel() }
        let verdict = try await underLoad(server, clients: 1, long, pause: .seconds(1), interval: 12)
        #expect(verdict.limits.first == "long_prompts" && verdict.severity == "trouble", "\(verdict)")
        #expect(verdict.settings.contains("lower --max-num-batched-tokens"))
    }

    @Test("finds a client that reads its answers more slowly than they are made")
    func slowClient() async throws {
        let server = try await RunningServer()
        // More than the system's buffers hold, asked for at once and taken at three megabytes a second.
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.socketOption(.so_rcvbuf), value: 65_536).channelOption(.autoRead, value: false)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 65_536))
            .channelOption(.maxMessagesPerRead, value: 1).connect(host: "127.0.0.1", port: server.port).get()
        let reads = channel.eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(20)) { _ in
            channel.read()
        }
        defer { reads.cancel() }
        let request = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
        try await channel.writeAndFlush(ByteBuffer(string: String(repeating: request, count: 500)))
        try await wait(for: "pagoda_slow_reader_seconds_total", toReach: 0.1, at: server)
        let verdict = try await diagnose(server, interval: 3)
        try await channel.close()
        #expect(verdict.limits.first == "slow_clients" && verdict.severity == "trouble", "\(verdict)")
    }

    // MARK: - The command

    @Test("--fail-on decides the exit status")
    func exitStatus() async throws {
        let server = try await RunningServer(["--max-num-seqs", "1"])
        let users = load(server, clients: 4, Self.completion(tokens: 300))
        defer { users.cancel() }
        try await wait(for: "vllm_waiting_requests", toReach: 3, at: server)
        for (options, status) in [([], 0), (["--fail-on", "trouble"], 2), (["--fail-on", "limit"], 2)] {
            let process = Process()
            process.executableURL = URL(filePath: try TestFiles.binary())
            process.arguments = ["doctor", server.base, "--interval", "0.5"] + options
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            #expect(process.terminationStatus == Int32(status))
        }
    }

    @Test("replays what came in under other settings, from the server and from a file alike")
    func whatIf() async throws {
        let server = try await RunningServer(["--enable-debug-endpoints"])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<16 {
                group.addTask {
                    // Prompts differ, and come while others run.
                    try await Task.sleep(for: .milliseconds(50 * index))
                    let prompt = (0..<(40 + 10 * index)).map { "\(1000 + index * 200 + $0)" }.joined(separator: ",")
                    let body = #"{"prompt":[\#(prompt)],"max_tokens":24,"ignore_eos":true}"#
                    #expect(try await server.post("/v1/completions", body).status == .ok)
                }
            }
            try await group.waitForAll()
        }
        let file = FileManager.default.temporaryDirectory.appending(path: "pagoda-\(server.port)-capture.json").path
        defer { try? FileManager.default.removeItem(atPath: file) }
        let scenarios = ["--what-if", "max-num-seqs=1", "--what-if", "replicas=2,max-num-batched-tokens=64"]
        let json = try output(
            of: try TestFiles.binary(),
            ["doctor", server.base, "--json", "--range", "1m", "--save-capture", file] + scenarios)
        let report = try JSONParser.parse(json)
        #expect(report["requests"] == 16 && report["generated_tokens"] == 384 && report["unfinished"] == 0)
        func figure(_ part: JSONValue?, _ name: String) throws -> Double { try #require(part?[name]?.doubleValue) }
        let measured = report["measured"], replayed = report["replayed"]
        for name in ["first_token_median", "token_median", "generated_tokens_per_second"] {
            let ratio = try figure(replayed, name) / figure(measured, name)
            #expect((0.4...2.5).contains(ratio), "\(name): \(ratio)")
        }
        let alone = report["scenarios"]?.arrayValue?.first, pair = report["scenarios"]?.arrayValue?.last
        // One at a time they wait for each other.
        #expect(try figure(alone, "first_token_p99") > 1.5 * figure(replayed, "first_token_p99"))
        #expect(pair?["settings"] == "replicas=2,max-num-batched-tokens=64")
        #expect(report["warnings"]?.arrayValue?.first?.stringValue?.hasPrefix("16 requests are too few") == true)

        #expect(try output(of: try TestFiles.binary(), ["doctor", "--json", "--capture", file] + scenarios) == json)
        let text = try output(of: try TestFiles.binary(), ["doctor", "--capture", file] + scenarios)
        #expect(text.contains("16 requests, 384 tokens out") && text.contains("\nmax-num-seqs=1 "))
    }

    // MARK: - Load

    private static func completion(tokens: Int) -> String {
        #"{"prompt":"Once upon a time","max_tokens":\#(tokens),"ignore_eos":true,"stream":true}"#
    }

    /// Clients that ask again and again until the task is cancelled.
    private func load(
        _ server: RunningServer, clients: Int, _ body: String, key: String? = nil, pause: Duration = .zero
    ) -> Task<Void, Never> {
        Task {
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<clients {
                    group.addTask {
                        while !Task.isCancelled {
                            guard let response = try? await server.post("/v1/completions", body, key: key) else {
                                continue
                            }
                            do { for try await _ in response.body {} } catch {}
                            // Who was turned away tries again a little later.
                            try? await Task.sleep(for: response.status == .ok ? pause : .milliseconds(50))
                        }
                    }
                }
            }
        }
    }

    private func wait(for metric: String, toReach value: Double, at server: RunningServer) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try await server.metrics()[metric] ?? 0 < value {
            try #require(ContinuousClock.now < deadline, "\(metric) never reached \(value)")
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    private func underLoad(
        _ server: RunningServer, clients: Int, _ body: String, pause: Duration = .zero, interval: Double = 3
    ) async throws -> Diagnosed {
        let users = load(server, clients: clients, body, pause: pause)
        defer { users.cancel() }
        try await Task.sleep(for: .seconds(1))
        return try await diagnose(server, interval: interval)
    }

    private struct Diagnosed: CustomStringConvertible {
        var json: JSONValue

        var severity: String? { json["severity"]?.stringValue }
        private var findings: [JSONValue] { json["findings"]?.arrayValue ?? [] }
        var limits: [String] { findings.compactMap { $0["limit"]?.stringValue } }
        /// What the first finding says to change: `raise --max-num-seqs`.
        var settings: [String] {
            (findings.first?["advice"]?.arrayValue ?? []).map { advice in
                "\(advice["direction"]?.stringValue ?? "") \(advice["setting"]?.stringValue ?? "")"
            }
        }
        var description: String { String(decoding: json.serializedBytes(style: .compact), as: UTF8.self) }
    }

    private func diagnose(_ server: RunningServer, interval: Double) async throws -> Diagnosed {
        let text = try output(
            of: try TestFiles.binary(), ["doctor", server.base, "--interval", "\(interval)", "--json"])
        return Diagnosed(json: try JSONParser.parse(text))
    }
}
