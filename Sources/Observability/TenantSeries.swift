// Requests and tokens by tenant, with a fixed set of tenants.

import Primitives
import Telemetry

/// Handles of the series of each tenant in the configuration, of those without one, and of everybody else. No other
/// name becomes a series, whatever a client sends.
struct TenantSeries: Sendable {
    /// How a client's request ended.
    enum Outcome: String, CaseIterable {
        case success, failed, rejected
    }

    private struct Counters {
        var outcomes: [Outcome: Counter] = [:]
        let promptTokens: Counter
        let generatedTokens: Counter
    }

    private static let otherTenants = "other"

    private let counters: [String: Counters]

    init(_ tenants: [String], in registry: MetricRegistry) throws(MetricError) {
        var counters: [String: Counters] = [:]
        for tenant in [RequestOrigin.defaultTenant] + tenants + [Self.otherTenants] where counters[tenant] == nil {
            func tokens(_ kind: String) throws(MetricError) -> Counter {
                try registry.counter(
                    "pagoda_tenant_tokens_total", help: "Tokens of ended sequences by tenant and kind.",
                    labels: [MetricLabel("tenant", tenant), MetricLabel("kind", kind)])
            }
            var one = Counters(promptTokens: try tokens("prompt"), generatedTokens: try tokens("generated"))
            for outcome in Outcome.allCases {
                one.outcomes[outcome] = try registry.counter(
                    "pagoda_tenant_requests_total", help: "Clients' generation requests by tenant and outcome.",
                    labels: [MetricLabel("tenant", tenant), MetricLabel("outcome", outcome.rawValue)])
            }
            counters[tenant] = one
        }
        self.counters = counters
    }

    private subscript(tenant: String) -> Counters? {
        counters[tenant] ?? counters[Self.otherTenants]
    }

    func count(_ outcome: Outcome, of tenant: String, in values: inout MetricValues) {
        guard let counter = self[tenant]?.outcomes[outcome] else { return }
        values.increment(counter)
    }

    func count(promptTokens: Int, generatedTokens: Int, of tenant: String, in values: inout MetricValues) {
        guard let counters = self[tenant] else { return }
        values.increment(counters.promptTokens, by: Double(promptTokens))
        values.increment(counters.generatedTokens, by: Double(generatedTokens))
    }
}
