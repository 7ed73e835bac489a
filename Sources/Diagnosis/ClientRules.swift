// What clients do to each other and to themselves.

enum ClientRules {
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
