import AsyncHTTPClient
import Foundation
import JSON
import Kernels
import NIOCore
import NIOHTTP1
import Testing

@Suite("The real server", .serialized)
struct ServerProcessTests {
    @Test("answers the official Python client as the README says")
    func pythonClient() async throws {
        let server = try await RunningServer()
        let script = TestFiles.root.appending(path: "Tests/EndToEndTests/client.py").path
        let text = try output(of: try TestFiles.python(), [script, "\(server.base)/v1"])
        let answers = try JSONParser.parse(text)
        #expect(answers["completion"]?.stringValue?.contains("Paris") == true)
        #expect(answers["chat"]?.stringValue?.contains("4") == true)
        #expect(answers["streamedChat"]?.stringValue?.contains("blue") == true)
        #expect(answers["streamedCompletion"] == answers["completion"])
        #expect(answers["finish"] == "length" && answers["completionTokens"] == 8)
        #expect(answers["roles"] == ["assistant"])
        #expect(answers["logprobs"] == 8 && answers["samples"]?.arrayValue?.count == 3)
        #expect(
            answers["errors"] == [
                "model": [404, "model"], "temperature": [400, "temperature"], "prompt": [400, "prompt"],
            ])
        #expect(server.terminate() == 0)
    }

    @Test("serves a GPTQ folder of first-generation Qwen with vLLM's older command line, as the source writes it")
    func olderCommandLine() async throws {
        let folder = TestFiles.root.appending(path: "Tests/ModelsTests/Fixtures/quantized/qwen-gptq-4bit-g32").path
        let server = try await RunningServer([
            "--model", folder, "--quantization", "gptq", "--tensor_parallel_size", "1", "--max_num_seqs", "256",
            "--served_model_name", "qwen-7b-chat", "--max_model_len", "128",
        ])
        let body = #"{"model":"qwen-7b-chat","messages":[{"role":"user","content":"a"}],"max_tokens":4,"seed":1}"#
        let response = try await server.post("/v1/chat/completions", body)
        let answer = try JSONParser.parse([UInt8](String(buffer: try await response.body.collect(upTo: 1 << 20)).utf8))
        #expect(response.status == .ok && answer["model"] == "qwen-7b-chat")
        // System prompt and question are beyond the 24 tokens of its training.
        #expect(try #require(answer["usage"]?["prompt_tokens"]?.integerValue) > 24)
        #expect(try #require(answer["usage"]?["completion_tokens"]?.integerValue) >= 1)
        #expect(server.logText.contains("256 sequences"))
        #expect(server.terminate() == 0)
    }

    @Test("64 streaming clients are served together, and those who hang up leave nothing behind")
    func manyClients() async throws {
        let server = try await RunningServer(["--max-num-seqs", "64"])
        let before = try await server.metrics()
        let clock = ContinuousClock()
        try await stream(from: server, index: 0, hangUpAfter: nil)
        let peak = Task { () -> Double in
            var highest = 0.0
            while !Task.isCancelled {
                // The last scrape may be cut off when the others are done.
                let running = (try? await server.metrics())?["vllm_running_requests"] ?? 0
                highest = max(highest, running)
                try? await Task.sleep(for: .milliseconds(20))
            }
            return highest
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<64 {
                // One in ten goes: half of them before the first token, half in mid-stream.
                let hangUp = index % 10 == 9 ? (index % 20 == 9 ? 0 : 5) : nil
                group.addTask { try await stream(from: server, index: index, hangUpAfter: hangUp) }
            }
            try await group.waitForAll()
        }
        peak.cancel()
        #expect(await peak.value >= 32)
        // The last to hang up is gone by the next step, and counted once its answer is given up.
        let deadline = clock.now + .seconds(5)
        var after = try await server.metrics()
        while after["vllm_running_requests"] != 0
            || after["vllm_request_count"] ?? 0 < after["pagoda_requests_received_total"] ?? 0, clock.now < deadline
        {
            try await Task.sleep(for: .milliseconds(10))
            after = try await server.metrics()
        }
        #expect(after["vllm_running_requests"] == 0 && after["vllm_waiting_requests"] == 0)
        #expect(after["vllm_gpu_cache_usage_ratio"] == before["vllm_gpu_cache_usage_ratio"])
        #expect(after["pagoda_requests_received_total"] == after["vllm:request_success_total"])
        // 59 stay to the end. Of the three that go at once the server may not know, or know before they are sequences.
        #expect(try #require(after["vllm_request_latency_seconds_count"]) >= 59)
        let received = try #require(after["pagoda_requests_received_total"])
        #expect((62...65).contains(received))
        #expect((received...65).contains(try #require(after["vllm_request_count"])))
        #expect(server.terminate() == 0)
    }

    /// Streams one completion to its end, or goes after so many chunks.
    private func stream(from server: RunningServer, index: Int, hangUpAfter: Int?) async throws {
        let body = """
            {"prompt": "Story number \(index): once upon a time", "max_tokens": 48, "temperature": 0, "ignore_eos": true, \
            "stream": true}
            """
        if hangUpAfter == 0 {
            let request = Task { try await server.post("/v1/completions", body) }
            try await Task.sleep(for: .milliseconds(2))
            request.cancel()
            _ = try? await request.value
            return
        }
        let response = try await server.post("/v1/completions", body)
        #expect(response.status == .ok)
        var chunks = 0, text = ""
        for try await part in response.body {
            chunks += 1
            text += String(buffer: part)
            if let hangUpAfter, chunks >= hangUpAfter { return }
        }
        #expect(text.hasSuffix("data: [DONE]\n\n"))
    }

    @Test("SIGTERM lets running requests finish within the time given, and refuses new ones")
    func drains() async throws {
        let server = try await RunningServer(["--shutdown-timeout", "30"])
        let running = Task {
            let response = try await server.post(
                "/v1/completions", #"{"prompt": "One", "max_tokens": 400, "ignore_eos": true, "temperature": 0}"#)
            return (response.status, String(buffer: try await response.body.collect(upTo: 1 << 20)))
        }
        while try await server.metrics()["vllm_running_requests"] != 1 { try await Task.sleep(for: .milliseconds(2)) }
        #expect(server.terminate() == 0)
        let (status, body) = try await running.value
        #expect(status == .ok && body.contains("\"completion_tokens\":400"))
    }

    @Test("an idle server uses next to no processor")
    func idle() async throws {
        let server = try await RunningServer()
        _ = try await server.post("/v1/completions", #"{"prompt": "One", "max_tokens": 4}"#)
        let before = try await server.metrics()["process_cpu_seconds_total"] ?? 0
        try await Task.sleep(for: .seconds(3))
        let after = try await server.metrics()["process_cpu_seconds_total"] ?? 0
        #expect(after - before < 0.03 * 3, "\(after - before) s of processor time in 3 s")
    }

    @Test("a model shared by ranks answers as one rank does, and is one model in the metrics")
    func tensorParallelism() async throws {
        let options = ["--kv-cache-memory-bytes", "64M", "--threads", "3"]
        let request = #"{"prompt": "The capital of France is", "max_tokens": 24, "temperature": 0}"#
        var answers: [String] = [], caches: [Substring?] = []
        for ranks in [1, 3] {
            let server = try await RunningServer(options + ["-tp", "\(ranks)"])
            let response = try await server.post("/v1/completions", request)
            let body = try JSONParser.parse([UInt8](buffer: try await response.body.collect(upTo: 1 << 20)))
            answers.append(try #require(body["choices"]?.arrayValue?.first?["text"]?.stringValue))
            caches.append(
                try await server.get("/metrics").split(separator: "\n").first {
                    $0.hasPrefix("vllm:cache_config_info{")
                })
            let line = "tensor parallel: 3 ranks; rank 0: 1 threads, rank 1: 1 threads, rank 2: 1 threads"
            #expect(server.logText.contains(line) == (ranks == 3) || MemoryNode.all().count > 1)
            #expect(server.terminate() == 0)
        }
        #expect(answers[0] == answers[1] && answers[0].contains("Paris"))
        #expect(caches[0] != nil && caches[0] == caches[1])
    }

    @Test("the binary needs only libraries that every system has")
    func libraries() throws {
        let allowed = ["linux-vdso", "ld-linux", "libc.so", "libm.so", "libstdc++.so", "libgcc_s.so"]
        for line in try output(of: "/usr/bin/ldd", [try TestFiles.binary()]).split(separator: "\n") {
            #expect(allowed.contains { line.contains($0) }, "\(line)")
        }
    }

    @Test(
        "wrong command lines are refused in a sentence",
        arguments: [
            (["serve", "/no/such/model.gguf"], "/no/such/model.gguf"),
            (["serve"], "MODEL"),
            (["serve", "MODEL", "--tensor_parallel_size", "2"], "9 attention heads"),
            (["serve", "MODEL", "-tp", "0"], "tensor-parallel-size"),
            (["serve", "MODEL", "--max_model_len", "99999999"], "max-model-len"),
            (["serve", "MODEL", "--kv-cache-memory-bytes", "1k"], "KV cache"),
            (["serve", "MODEL", "--quantization", "gptq"], "quantization"),
        ])
    func refusals(arguments: [String], word: String) throws {
        let model = try TestFiles.model()
        let process = Process()
        process.executableURL = URL(filePath: try TestFiles.binary())
        process.arguments = arguments.map { $0 == "MODEL" ? model : $0 }
        let pipe = Pipe()
        process.standardError = pipe
        process.standardOutput = pipe
        try process.run()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus != 0)
        #expect(text.contains(word), "\(text)")
    }
}
