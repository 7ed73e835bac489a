// What bounds the speed of the engine itself.

enum EngineRules {
    // MARK: - Standing still

    /// Longer than the longest step that a sensible setting allows.
    private static let silence = 30.0

    static func stuck(_ figures: ServerFigures) -> Finding? {
        guard let age = figures.steps.heartbeatAge, age >= silence, figures.steps.count ?? 0 < 1,
            figures.queue.running >= 0.5 || figures.queue.isWaiting
        else { return nil }
        return Finding(
            .engineStuck, .trouble, impact: 1,
            "The engine has work, but has shown no sign of life for \(Quantity(age, .seconds).text).",
            evidence: [
                Evidence("last sign of life", Quantity(age, .seconds), "pagoda_engine_heartbeat_age_seconds"),
                figures.runningEvidence, figures.waitingEvidence,
            ],
            advice: [
                Advice(
                    .lower, "--max-num-batched-tokens",
                    "if it comes back: a step of so many tokens takes too long on this machine"),
                Advice(.look, "the log", "if it does not: restart, and report what the log says"),
            ])
    }

    // MARK: - Prompts

    static func longPrompts(_ figures: ServerFigures) -> Finding? {
        let latency = figures.latency, steps = figures.steps
        guard let median = latency.tokenMedian, let p99 = latency.tokenP99, let mean = latency.tokenMean,
            let prefillShare = steps.prefillShare
        else { return nil }
        let delayed = latency.share(of: "others_prefill") ?? 0
        // Now and then a token is late, or every one is, since no step is without a prompt.
        let isUneven = latency.tokenCount >= 20 && p99 >= 0.1 && p99 >= 3 * median
        let isAlwaysLate = latency.tokenCount >= 5 && median >= 0.25 && prefillShare >= 0.9
        guard prefillShare >= 0.3, isUneven || isAlwaysLate || delayed >= 0.2 else { return nil }
        let lost = isAlwaysLate ? prefillShare : mean > median ? 1 - median / mean : 0
        return Finding(
            .longPrompts, .trouble, impact: max(lost, delayed),
            isAlwaysLate
                ? """
                Long prompts hold up the others: a token takes \(Quantity(mean, .seconds).text), since prompts are \
                computed in nearly every step.
                """
                : """
                Long prompts hold up the others: a token usually takes \(Quantity(median, .seconds).text), but \
                \(Quantity(p99, .seconds).text) when a prompt is computed in the same step.
                """,
            evidence: [
                Evidence("time between tokens, median", Quantity(median, .seconds), "vllm:inter_token_latency_seconds"),
                Evidence("time between tokens, P99", Quantity(p99, .seconds), "vllm:inter_token_latency_seconds"),
                figures.promptEvidence,
                steps.largestChunk.map {
                    Evidence("most prompt tokens in one step", Quantity($0, .count), "pagoda_prefill_chunk_tokens_max")
                },
                latency.share(of: "others_prefill").map {
                    Evidence("of latency, others' prompts", Quantity($0, .share), "pagoda_request_seconds_total")
                },
            ],
            advice: [
                Advice(
                    .lower, "--max-decode-slowdown",
                    """
                    2.5 by default, and 0 sets no bound: how many times as long a step with prompts may take as one \
                    without
                    """),
                Advice(
                    .lower, "--max-num-batched-tokens",
                    """
                    \(steps.tokenLimit.map { "it is \(ServerFigures.about($0)); " } ?? "")shorter steps, so that \
                    tokens come more evenly; the long prompt itself takes a little longer
                    """),
                Advice(
                    .set, "--long-prefill-token-threshold",
                    "such as 256: bounds what one prompt may have of a step, and leaves the rest to short ones"),
            ])
    }

    // MARK: - The machine

    static func memory(_ figures: ServerFigures) -> Finding? {
        let machine = figures.machine
        let kills = machine.outOfMemoryKills ?? 0, newKills = machine.newOutOfMemoryKills ?? 0
        var isShort = false
        if let available = machine.memoryAvailable, let limit = machine.memoryLimit, limit > 0 {
            isShort = available < 0.05 * limit
        }
        guard isShort || kills >= 1 else { return nil }
        let sentence =
            if newKills >= 1 {
                "The system killed a process of this container for memory just now."
            } else if isShort {
                "Little memory is left: the system may kill the server."
            } else {
                "A process of this container was killed for memory before."
            }
        return Finding(
            .memory, newKills >= 1 || isShort ? .trouble : .note, impact: isShort || newKills >= 1 ? 0.5 : 0, sentence,
            evidence: [
                machine.memoryAvailable.map {
                    Evidence("memory available", Quantity($0, .bytes), "pagoda_memory_available_bytes")
                },
                machine.memoryLimit.map { Evidence("memory limit", Quantity($0, .bytes), "pagoda_memory_limit_bytes") },
                kills >= 1 ? Evidence("kills for memory", Quantity(kills, .count), "pagoda_memory_oom_kills") : nil,
            ],
            advice: [
                Advice(.lower, "--kv-cache-memory-bytes", "the KV cache is the part that can shrink"),
                Advice(.raise, "the container's memory limit", "if the machine has more"),
            ])
    }

