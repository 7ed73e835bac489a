import Foundation
import Engine
import EngineTesting
import JSON
import Logging
import Models
import Observability
import Server
import Synchronization
import Testing

@Suite("Timelines and log lines of requests", .timeLimit(.minutes(1)))
struct RequestTimelineTests {
    @Test("/debug/requests is not there unless it is asked for")
    func off() async throws {
        try await TestServer.run { options in
            options.journal = RequestJournal.Configuration()
        } _: { test in
            let response = try await test.request("GET", "/debug/requests")
            #expect(response.status == 404)
        }
    }

    @Test("a request shows up while it is in flight, and afterwards with its whole life, but never with its words")
    func life() async throws {
        let gate = Gate()
        try await TestServer.run { options in
            Self.enable(&options)
            options.executor.beforeStep = { _ in gate.pass() }
        } _: { test in
            async let answer = test.post(
                "/v1/completions", #"{"prompt":"my secret","max_tokens":3,"ignore_eos":true}"#,
                headers: ["X-Request-Id: r1"])
            await gate.waitForArrival()
            // The engine is in its step, and can't be asked.
            let during = try await Self.document(of: test)
            #expect(during["in_flight"]?.arrayValue?.map { $0["id"] } == ["r1"])
            #expect(during["engine_answered"] == false)
            gate.open()
            #expect(try await answer.status == 200)
            try await eventually { try await Self.document(of: test)["finished"]?.arrayValue?.count == 1 }

            let response = try await test.request("GET", "/debug/requests")
            #expect(response.header("content-type") == "application/json")
            #expect(!response.body.contains("secret"))
            let entry = try #require(response.json?["finished"]?[0])
            #expect(entry["id"] == "r1" && entry["status"] == 200 && entry["outcome"] == "success")
            #expect(entry["prompt_tokens"] == 9 && entry["generated_tokens"] == 3)
            let total = try #require(entry["total_seconds"]?.doubleValue)
            let parts = try #require(entry["parts"]?.objectValue)
            let sum = parts.members.reduce(0) { $0 + ($1.value.doubleValue ?? .nan) }
            #expect(abs(sum - total) < 1e-6)
            let sequence = try #require(entry["sequences"]?[0])
            #expect(sequence["phase"] == "ended" && sequence["finish_reason"] == "length")
            let moments = ["queued", "scheduled", "first_token", "last_token", "finished"]
                .compactMap { sequence[$0]?.doubleValue }
            #expect(moments.count == 5 && moments == moments.sorted())
            let chunks = try #require(sequence["prefill_chunks"]?.arrayValue)
            #expect(chunks.reduce(0) { $0 + ($1["tokens"]?.int ?? 0) } == 9)
        }
    }

    @Test("a long prompt shows each chunk, and sequences that lost their blocks show when")
    func chunksAndPreemptions() async throws {
        try await TestServer.run { options in
            Self.enable(&options)
            options.executor.maximumRows = 64
            // Room for less than the two need together.
            options.executor.capacity = .init(blockCount: 12, blockSize: 16)
            options.maxModelLength = 192
            // Both are there long before the first has grown.
            options.executor.beforeStep = { _ in usleep(5000) }
        } _: { test in
            let prompts = ["x", "y"].map { String(repeating: $0, count: 90) }
            let body = #"{"prompt":["\#(prompts[0])","\#(prompts[1])"],"max_tokens":60,"ignore_eos":true}"#
            #expect(try await test.post("/v1/completions", body).status == 200)
            try await eventually { try await Self.document(of: test)["finished"]?.arrayValue?.count == 1 }
            let entry = try #require(try await Self.document(of: test)["finished"]?[0])
            let sequences = try #require(entry["sequences"]?.arrayValue)
            #expect(sequences.compactMap { $0["prompt"]?.int }.sorted() == [0, 1])
            #expect(sequences.allSatisfy { ($0["prefill_chunks"]?.arrayValue?.count ?? 0) >= 2 })
            let preempted = try #require(sequences.first { $0["preemption_count"] != 0 })
            let preemption = try #require(preempted["preemptions"]?[0])
            let (from, to) = (preemption["from"]?.doubleValue ?? .nan, preemption["to"]?.doubleValue ?? .nan)
            #expect(from < to)
            #expect((preempted["parts"]?["preemption"]?.doubleValue ?? 0) > 0)
        }
    }

