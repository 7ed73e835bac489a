// What a tenant may take, and what it is told when that is used up.

import Access
import EngineTesting
import JSON
import Server
import Testing

@Suite("Quotas", .timeLimit(.minutes(1)))
struct QuotaTests {
    private static let path = "/v1/completions"

    /// Everybody without a key is the tenant `default`.
    private static func run(
        _ configure: @escaping (inout TenantSettings) -> Void,
        options change: (inout TestServer.Options) -> Void = { _ in },
        _ body: @escaping @Sendable (TestServer) async throws -> Void
    ) async throws {
        var settings = TenantSettings(name: "default")
        configure(&settings)
        try await TestServer.run { options in
            options.server.tenants = [settings]
            change(&options)
        } _: {
            try await body($0)
        }
    }

    private static func expectRefusal(_ response: RawResponse, seconds: ClosedRange<Int>) {
        #expect(response.status == 429 && response.error("type") == "Too Many Requests")
        #expect(response.header("retry-after").flatMap { Int($0) }.map { seconds.contains($0) } == true)
    }

    @Test("over its requests a minute a tenant is told when there is one again")
    func requestsPerMinute() async throws {
        try await Self.run {
            $0.requestsPerMinute = 2
        } _: { test in
            for _ in 0..<2 { #expect(try await test.post(Self.path, #"{"prompt":"a","max_tokens":1}"#).status == 200) }
            // Half a minute for each.
            Self.expectRefusal(try await test.post(Self.path, #"{"prompt":"a"}"#), seconds: 28...38)
            let scrape = try await test.scrape()
            #expect(scrape[#"pagoda_requests_rejected_total{reason="tenant"}"#] == 1)
            #expect(scrape[#"pagoda_tenant_requests_total{outcome="rejected",tenant="default"}"#] == 1)
            #expect(scrape[#"vllm_request_count{status="FAILED"}"#] == 1)
        }
    }

    @Test("a request may take more tokens than are left of a minute, and the next has to wait for them")
    func tokensPerMinute() async throws {
        try await Self.run {
            $0.tokensPerMinute = 60
        } _: { test in
            let body = #"{"prompt":"0123456789","max_tokens":80,"ignore_eos":true}"#
            #expect(try await test.post(Self.path, body).status == 200)
            // 30 tokens below nothing, and one above that is needed: a token a second.
            try await eventually { try await test.request("GET", "/load").body == #"{"server_load":0}"# }
            Self.expectRefusal(try await test.post(Self.path, body), seconds: 25...40)
        }
    }

    @Test("over what it may have in flight a tenant is refused, samples counted")
    func inFlight() async throws {
        let gate = Gate()
        try await Self.run {
            $0.maxQueued = 2
        } options: { options in
            options.executor.beforeStep = { _ in gate.pass() }
        } _: { test in
            defer { gate.open() }
            try await test.connect { first in
                try await first.post(Self.path, #"{"prompt":"a","max_tokens":2}"#)
                await gate.waitForArrival()
                Self.expectRefusal(try await test.post(Self.path, #"{"prompt":"a","n":2}"#), seconds: 1...2)
                gate.open()
                #expect(try await first.response().status == 200)
            }
            #expect(try await test.post(Self.path, #"{"prompt":"a","n":2,"max_tokens":1}"#).status == 200)
        }
    }
}
