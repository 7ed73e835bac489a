// Requests, tokens and waiting by tenant, with a fixed set of tenants.

import Engine
import Primitives
import Telemetry

/// Handles of the series of each tenant in the configuration, of those without one, and of everybody else. No other
/// name becomes a series, whatever a client sends.
struct TenantSeries: Sendable {
    /// How a client's request ended.
    enum Outcome: String, CaseIterable {
        case success, failed, rejected
    }

    private struct Handles {
        let outcomes: [Outcome: Counter]
        let promptTokens: Counter
        let generatedTokens: Counter
        let computedTokens: Counter
        let unanswered: Gauge
        let answered: Gauge
        /// A summary: a histogram for each of many tenants would fill the registry.
        let firstToken: Summary

        init(_ tenant: MetricLabel, in registry: MetricRegistry) throws(MetricError) {
            func tokens(_ kind: String) throws(MetricError) -> Counter {
                try registry.counter(
                    "pagoda_tenant_tokens_total", help: "Tokens of ended sequences by tenant and kind.",
                    labels: [tenant, MetricLabel("kind", kind)])
            }
            func sequences(_ state: String) throws(MetricError) -> Gauge {
                try registry.gauge(
                    "pagoda_tenant_sequences",
                    help: "Sequences in the engine by tenant: those that wait for their first token, and the others.",
                    labels: [tenant, MetricLabel("state", state)])
            }
            promptTokens = try tokens("prompt")
            generatedTokens = try tokens("generated")
            computedTokens = try registry.counter(
                "pagoda_tenant_computed_tokens_total",
                help: "Tokens that steps computed for each tenant: of prompts (recomputed ones too) and of decoding "
                    + "sequences.", labels: [tenant])
            unanswered = try sequences("unanswered")
            answered = try sequences("answered")
            firstToken = try registry.summary(
                "pagoda_tenant_time_to_first_token_seconds", help: "Time to first token by tenant.", labels: [tenant])
            var outcomes: [Outcome: Counter] = [:]
            for outcome in Outcome.allCases {
                outcomes[outcome] = try registry.counter(
                    "pagoda_tenant_requests_total", help: "Clients' generation requests by tenant and outcome.",
                    labels: [tenant, MetricLabel("outcome", outcome.rawValue)])
            }
            self.outcomes = outcomes
        }

        func show(_ tenant: TenantStatistics, in values: inout MetricValues) {
            values.set(unanswered, to: Double(tenant.unansweredCount))
            values.set(answered, to: Double(tenant.answeredCount))
            values.increment(computedTokens, by: Double(tenant.computedTokenCount))
        }
    }

    private static let otherTenants = "other"

    private let handles: [String: Handles]

    init(_ tenants: [String], grants: [TenantGrant], in registry: MetricRegistry) throws(MetricError) {
        var handles: [String: Handles] = [:]
        var names: [String] = []
        for tenant in [RequestOrigin.defaultTenant] + tenants + [Self.otherTenants] where handles[tenant] == nil {
            handles[tenant] = try Handles(MetricLabel("tenant", tenant), in: registry)
            names.append(tenant)
        }
        self.handles = handles
        try Self.showGrants(names.map { name in grants.first { $0.tenant == name } ?? TenantGrant(name) }, in: registry)
    }

    /// What does not change: which limits are in force.
    private static func showGrants(_ grants: [TenantGrant], in registry: MetricRegistry) throws(MetricError) {
        for grant in grants {
            for (setting, value) in grant.settings {
                let gauge = try registry.gauge(
                    "pagoda_tenant_setting", help: "What the tenant file says; of ceilings only those that there are.",
                    labels: [MetricLabel("tenant", grant.tenant), MetricLabel("setting", setting)])
                registry.update { $0.set(gauge, to: value) }
            }
        }
    }

    private subscript(tenant: String) -> Handles? {
        handles[tenant] ?? handles[Self.otherTenants]
    }

    func count(_ outcome: Outcome, of tenant: String, in values: inout MetricValues) {
        guard let counter = self[tenant]?.outcomes[outcome] else { return }
        values.increment(counter)
    }

    func count(promptTokens: Int, generatedTokens: Int, of tenant: String, in values: inout MetricValues) {
        guard let handles = self[tenant] else { return }
        values.increment(handles.promptTokens, by: Double(promptTokens))
        values.increment(handles.generatedTokens, by: Double(generatedTokens))
    }

    func count(_ token: FirstToken, in values: inout MetricValues) {
        guard let handles = self[token.tenant] else { return }
        values.observe(token.seconds, in: handles.firstToken)
    }

    func show(_ tenants: [TenantStatistics], in values: inout MetricValues) {
        var others = TenantStatistics(name: Self.otherTenants)
        for tenant in tenants {
            if tenant.name != Self.otherTenants, let own = handles[tenant.name] {
                own.show(tenant, in: &values)
            } else {
                others.unansweredCount += tenant.unansweredCount
                others.answeredCount += tenant.answeredCount
                others.computedTokenCount += tenant.computedTokenCount
            }
        }
        handles[Self.otherTenants]?.show(others, in: &values)
    }
}