    static func overhead(_ figures: ServerFigures) -> Finding? {
        let phases = figures.steps.phases, time = figures.steps.time
        guard figures.isBusy, time > 0, figures.steps.count ?? 0 >= 20 else { return nil }
        let besides = phases.filter { $0.key != "forward" }
        guard let largest = besides.max(by: { $0.value < $1.value }) else { return nil }
        let share = besides.values.reduce(0, +) / time
        guard share >= 0.35 else { return nil }
        return Finding(
            .overhead, .limit, impact: share,
            """
            \(Quantity(share, .share).text) of the engine's time is not the model's: most of that is the phase \
            \(largest.key).
            """,
            evidence: besides.sorted { $0.key < $1.key }.map { phase in
                Evidence(
                    "phase \(phase.key)", Quantity(phase.value / time, .share), "pagoda_step_seconds_total")
            } + [figures.batchEvidence],
            advice: [
                Advice(
                    .look, "logprobs, penalties and top_k of the requests",
                    "sampling with them takes time for each sequence and word of the vocabulary")
            ])
    }

    static func memoryBandwidth(_ figures: ServerFigures) -> Finding? {
        guard figures.isBusy, figures.isBandwidthBound else { return nil }
        let sequences = figures.steps.sequences ?? figures.queue.running
        return Finding(
            .memoryBandwidth, .limit, impact: figures.steps.busyShare ?? 0.5,
            """
            Each step reads all weights from memory for \
            \(sequences < 1.5 ? "a single sequence" : "only \(ServerFigures.about(sequences)) sequences").
            """,
            evidence: figures.bandwidthEvidence + figures.computeEvidence + [
                figures.batchEvidence, figures.busyEvidence, figures.throughputEvidence,
            ],
            advice: [
                figures.queue.isWaiting
                    ? nil
                    : Advice(
                        .raise, "the number of requests at a time",
                        "they share each reading of the weights: more tokens a second in all, at nearly the same pace"),
                Advice(
                    .use, "a smaller format of the weights",
                    "if they have 8 or 16 bits: 4 are that much less to read"),
            ])
    }

    static func compute(_ figures: ServerFigures) -> Finding? {
        guard figures.isBusy, !figures.isBandwidthBound else { return nil }
        let prompts = (figures.steps.prefillShare ?? 0) >= 0.5
        return Finding(
            .compute, .limit, impact: figures.steps.busyShare ?? 0.5,
            "The cores compute \(prompts ? "prompts" : "tokens") as fast as they can.",
            evidence: figures.computeEvidence + figures.bandwidthEvidence + [
                figures.busyEvidence, figures.batchEvidence, figures.promptEvidence, figures.throughputEvidence,
            ],
            advice: [
                Advice(.add, "more cores (--threads) or another replica", "nothing else makes more tokens a second"),
                Advice(
                    .lower, "--max-num-seqs",
                    "if single clients' speed matters more than the sum: fewer share the cores"),
                prompts ? Advice(.look, "the prompts", "shorter ones are less to compute") : nil,
            ])
    }

    // MARK: - Nothing

    static func nothing(_ figures: ServerFigures) -> Finding? {
        guard !figures.isBusy, !figures.queue.isWaiting else { return nil }
        let busy = figures.steps.busyShare ?? 0
        let isIdle = busy < 0.05 && figures.queue.running < 0.5
        return Finding(
            .nothing, .healthy, impact: 1 - busy,
            isIdle
                ? "The server is idle." : "The engine works \(Quantity(busy, .share).text) of the time; nobody waits.",
            evidence: [
                figures.busyEvidence, figures.runningEvidence, figures.batchEvidence, figures.throughputEvidence,
            ],
            advice: [
                Advice(
                    .raise, "the load",
                    "if throughput is too low, the clients send too little at a time; no setting is in the way")
            ])
    }
}
