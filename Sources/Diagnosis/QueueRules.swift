// Why requests wait, or aren't let in.

enum QueueRules {
    /// How full the cache is when the next prompt may find no blocks.
    private static let fullCache = 0.8
    private static let nearlyFullCache = 0.95

    static func kvSpace(_ figures: ServerFigures) -> Finding? {
        let cache = figures.cache, queue = figures.queue
        let isWaiting = queue.isWaiting && !figures.isFull && cache.highestUsage >= fullCache
        let isPreempting = cache.preemptions >= 1
        guard isWaiting || isPreempting || cache.usage >= nearlyFullCache else { return nil }
        let lost = figures.latency.share(of: "queue_blocks", "preemption") ?? 0
        let waiting = ServerFigures.about(queue.waiting)
        let sentence =
            switch (isWaiting, isPreempting) {
            case (true, true):
                """
                \(waiting) requests wait for KV blocks, and running ones lost theirs \
                \(ServerFigures.about(cache.preemptions)) times and were computed again.
                """
            case (true, false): "\(waiting) requests wait for KV blocks, while slots are free."
            case (false, true):
                """
                Running requests lost their KV blocks to others \(ServerFigures.about(cache.preemptions)) times and \
                were computed again.
                """
            case (false, false): "The KV cache is nearly full: the next long request will wait."
            }
        return Finding(
            .kvSpace, isWaiting || isPreempting ? .trouble : .limit,
            impact: max(isWaiting ? queue.waitingShare : 0, lost, isPreempting ? 0.3 : 0.1), sentence,
            evidence: [
                figures.cacheEvidence, figures.waitingEvidence, figures.growthEvidence, figures.runningEvidence,
                figures.slotEvidence,
                isPreempting
                    ? Evidence("preemptions", Quantity(cache.preemptions, .count), "vllm:num_preemptions_total") : nil,
                figures.latencyEvidence, figures.firstTokenEvidence,
            ],
            advice: [
                Advice(.raise, "--kv-cache-memory-bytes", memoryReason(figures)),
                Advice(
                    .lower, "max_tokens of the requests, or --max-model-len",
                    "shorter sequences hold fewer blocks, so more of them fit"),
                isPreempting
                    ? Advice(
                        .lower, "--max-num-seqs",
                        "to about \(ServerFigures.about(max(1, queue.running.rounded(.down)))): fewer run at once, and "
                            + "none is computed twice") : nil,
            ])
    }

    private static func memoryReason(_ figures: ServerFigures) -> String {
        guard let available = figures.machine.memoryAvailable, available > 0 else {
            return "more sequences fit at once"
        }
        return "more sequences fit at once; \(Quantity(available, .bytes).text) of memory are available"
    }

    static func slots(_ figures: ServerFigures) -> Finding? {
        let queue = figures.queue
        guard queue.isWaiting, figures.isFull, let limit = queue.slotLimit else { return nil }
        let gains = limit < 32 || figures.isBandwidthBound
        let raise = Advice(
            .raise, "--max-num-seqs",
            """
            it is \(ServerFigures.about(limit)). A step reads the weights once for all its sequences, so that more of \
            them cost little each: more tokens a second, somewhat slower ones
            """)
        let add = Advice(
            .add, "more cores or another replica",
            "the cores are busy as it is; more slots would only slow down everybody's tokens")
        let shed = Advice(
            .lower, "--max-num-queued-reqs", "clients hear at once (503, Retry-After) what they would wait for in vain")
        return Finding(
            .slots, .trouble, impact: max(queue.waitingShare, figures.latency.share(of: "queue_slots") ?? 0),
            """
            \(limit < 1.5 ? "The only slot is" : "All \(ServerFigures.about(limit)) slots are") taken and \
            \(ServerFigures.about(queue.waiting)) requests wait\
            \(figures.cache.usage < 0.5 ? ", while most of the KV cache is free" : "").
            """,
            evidence: [
                figures.waitingEvidence, figures.growthEvidence, figures.runningEvidence, figures.slotEvidence,
                figures.cacheEvidence, figures.batchEvidence,
            ] + figures.computeEvidence + [figures.latencyEvidence, figures.firstTokenEvidence],
            advice: (gains ? [raise] : [add, shed]) + [
                Advice(
                    .look, "who holds the slots",
                    """
                    /debug/requests lists them (--enable-debug-endpoints); a batch job should keep fewer requests in \
                    flight
                    """)
            ])
    }

    static func tokenBudget(_ figures: ServerFigures) -> Finding? {
        let queue = figures.queue
        guard queue.isWaiting, !figures.isFull, figures.cache.highestUsage < fullCache,
            let limit = figures.steps.tokenLimit, limit > 0, let tokens = figures.steps.tokensPerStep
        else { return nil }
        let share = figures.latency.share(of: "queue_token_budget") ?? 0
        guard tokens >= 0.7 * limit || share >= 0.2 else { return nil }
        return Finding(
            .tokenBudget, .trouble, impact: max(queue.waitingShare, share),
            """
            \(ServerFigures.about(queue.waiting)) prompts wait until a step has room for their tokens, while slots and \
            KV blocks are free.
            """,
            evidence: [
                figures.waitingEvidence,
                Evidence("tokens per step", Quantity(tokens, .count), "pagoda_step_tokens_total"),
                Evidence("tokens a step may have", Quantity(limit, .count), "pagoda_max_batched_tokens"),
                figures.runningEvidence, figures.slotEvidence, figures.cacheEvidence, figures.firstTokenEvidence,
            ] + figures.computeEvidence,
            advice: [
                Advice(
                    .raise, "--max-num-batched-tokens",
                    "more prompts begin in one step; steps, and with them the gaps between tokens, grow longer"),
                Advice(
                    .add, "more cores or another replica",
                    "if the cores are busy as it is: prompts are mostly compute"),
            ])
    }

    static func admission(_ figures: ServerFigures) -> Finding? {
        let rejected = figures.traffic.rejected
        let refused = (rejected["queue_full"] ?? 0) + (rejected["queue_tokens"] ?? 0)
        guard refused >= 1 else { return nil }
        let byTokens = (rejected["queue_tokens"] ?? 0) > (rejected["queue_full"] ?? 0)
        let ended = figures.traffic.finished.values.reduce(0, +)
        return Finding(
            .admission, .trouble, impact: refused / (refused + ended),
            """
            \(Quantity(refused / figures.seconds, .perSecond).text) requests are turned away with 503: as many \
            \(byTokens ? "tokens" : "requests") as allowed are in the server already.
            """,
            evidence: [
                Evidence(
                    "requests turned away", Quantity(refused / figures.seconds, .perSecond),
                    "pagoda_requests_rejected_total"),
                figures.queue.requestLimit.map {
                    Evidence("requests allowed in the server", Quantity($0, .count), "pagoda_queue_limit_requests")
                }, figures.waitingEvidence, figures.runningEvidence, figures.slotEvidence, figures.cacheEvidence,
                figures.busyEvidence,
            ],
            advice: [
                figures.isBusy
                    ? Advice(
                        .add, "another replica", "this one does what it can; a longer queue would only wait longer")
                    : nil,
                Advice(
                    .raise, byTokens ? "--max-num-queued-tokens" : "--max-num-queued-reqs",
                    "if clients would rather wait than hear 503"),
            ])
    }
}
