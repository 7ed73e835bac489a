// What one tenant does to the others.

enum TenantRule {
    /// Of all tokens computed, what a tenant has at least that is said to crowd out others.
    private static let crowd = 0.6

    static func crowding(_ figures: ServerFigures) -> Finding? {
        let active = figures.tenants.filter(\.isActive)
        let total = active.reduce(0) { $0 + $1.computedTokens }
        guard total > 0, let largest = active.max(by: { $0.computedTokens < $1.computedTokens }) else { return nil }
        let share = largest.computedTokens / total
        let weights = active.reduce(0) { $0 + $1.weight }
        guard share >= max(crowd, largest.weight / weights + 0.1) else { return nil }
        let harmed = active.filter { other in
            other.name != largest.name && other.computedTokens / total < 0.9 * other.weight / weights
                && waits(other, behind: largest)
        }
        guard let worst = harmed.max(by: { $0.unanswered < $1.unanswered }) else { return nil }
        return finding(figures, largest, share: share, others: total - largest.computedTokens, worst)
    }

    /// Whether requests of `tenant` wait, and neither by the operator's will nor for the tenant's own.
    private static func waits(_ tenant: ServerFigures.Tenant, behind other: ServerFigures.Tenant) -> Bool {
        guard other.priority >= tenant.priority else { return false }
        if let ceiling = tenant.maxSequences, tenant.answered >= 0.75 * ceiling { return false }
        // Beside one that gives way, what waits is mostly in the middle of its own prompt.
        return tenant.unanswered >= (other.priority > tenant.priority ? 2 : 0.5)
    }

    private static func finding(
        _ figures: ServerFigures, _ largest: ServerFigures.Tenant, share: Double, others: Double,
        _ worst: ServerFigures.Tenant
    ) -> Finding {
        let waitingShare = worst.unanswered / (worst.unanswered + worst.answered)
        let queueShare =
            figures.latency.share(of: "queue_slots", "queue_blocks", "queue_token_budget", "queue_tenant") ?? 0
        let time = worst.firstTokenMean.map { ", which takes \(Quantity($0, .seconds).text)" } ?? ""
        return Finding(
            .tenant, .trouble, impact: max(share * waitingShare, figures.queue.waitingShare, queueShare),
            """
            The tenant \(largest.name) has \(Quantity(share, .share).text) of the computed tokens, while \
            \(ServerFigures.about(worst.unanswered)) requests of \(worst.name) wait for their first token\(time).
            """,
            evidence: [
                Evidence(
                    "tokens computed for \(largest.name)",
                    Quantity(largest.computedTokens / figures.seconds, .perSecond),
                    "pagoda_tenant_computed_tokens_total"),
                Evidence(
                    "tokens computed for all others", Quantity(others / figures.seconds, .perSecond),
                    "pagoda_tenant_computed_tokens_total"),
                Evidence(
                    "\(largest.name), being answered", Quantity(largest.answered, .count), "pagoda_tenant_sequences"),
                Evidence(
                    "\(largest.name), before the first token", Quantity(largest.unanswered, .count),
                    "pagoda_tenant_sequences"),
                Evidence("\(worst.name), being answered", Quantity(worst.answered, .count), "pagoda_tenant_sequences"),
                Evidence(
                    "\(worst.name), before the first token", Quantity(worst.unanswered, .count),
                    "pagoda_tenant_sequences"),
                worst.firstTokenMean.map {
                    Evidence(
                        "\(worst.name), time to first token, mean", Quantity($0, .seconds),
                        "pagoda_tenant_time_to_first_token_seconds")
                }, figures.slotEvidence,
            ],
            advice: figures.tenants.contains(where: \.isConfigured)
                ? knobs(largest, worst, figures) : [tenantFile(for: largest, figures)])
    }

    /// Enough to share each reading of the weights, and few enough to leave most slots to others.
    private static func ceiling(_ figures: ServerFigures) -> String {
        ServerFigures.about(min(8, max(1, ((figures.queue.slotLimit ?? 32) / 4).rounded())))
    }

    private static func tenantFile(for tenant: ServerFigures.Tenant, _ figures: ServerFigures) -> Advice {
        Advice(
            .use, "--tenant-file and --scheduling-policy priority",
            """
            with `tenants: [{name: \(tenant.name), priority: 1000, max_sequences: \(ceiling(figures))}]` in the \
            file: others go before \(tenant.name), which runs no more than so many sequences beside them
            """)
    }

    private static func knobs(
        _ largest: ServerFigures.Tenant, _ worst: ServerFigures.Tenant, _ figures: ServerFigures
    ) -> [Advice?] {
        let place = "of \(largest.name) in the tenant file"
        let priority = Advice(
            .raise, "priority \(place)",
            """
            it is \(ServerFigures.about(largest.priority)), no less urgent than \(worst.name): with a higher number \
            (and --scheduling-policy priority) it gives way
            """)
        let ceiling =
            if let ceiling = largest.maxSequences {
                Advice(
                    .lower, "max_sequences \(place)",
                    "it is \(ServerFigures.about(ceiling)): the fewer run at once, the shorter are the steps of all")
            } else {
                Advice(
                    .set, "max_sequences \(place)",
                    "such as \(Self.ceiling(figures)): it may take all slots, and makes steps long for others")
            }
        return [
            largest.priority <= worst.priority ? priority : nil,
            largest.maxSequences.map { $0 <= 1 } ?? false ? nil : ceiling,
            largest.priority <= worst.priority
                ? Advice(
                    .raise, "weight of \(worst.name) in the tenant file",
                    "if both are to stay equally urgent: it is its part of the tokens beside \(largest.name)") : nil,
        ]
    }
}
