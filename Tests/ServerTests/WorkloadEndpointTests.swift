import Access
import AccessTesting
import JSON
import Server
import Testing
import Workload

@Suite("Captures of the workload", .timeLimit(.minutes(1)))
struct WorkloadEndpointTests {
    @Test("the requests of the last seconds are there, with the settings, and nothing of what they said")
    func content() async throws {
        try await TestServer.run { options in
            options.server.enablesDebugEndpoints = true
        } _: { test in
            let common = String(repeating: "my secret ", count: 8)
            for ending in ["one", "two"] {
                let body = #"{"prompt":"\#(common)\#(ending)","max_tokens":4,"ignore_eos":true,"n":2,"temperature":0}"#
                #expect(try await test.post("/v1/completions", body).status == 200)
            }
            try await test.waitUntilIdle()
            let response = try await test.request("GET", "/debug/workload?seconds=60")
            #expect(response.status == 200 && response.header("content-type") == "application/json")
            #expect(!response.body.contains("secret"))
            let workload = try Workload(json: Array(response.body.utf8))
            #expect(workload.settings == test.settings)
            #expect(workload.requests.map(\.promptTokenCount) == [83, 83])
            #expect(workload.requests.map(\.generatedTokenCounts) == [[4, 4], [4, 4]])
            // Five blocks of sixteen bytes, all of the common beginning; their names are numbers, not hashes.
            #expect(workload.requests.map(\.prefixBlocks) == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]])
            #expect(workload.requests.allSatisfy { $0.firstTokenLatency != nil && $0.endLatency != nil })
            #expect(!workload.steps.isEmpty && workload.interTokenLatencies.count == 12)
            #expect(workload.duration > 0 && workload.duration <= 60)

            // The same, as it is when nothing is said.
            let usual = try await test.request("GET", "/debug/workload")
            #expect(try Workload(json: Array(usual.body.utf8)).requests.count == 2)
            // Short answers are not worth a coding.
            for _ in 0..<4 { _ = try await test.post("/v1/completions", #"{"prompt":"a","max_tokens":4}"#) }
            try await test.waitUntilIdle()
            let zipped = try await test.connect { connection in
                try await connection.send(
                    "GET", "/debug/workload", headers: ["Accept-Encoding: gzip", "Connection: close"])
                return try await connection.head()
            }
            #expect(zipped.lowercased().contains("content-encoding: gzip"))
        }
    }

    @Test(
        "a time that is none is a 400 that names it",
        arguments: ["", "0", "-1", "nan", "inf", "86401", "5m", "1e999", "0x1g", "%31"])
    func wrongTime(text: String) async throws {
        try await TestServer.run { options in
            options.server.enablesDebugEndpoints = true
        } _: { test in
            let response = try await test.request("GET", "/debug/workload?seconds=\(text)")
            #expect(response.status == 400)
            #expect(response.error("param")?.text == "seconds")
            #expect(response.error("message")?.text == "`seconds` must be a number from 1 to 86400.")
        }
    }

    @Test("where anybody may come in, it is there with debug endpoints alone")
    func open() async throws {
        try await TestServer.run { _ in
        } _: { test in
            let response = try await test.request("GET", "/debug/workload")
            #expect(response.status == 404)
        }
    }

    @Test("where keys are asked for, it is always there, for administrators alone")
    func closed() async throws {
        let guarded = try GuardedServer()
        try await TestServer.run { options in
            options.access = guarded.access
        } _: { test in
            func status(_ key: String) async throws -> Int {
                try await test.request("GET", "/debug/workload", headers: ["Authorization: Bearer \(key)"]).status
            }
            for (key, expected) in [(GuardedServer.rootKey, 200), (GuardedServer.key, 403), ("wrong-key", 401)] {
                let found = try await status(key)
                #expect(found == expected)
            }
            let anonymous = try await test.request("GET", "/debug/workload")
            #expect(anonymous.status == 401)
            // Timelines show ids of clients' own, and still take the option.
            let root = ["Authorization: Bearer \(GuardedServer.rootKey)"]
            let timelines = try await test.request("GET", "/debug/requests", headers: root)
            #expect(timelines.status == 404)
        }
    }

    @Test("until the model is there, it says so")
    func loading() async throws {
        try await TestServer.run { options in
            options.server.enablesDebugEndpoints = true
            options.isReady = false
        } _: { test in
            let response = try await test.request("GET", "/debug/workload")
            #expect(response.status == 503)
        }
    }
}
