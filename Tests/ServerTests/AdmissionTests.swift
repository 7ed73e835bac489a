// Who is let in, how long it may wait, and what it is told otherwise.

import EngineTesting
import Foundation
import JSON
import Server
import Testing

@Suite("Admission", .timeLimit(.minutes(1)))
struct AdmissionTests {
    private static let path = "/v1/completions"

    @Test("over the limit of queued prompt tokens requests are turned away, until prompts have their first token")
    func queuedTokens() async throws {
        let gate = Gate()
        try await TestServer.run { options in
            options.server.maxQueuedTokens = 10
            options.executor.beforeStep = { _ in gate.pass() }
        } _: { test in
            defer { gate.open() }
            try await test.connect { first in
                // A single prompt may be longer.
                try await first.post(Self.path, #"{"prompt":"abcdefghijkl","max_tokens":2,"ignore_eos":true}"#)
                await gate.waitForArrival()
                let refused = try await test.post(Self.path, #"{"prompt":"a","max_tokens":1}"#)
                #expect(refused.status == 503 && refused.error("type") == "Service Unavailable")
                #expect(refused.header("retry-after").flatMap { Int($0) }.map { (1...75).contains($0) } == true)
                let scrape = try await test.scrape()
                #expect(scrape[#"pagoda_requests_rejected_total{reason="queue_tokens"}"#] == 1)
                let reason = #"vllm:admission_rejections_total{model_name="tiny",reason="max_num_queued_tokens"}"#
                #expect(scrape[reason] == 1)
                gate.letOneThrough()
                await gate.waitForArrival()
                // Its first token is there: it has nothing in the queue any more.
                try await eventually {
                    try await test.connect { next in
                        try await next.post(Self.path, #"{"prompt":"a","max_tokens":1,"stream":true}"#)
                        return try await next.head().contains("200 OK")
                    }
                }
                gate.open()
                #expect(try await first.response().status == 200)
            }
        }
    }

    @Test("a full server does not look at a body")
    func bodyUnread() async throws {
        let gate = Gate()
        try await TestServer.run { options in
            options.server.maxQueuedRequests = 1
            options.executor.beforeStep = { _ in gate.pass() }
        } _: { test in
            defer { gate.open() }
            try await test.connect { first in
                try await first.post(Self.path, #"{"prompt":"a","max_tokens":2}"#)
                await gate.waitForArrival()
                #expect(try await test.post(Self.path, "{").status == 503)
                gate.open()
                #expect(try await first.response().status == 200)
            }
            #expect(try await test.post(Self.path, "{").status == 400)
        }
    }

    @Test(
        "whoever waits beyond its own deadline is dropped before anything is computed for it",
        arguments: [false, true])
    func deadlineInTheQueue(streams: Bool) async throws {
        let gate = Gate()
        try await TestServer.run { options in
            options.maxRunningSequences = 1
            options.executor.beforeStep = { _ in gate.pass() }
        } _: { test in
            defer { gate.open() }
            try await test.connect { first in
                try await first.post(Self.path, #"{"prompt":"a","max_tokens":3,"ignore_eos":true}"#)
                await gate.waitForArrival()
                try await test.connect { second in
                    try await second.send(
                        "POST", Self.path,
                        headers: ["Content-Type: application/json", "X-Request-Timeout-Ms: 100"],
                        body: #"{"prompt":"bcd","max_tokens":3,"stream":\#(streams)}"#)
                    try await eventually { try await test.request("GET", "/load").body == #"{"server_load":2}"# }
                    try await Task.sleep(for: .milliseconds(150))
                    gate.open()
                    let dropped = try await second.response()
                    #expect(dropped.status == 504 && dropped.error("type") == "Gateway Timeout")
                    #expect(dropped.header("retry-after") == nil)
                }
                #expect(try await first.response().status == 200)
            }
            try await test.waitUntilIdle()
            let scrape = try await test.scrape()
            #expect(scrape[#"pagoda_requests_expired_total{reason="deadline"}"#] == 1)
            #expect(scrape[#"pagoda_requests_finished_total{reason="abort"}"#] == 1)
            #expect(scrape[#"vllm_request_count{status="FAILED"}"#] == 1)
            // Of the first one's alone.
            #expect(scrape[#"pagoda_step_tokens_total{kind="prefill"}"#] == 1)
        }
    }

    @Test("a deadline ends what runs, too: a stream by an error event")
    func deadlineWhileRunning() async throws {
        try await TestServer.run { options in
            options.executor.beforeStep = { _ in usleep(5_000) }
        } _: { test in
            let body = #"{"prompt":"a","max_tokens":500,"ignore_eos":true,"stream":true}"#
            let stream = try await test.post(Self.path, body, headers: ["X-Request-Timeout-Ms: 200"])
            #expect(stream.status == 200)
            let events = try stream.events()
            #expect(events.count > 1 && events.last?["error"]?["code"]?.int == 504)
            let whole = try await test.post(
                Self.path, #"{"prompt":"a","max_tokens":500,"ignore_eos":true}"#, headers: ["X-Request-Timeout-Ms: 50"])
            #expect(whole.status == 504)
        }
    }

    @Test("a deadline is a number of milliseconds", arguments: ["0", "-1", "1.5", "soon", "99999999999999999999"])
    func wrongDeadline(value: String) async throws {
        try await TestServer.run { test in
            let response = try await test.post(
                Self.path, #"{"prompt":"a"}"#, headers: ["X-Request-Timeout-Ms: \(value)"])
            #expect(response.status == 400)
        }
    }

    @Test("whoever has not begun to run within the time that a queue allows is told to come back")
    func queueTime() async throws {
        let gate = Gate()
        try await TestServer.run { options in
            options.maxRunningSequences = 1
            options.server.maxQueueTime = .milliseconds(100)
            options.executor.beforeStep = { _ in gate.pass() }
        } _: { test in
            defer { gate.open() }
            try await test.connect { first in
                try await first.post(Self.path, #"{"prompt":"a","max_tokens":3,"ignore_eos":true,"stream":true}"#)
                await gate.waitForArrival()
                try await test.connect { second in
                    try await second.post(Self.path, #"{"prompt":"b","max_tokens":3,"stream":true}"#)
                    try await eventually { try await test.request("GET", "/load").body == #"{"server_load":2}"# }
                    try await Task.sleep(for: .milliseconds(150))
                    gate.open()
                    let dropped = try await second.response()
                    #expect(dropped.status == 503 && dropped.header("retry-after") != nil)
                    #expect(dropped.error("type") == "Service Unavailable")
                }
                // It has begun in time, however long it takes.
                #expect(try await first.response().status == 200)
            }
            #expect(try await test.value(of: #"pagoda_requests_expired_total{reason="queue_time"}"#) == 1)
        }
    }

    @Test("whoever would get its first token too late, by what was measured, is turned away at once")
    func firstTokenObjective() async throws {
        let gate = Gate()
        try await TestServer.run { options in
            options.server.firstTokenObjective = .milliseconds(1)
            options.executor.beforeStep = { step in
                usleep(30_000)
                if step > 2 { gate.pass() }
            }
        } _: { test in
            defer { gate.open() }
            let measured = #"{"prompt":"abcdefgh","max_tokens":3,"ignore_eos":true}"#
            #expect(try await test.post(Self.path, measured).status == 200, "nobody waits")
            try await test.connect { waiting in
                try await waiting.post(Self.path, measured)
                await gate.waitForArrival()
                let refused = try await test.post(Self.path, measured)
                #expect(refused.status == 503 && refused.header("retry-after") != nil)
                #expect(try await test.value(of: #"pagoda_requests_rejected_total{reason="ttft"}"#) == 1)
                gate.open()
                #expect(try await waiting.response().status == 200)
            }
        }
    }
}