    @Test("a client that goes away and one that is turned away leave their ends")
    func failures() async throws {
        let gate = Gate()
        try await TestServer.run { options in
            Self.enable(&options)
            options.server.maxQueuedRequests = 1
            // Slow enough that it is not done before the server has seen that nobody is there.
            options.executor.beforeStep = { _ in
                gate.pass()
                usleep(5000)
            }
        } _: { test in
            try await test.connect { connection in
                try await connection.post(
                    "/v1/completions", #"{"prompt":"a","max_tokens":100,"ignore_eos":true,"stream":true}"#)
                await gate.waitForArrival()
                #expect(try await test.post("/v1/completions", #"{"prompt":"a"}"#).status == 503)
                try await connection.close()
            }
            gate.open()
            try await eventually { try await Self.document(of: test)["finished"]?.arrayValue?.count == 2 }
            let entries = try #require(try await Self.document(of: test)["finished"]?.arrayValue)
            #expect(Set(entries.map { $0["outcome"]?.text }) == ["failed", "client_gone"])
            let refused = try #require(entries.first { $0["outcome"] == "failed" })
            #expect(refused["status"] == 503 && refused["sequences"] == [])
            let gone = try #require(entries.first { $0["outcome"] == "client_gone" })
            #expect(gone["sequences"]?[0]?["finish_reason"] == "abort")
            #expect(try await Self.document(of: test)["in_flight"] == [])
        }
    }

    @Test("each request leaves a line with its ids, tokens and times, and none of its words", arguments: [true, false])
    func accessLines(isForGeneration: Bool) async throws {
        let log = RecordedLog()
        try await TestServer.run { options in
            var journal = RequestJournal.Configuration()
            journal.logger = log.logger
            options.journal = journal
            options.logger = log.logger
        } _: { test in
            if isForGeneration {
                let response = try await test.post(
                    "/v1/completions", #"{"prompt":"my secret","max_tokens":3,"ignore_eos":true}"#,
                    headers: ["X-Request-Id: r1", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"])
                #expect(response.status == 200)
            } else {
                _ = try await test.request("GET", "/v1/nothing?secret=1", headers: ["X-Request-Id: r1"])
            }
            try await eventually { log.lines.contains { $0.message == "request finished" } }
            let lines = log.lines.filter { $0.message == "request finished" }
            #expect(lines.count == 1)
            let line = try #require(lines.first)
            #expect(line.metadata["request_id"] == "r1")
            #expect(!log.lines.contains { "\($0)".contains("secret") })
            if isForGeneration {
                #expect(line.metadata["trace_id"] == "0af7651916cd43dd8448eb211c80319c")
                #expect(line.metadata["endpoint"] == "/v1/completions" && line.metadata["status"] == "200")
                #expect(line.metadata["prompt_tokens"] == "9" && line.metadata["generated_tokens"] == "3")
                #expect(line.metadata["outcome"] == "success" && line.metadata["finish_reason"] == "length")
                let times = ["ttft_seconds", "total_seconds"].compactMap { Double(line.metadata[$0] ?? "") }
                #expect(times.count == 2 && times == times.sorted())
            } else {
                #expect(line.metadata["path"] == "/v1/nothing" && line.metadata["status"] == "404")
            }
        }
    }

    private static func enable(_ options: inout TestServer.Options) {
        options.server.enablesDebugEndpoints = true
        options.journal = RequestJournal.Configuration()
    }

    private static func document(of test: TestServer) async throws -> JSONValue {
        try #require(try await test.request("GET", "/debug/requests").json)
    }
}
