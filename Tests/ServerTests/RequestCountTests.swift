// What the metrics count of clients' requests, and that their sums hold while they come and go.

import EngineTesting
import JSON
import Observability
import Server
import Synchronization
import Testing

@Suite("Request counts", .timeLimit(.minutes(5)))
struct RequestCountTests {
    @Test("a request is one count at its end, found by whoever has its answer")
    func successes() async throws {
        try await TestServer.run { test in
            for count in 1...20 {
                let options = #""max_tokens":2,"ignore_eos":true,"stream":\#(count % 3 == 0)"#
                let answer =
                    count % 2 == 0
                    ? try await test.post("/v1/completions", #"{"prompt":["a","b"],"n":2,\#(options)}"#)
                    : try await test.post(
                        "/v1/chat/completions", #"{"messages":[{"role":"user","content":"a"}],\#(options)}"#)
                #expect(answer.status == 200)
                #expect(try await test.value(of: #"vllm_request_count{status="SUCCESS"}"#) == Double(count))
                #expect(try await test.value(of: "vllm_request_latency_seconds_count") == Double(count))
            }
            #expect(try await test.value(of: #"vllm_request_count{status="FAILED"}"#) == 0)
            let scrape = try await test.scrape()
            #expect(scrape["pagoda_requests_received_total"] == 50)
            // Of ten with two prompts and two samples each, and ten with one.
            #expect(scrape[#"pagoda_requests_finished_total{reason="length"}"#] == 50)
            #expect(scrape[#"http_requests_total{handler="/v1/completions",method="POST",status="2xx"}"#] == 10)
            #expect(scrape[#"http_requests_total{handler="/v1/chat/completions",method="POST",status="2xx"}"#] == 10)
            #expect(scrape[#"http_request_size_bytes_count{handler="/v1/completions"}"#] == 10)
            #expect(scrape["http_request_duration_highr_seconds_count"] == 20)
            #expect(scrape[#"pagoda_tenant_requests_total{outcome="success",tenant="default"}"#] == 20)
            expectParts(in: scrape)
        }
    }

    @Test("a client's own mistakes are counted by HTTP alone")
    func mistakes() async throws {
        try await TestServer.run { test in
            for body in [
                "{", #"{"prompt":"a","temperature":-1}"#, #"{"prompt":"a","model":"nobody"}"#,
                #"{"prompt":"a","max_tokens":100000}"#,
            ] {
                #expect((400..<500).contains(try await test.post("/v1/completions", body).status))
            }
            #expect(try await test.request("GET", "/nowhere").status == 404)
            let scrape = try await test.scrape()
            #expect(scrape[#"vllm_request_count{status="SUCCESS"}"#] == 0)
            #expect(scrape[#"vllm_request_count{status="FAILED"}"#] == 0)
            #expect(scrape["pagoda_requests_received_total"] == 0)
            #expect(scrape[#"http_requests_total{handler="/v1/completions",method="POST",status="4xx"}"#] == 4)
            #expect(scrape[#"http_requests_total{handler="none",method="GET",status="4xx"}"#] == 1)
        }
    }

    @Test("while the model loads, requests for it fail and count as turned away, others are mistakes")
    func loading() async throws {
        try await TestServer.run { options in
            options.isReady = false
            options.server.modelNames = ["tiny", "alias"]
        } _: { test in
            #expect(try await test.post("/v1/completions", #"{"prompt":["a","b"],"n":2}"#).status == 503)
            #expect(try await test.post("/v1/completions", #"{"prompt":"a","model":"alias"}"#).status == 503)
            #expect(try await test.post("/v1/completions", #"{"prompt":"a","model":"other"}"#).status == 404)
            #expect(try await test.post("/v1/completions", #"{"prompt":7}"#).status == 400)
            let scrape = try await test.scrape()
            #expect(scrape[#"vllm_request_count{status="FAILED"}"#] == 2)
            #expect(scrape[#"pagoda_requests_rejected_total{reason="loading"}"#] == 5)
            #expect(scrape["pagoda_requests_received_total"] == 5)
        }
    }

    @Test("over the limit a request counts as failed, turned away, and in vLLM's rejections")
    func queueFull() async throws {
        let gate = Gate()
        try await TestServer.run { options in
            options.server.maxQueuedRequests = 2
            options.executor.beforeStep = { _ in gate.pass() }
        } _: { test in
            defer { gate.open() }
            try await test.connect { first in
                try await first.post("/v1/completions", #"{"prompt":"a","n":2,"max_tokens":2,"ignore_eos":true}"#)
                await gate.waitForArrival()
                #expect(try await test.post("/v1/completions", #"{"prompt":"a","n":2}"#).status == 503)
                let scrape = try await test.scrape()
                #expect(scrape[#"vllm_request_count{status="FAILED"}"#] == 1)
                // Nobody has looked at what it asks for.
                #expect(scrape[#"pagoda_requests_rejected_total{reason="queue_full"}"#] == 1)
                #expect(scrape[#"pagoda_tenant_requests_total{outcome="rejected",tenant="default"}"#] == 1)
                let reason = #"vllm:admission_rejections_total{model_name="tiny",reason="max_num_queued_reqs"}"#
                #expect(scrape[reason] == 1)
                gate.open()
                #expect(try await first.response().status == 200)
            }
        }
    }

    @Test("a reader that takes nothing for a while shows as slow, and as the client's part of its request")
    func slowReader() async throws {
        try await TestServer.run { options in
            options.maxModelLength = 4_000
        } _: { test in
            try await test.connect { connection in
                // Several times what the system's buffers hold.
                try await connection.post(
                    "/v1/completions",
                    #"{"prompt":["a","b","c"],"max_tokens":3900,"ignore_eos":true,"stream":true,"logprobs":20,"n":4}"#)
                try await eventually { test.metrics.engine.snapshot().runningCount > 0 }
                try await test.waitUntilIdle()
                // The writer fills the buffers, and waits.
                try await Task.sleep(for: .seconds(2))
                _ = try await connection.response()
            }
            let scrape = try await test.scrape()
            #expect(scrape[#"vllm_request_count{status="SUCCESS"}"#] == 1)
            #expect(scrape["pagoda_slow_reader_seconds_total"] ?? 0 > 0)
            #expect(scrape[#"pagoda_request_seconds_total{part="client"}"#] ?? 0 > 0)
            expectParts(in: scrape)
        }
    }

    @Test("in 1,000 scrapes under load, sums and parts hold")
    func snapshots() async throws {
        try await TestServer.run { options in
            options.server.maxQueuedRequests = 24
            options.maxRunningSequences = 6
        } _: { test in
            let end = End()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for client in 0..<12 {
                    group.addTask {
                        var number = client
                        while !end.isHere {
                            number += 7
                            try await send(number, to: test)
                        }
                    }
                }
                group.addTask {
                    defer { end.come() }
                    try await test.connect { connection in
                        for _ in 0..<1_000 {
                            try await connection.send("GET", "/metrics")
                            expectSums(in: TestServer.values(try await connection.response().body))
                        }
                    }
                }
                try await group.waitForAll()
            }
            try await test.waitUntilIdle()
            let scrape = try await test.scrape()
            expectSums(in: scrape)
            #expect(scrape["pagoda_requests_received_total"] ?? 0 > 100)
            #expect(scrape[#"pagoda_requests_finished_total{reason="abort"}"#] ?? 0 > 0)
            #expect(scrape["vllm_running_requests"] == 0 && scrape["vllm_waiting_requests"] == 0)
        }
    }

    /// Requests of all kinds: whole, streamed, with several samples, refused, left in the middle.
    private func send(_ number: Int, to test: TestServer) async throws {
        let body =
            #"{"prompt":"\#(String(repeating: "ab", count: number % 40 + 1))","max_tokens":\#(number % 30 + 1),"#
            + #""n":\#(number % 3 + 1),"stream":\#(number % 2 == 0),"ignore_eos":true}"#
        try? await test.connect { connection in
            try await connection.post("/v1/completions", body)
            if number % 5 == 0 {
                _ = try await connection.head()
                try await connection.close()
            } else {
                _ = try await connection.response()
            }
        }
    }
}

/// Tells several tasks that it is time to stop.
private final class End: Sendable {
    private let state = Mutex(false)

    var isHere: Bool { state.withLock { $0 } }

    func come() {
        state.withLock { $0 = true }
    }
}

/// received = finished + running + waiting + rejected, and counts that belong together are equal.
private func expectSums(in scrape: [String: Double]) {
    func sum(_ prefix: String) -> Double {
        scrape.reduce(0) { $0 + ($1.key.hasPrefix(prefix) ? $1.value : 0) }
    }
    let received = scrape["pagoda_requests_received_total"] ?? .nan
    let finished = sum("pagoda_requests_finished_total{")
    let open = (scrape["vllm_running_requests"] ?? .nan) + (scrape["vllm_waiting_requests"] ?? .nan)
    #expect(received == finished + open + sum("pagoda_requests_rejected_total{"))
    #expect(finished == sum("vllm:request_success_total{"))
    #expect(sum("vllm:num_requests_waiting_by_reason{") == sum("vllm:num_requests_waiting{"))
    #expect(sum("vllm:prompt_tokens_by_source_total{") == sum("vllm:prompt_tokens_total{"))
    #expect(sum("vllm:request_decode_time_seconds_count{") == sum("vllm:e2e_request_latency_seconds_count{"))
    #expect(
        scrape[#"vllm_request_count{status="SUCCESS"}"#] == scrape["vllm_request_latency_seconds_count"])
    #expect(scrape["pagoda_steps_total"] == scrape["pagoda_step_duration_seconds_count"])
    expectParts(in: scrape)
}

/// The owners of time have all of it.
private func expectParts(in scrape: [String: Double]) {
    func sum(_ prefix: String) -> Double {
        scrape.reduce(0) { $0 + ($1.key.hasPrefix(prefix) ? $1.value : 0) }
    }
    let whole = scrape["pagoda_request_whole_seconds_total"] ?? .nan
    #expect(abs(sum("pagoda_request_seconds_total{") - whole) < 1e-6)
    #expect(abs(sum("pagoda_ttft_seconds_total{") - sum("vllm:time_to_first_token_seconds_sum{")) < 1e-6)
}
