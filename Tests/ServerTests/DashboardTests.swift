import JSON
import Server
import Testing

@Suite("Dashboard", .timeLimit(.minutes(1)))
struct DashboardTests {
    @Test("the page is one small document that loads nothing from elsewhere, and no script but its own runs")
    func page() async throws {
        try await TestServer.run { test in
            let page = try await test.request("GET", "/dashboard")
            #expect(page.status == 200 && page.header("content-type") == "text/html; charset=utf-8")
            #expect(page.body.utf8.count < 100_000)
            #expect(page.body.hasPrefix("<!DOCTYPE html>") && page.body.hasSuffix("</html>\n"))
            for word in ["src=", "@import", "url(", "https:", "style=\"", "onclick", "eval("] {
                #expect(!page.body.contains(word), "\(word)")
            }
            // The only addresses: its own data, the exposition, and the name of SVG.
            let addresses = page.body.split(separator: "http://").dropFirst().map { $0.prefix { !"'\"".contains($0) } }
            #expect(addresses.allSatisfy { $0.hasPrefix("www.w3.org/2000/svg") })
            let policy = try #require(page.header("content-security-policy"))
            let nonce = try nonce(of: policy)
            #expect(policy.hasPrefix("default-src 'none'; ") && !policy.contains("unsafe"))
            #expect(page.body.components(separatedBy: "nonce=\"\(nonce)\"").count == 3)
            #expect(page.body.components(separatedBy: "<script").count == 2)
            let again = try await test.request("GET", "/dashboard/")
            #expect(try self.nonce(of: #require(again.header("content-security-policy"))) != nonce)
        }
    }

    private func nonce(of policy: String) throws -> String {
        let parts = policy.components(separatedBy: "script-src 'nonce-")
        return String(try #require(parts.dropFirst().first).prefix { $0 != "'" })
    }

    @Test("its numbers are those of /metrics")
    func numbers() async throws {
        try await TestServer.run { test in
            for _ in 0..<5 { _ = try await test.post("/v1/completions", #"{"prompt":"a b","max_tokens":20}"#) }
            try await test.waitUntilIdle()
            let answer = try #require(try await test.request("GET", "/dashboard/data").json)
            let columns = try #require(answer["columns"]?.arrayValue).compactMap(\.text)
            #expect(columns.count > 100 && Set(columns).count == columns.count)
            #expect(columns.contains(#"vllm_request_count{status="SUCCESS"}"#))
            // The next sample is taken within a second; then all numbers stand still but the process's memory.
            try await eventually {
                let data = try #require(try await test.request("GET", "/dashboard/data").json)
                let latest = try #require(data["latest"]?.arrayValue).dropFirst().map(\.doubleValue)
                let scrape = sums(of: try await test.request("GET", "/metrics").body)
                return zip(columns, latest).allSatisfy { column, value in
                    column.hasPrefix("process_") || column.contains("throughput") || scrape[column] == value
                }
            }
        }
    }

    /// Series of an exposition, those that differ in labels of no interest to the page added up.
    private func sums(of exposition: String) -> [String: Double] {
        var sums: [String: Double] = [:]
        for line in exposition.split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else {
                continue
            }
            let parts = line[..<space].split(separator: "{", maxSplits: 1)
            let labels = parts.count < 2 ? [] : parts[1].dropLast().split(separator: ",").filter { label in
                !["model_name=", "engine=", "model=", "endpoint="].contains { label.hasPrefix($0) }
            }
            let series = labels.isEmpty ? String(parts[0]) : "\(parts[0]){\(labels.joined(separator: ","))}"
            sums[series, default: 0] += value
        }
        return sums
    }

    @Test("a page asks for what it does not have, and gets no more")
    func increments() async throws {
        try await TestServer.run { test in
            try await eventually {
                try await test.request("GET", "/dashboard/data").json?["rows"]?.arrayValue?.count ?? 0 >= 2
            }
            let all = try #require(try await test.request("GET", "/dashboard/data?step=1").json)
            let first = try #require(all["rows"]?.arrayValue?.first?.arrayValue?.first?.doubleValue)
            let more = try #require(try await test.request("GET", "/dashboard/data?step=1&since=\(first)").json)
            #expect(more["columns"] == nil && more["instance"] == all["instance"])
            let times = try #require(more["rows"]?.arrayValue).compactMap { $0.arrayValue?.first?.doubleValue }
            #expect(!times.isEmpty && times.allSatisfy { $0 > first })
            #expect(more["verdict"]?["severity"] == "healthy")
            #expect(more["server"]?["model"] == "tiny")
            let hour = try #require(try await test.request("GET", "/dashboard/data?step=10").json)
            #expect(hour["capacity"] == 361 && hour["rows"]?.arrayValue?.count == 1)
        }
    }

    @Test(
        "wrong questions are refused by the parameter's name",
        arguments: [
            ("step=2", "step"), ("step=", "step"), ("step=99999999999999999999", "step"), ("since=x", "since"),
            ("since=", "since"), ("step=1&since=%31", "since"),
        ])
    func refusals(query: String, parameter: String) async throws {
        try await TestServer.run { test in
            let response = try await test.request("GET", "/dashboard/data?\(query)")
            #expect(response.status == 400 && response.error("param")?.text == parameter)
        }
    }

    @Test("it is there before the model is", arguments: ["/dashboard", "/dashboard/data"])
    func loading(path: String) async throws {
        try await TestServer.run { options in
            options.isReady = false
        } _: { test in
            let response = try await test.request("GET", path)
            #expect(response.status == 200)
        }
    }
}
