// What clients do to each other and to themselves.

enum ClientRules {
    static func tenant(_ figures: ServerFigures) -> Finding? {
        let tenants = figures.tenants
        let total = tenants.reduce(0) { $0 + $1.tokens }
        guard tenants.contains(where: { !["default", "other"].contains($0.name) }), total > 0,
            let largest = tenants.max(by: { $0.tokens < $1.tokens }), largest.tokens >= 0.6 * total,
            figures.queue.isWaiting
        else { return nil }
        let share = largest.tokens / total
        return Finding(
            .tenant, .trouble, impact: share * figures.queue.waitingShare,
            """
            The tenant \(largest.name) has \(Quantity(share, .share).text) of the tokens, while \
            \(ServerFigures.about(figures.queue.waiting)) requests wait.
            """,
            evidence: [
                Evidence(
                    "tokens of \(largest.name)", Quantity(largest.tokens / figures.seconds, .perSecond),
                    "pagoda_tenant_tokens_total"),
                Evidence(
                    "tokens of all others", Quantity((total - largest.tokens) / figures.seconds, .perSecond),
                    "pagoda_tenant_tokens_total"),
                figures.waitingEvidence, figures.firstTokenEvidence,
            ],
            advice: [
                Advice(
                    .lower, "the tenant's ceiling on sequences, KV blocks or tokens a minute",
                    "what it may not take stays free for the others"),
                Advice(
                    .lower, "the number of requests that it sends at a time",
                    "if it has no ceiling: a job that nobody waits for needs no more than keeps the cores busy"),
            ])
    }

    static func slowClients(_ figures: ServerFigures) -> Finding? {
        let waited = (figures.latency.slowReaders ?? 0) / figures.seconds
        let share = figures.latency.share(of: "client") ?? 0
        guard waited >= 0.2 || share >= 0.2 else { return nil }
        return Finding(
            .slowClients, .trouble,
            impact: max(share, waited / (waited + figures.queue.running + figures.queue.waiting)),
            """
            Clients read their answers more slowly than these are made: on average \(ServerFigures.about(waited)) \
            answers stand still for that. The engine is not held up by it.
            """,
            evidence: [
                Evidence(
                    "answers waiting for their readers", Quantity(waited, .count), "pagoda_slow_reader_seconds_total"),
                figures.latency.share(of: "client").map {
                    Evidence("of latency, clients", Quantity($0, .share), "pagoda_request_seconds_total")
                }, figures.runningEvidence, figures.throughputEvidence,
            ],
            advice: [
                Advice(
                    .look, "the clients and what stands between",
                    "a proxy that buffers, a network that is full, or a program that does other work while it reads")
            ])
    }

    static func failures(_ figures: ServerFigures) -> Finding? {
        let traffic = figures.traffic
        let all = traffic.succeeded + traffic.failed
        let refused = traffic.rejected.values.reduce(0, +)
        // Those that are turned away are another rule's.
        guard traffic.failed >= 3, traffic.failed >= 0.05 * all, refused < 0.9 * traffic.failed else { return nil }
        let aborted = traffic.finished["abort"] ?? 0, broken = traffic.finished["error"] ?? 0
        return Finding(
            .failures, .trouble, impact: traffic.failed / all,
            """
            \(Quantity(traffic.failed / all, .share).text) of the requests fail\
            \(aborted > refused + broken ? ": clients go away before their answers are complete" : "").
            """,
            evidence: [
                Evidence("requests failed", Quantity(traffic.failed, .count), "vllm_request_count"),
                Evidence("requests answered", Quantity(traffic.succeeded, .count), "vllm_request_count"),
                Evidence("sequences aborted", Quantity(aborted, .count), "vllm:request_success_total"),
                Evidence("sequences refused", Quantity(refused, .count), "pagoda_requests_rejected_total"),
                figures.latencyEvidence,
            ],
            advice: [
                aborted > refused + broken
                    ? Advice(.raise, "the clients' time limit", "or remove what else is found here and makes them wait")
                    : nil,
                broken >= 1 ? Advice(.look, "the log", "it says what went wrong in the engine") : nil,
            ])
    }
}
