// What is shown of each tenant, and of no one else by name.

import Engine
import Observability
import Primitives
import Testing

@Suite("Metrics by tenant")
struct TenantMetricsTests {
    @Test("tokens are counted by tenant, and whoever is not in the configuration is another")
    func tenants() throws {
        let metrics = try serviceMetrics { $0.tenants = ["a", "b"] }
        for (request, tenant) in ["a", "default", "nobody", "a", "made\nup"].enumerated() {
            var ended = endedSequence(.stop, request: UInt64(request))
            ended.origin.tenant = tenant
            metrics.engine.stepEnded(reportedStep { $0.finished = [ended] })
            metrics.requests.requestFinished(.failed, endpoint: .completions, tenant: tenant)
        }
        let scrape = metrics.scrape
        for (tenant, count) in [("a", 2.0), ("b", 0), ("default", 1), ("other", 2)] {
            #expect(scrape["pagoda_tenant_tokens_total{kind=\"prompt\",tenant=\"\(tenant)\"}"] == 30 * count)
            #expect(scrape["pagoda_tenant_tokens_total{kind=\"generated\",tenant=\"\(tenant)\"}"] == 5 * count)
            #expect(scrape["pagoda_tenant_requests_total{outcome=\"failed\",tenant=\"\(tenant)\"}"] == count)
        }
        #expect(scrape.values.keys.count { $0.hasPrefix("pagoda_tenant_tokens_total") } == 8)
    }

    @Test("what tenants have in the engine, what is computed for them and how long they wait is shown for each")
    func tenantLoad() throws {
        let metrics = try serviceMetrics { $0.tenants = ["a"] }
        for waiting in [5, 3] {
            metrics.engine.stepEnded(
                reportedStep { step in
                    step.tenants = ["a", "default", "nobody", "made\nup", "other"].map { TenantStatistics(name: $0) }
                    for place in step.tenants.indices {
                        step.tenants[place].unansweredCount = waiting
                        step.tenants[place].answeredCount = place
                        step.tenants[place].computedTokenCount = 10
                    }
                    step.firstTokens = [
                        FirstToken(seconds: 0.5, tenant: "a"), FirstToken(seconds: 2, tenant: "nobody"),
                    ]
                })
        }
        let scrape = metrics.scrape
        for (tenant, waiting, answered, computed) in [
            ("a", 3.0, 0.0, 20.0), ("default", 3, 1, 20), ("other", 9, 9, 60),
        ] {
            #expect(scrape["pagoda_tenant_sequences{state=\"unanswered\",tenant=\"\(tenant)\"}"] == waiting)
            #expect(scrape["pagoda_tenant_sequences{state=\"answered\",tenant=\"\(tenant)\"}"] == answered)
            #expect(scrape["pagoda_tenant_computed_tokens_total{tenant=\"\(tenant)\"}"] == computed)
        }
        let times = "pagoda_tenant_time_to_first_token_seconds"
        #expect(scrape["\(times)_sum{tenant=\"a\"}"] == 1 && scrape["\(times)_count{tenant=\"a\"}"] == 2)
        #expect(scrape["\(times)_sum{tenant=\"other\"}"] == 4 && scrape["\(times)_sum{tenant=\"default\"}"] == 0)
    }

    @Test("what the tenant file says is shown, and of ceilings those alone that there are")
    func tenantSettings() throws {
        var grant = TenantGrant("batch")
        grant.priority = 1000
        grant.maxSequences = 8
        let granted = grant
        let scrape = try serviceMetrics {
            $0.tenants = ["batch", "chat"]
            $0.grants = [granted]
        }.scrape
        for (tenant, setting, value) in [
            ("batch", "weight", 1.0), ("batch", "priority", 1000), ("batch", "max_sequences", 8),
            ("chat", "weight", 1), ("chat", "priority", 0), ("default", "weight", 1),
        ] {
            #expect(scrape["pagoda_tenant_setting{setting=\"\(setting)\",tenant=\"\(tenant)\"}"] == value)
        }
        #expect(scrape["pagoda_tenant_setting{setting=\"max_sequences\",tenant=\"chat\"}"] == nil)
    }
}
