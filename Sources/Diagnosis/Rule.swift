// The rules of diagnosis: each a function of the figures, small enough to be tested on its own.

/// Looks for one limit.
struct Rule: Sendable {
    let limit: Limit
    /// The finding, if the figures show the limit.
    let examine: @Sendable (ServerFigures) -> Finding?

    /// All of them. Their order decides between findings of the same weight.
    static let all: [Rule] = [
        Rule(limit: .engineStuck, examine: EngineRules.stuck),
        Rule(limit: .admission, examine: QueueRules.admission),
        // Before those that say for what requests wait: whose they are says more.
        Rule(limit: .tenant, examine: TenantRule.crowding),
        Rule(limit: .kvSpace, examine: QueueRules.kvSpace),
        Rule(limit: .slots, examine: QueueRules.slots),
        Rule(limit: .tokenBudget, examine: QueueRules.tokenBudget),
        Rule(limit: .longPrompts, examine: EngineRules.longPrompts),
        Rule(limit: .slowClients, examine: ClientRules.slowClients),
        Rule(limit: .failures, examine: ClientRules.failures),
        Rule(limit: .memory, examine: EngineRules.memory),
        Rule(limit: .overhead, examine: EngineRules.overhead),
        Rule(limit: .memoryBandwidth, examine: EngineRules.memoryBandwidth),
        Rule(limit: .compute, examine: EngineRules.compute),
        Rule(limit: .nothing, examine: EngineRules.nothing),
    ]
}

extension ServerFigures {
    /// Whether the engine computes most of the time.
    var isBusy: Bool {
        steps.busyShare.map { $0 >= 0.7 } ?? (queue.running >= 0.5)
    }

    /// Whether all slots are taken, in the steps if not at the scrapes: there the slot of a sequence that ended is free
    /// until the next step is over.
    var isFull: Bool {
        guard let limit = queue.slotLimit, limit > 0 else { return false }
        return max(queue.running, steps.sequences ?? 0) >= 0.9 * limit
    }

    /// Whether a step's time goes by the bytes it reads rather than by its multiplications: by the machine's measured
    /// limits, or by the size of the batch if they are unknown.
    var isBandwidthBound: Bool {
        if let bandwidth = machine.bandwidthShare, let compute = machine.computeShare { return bandwidth > compute }
        return (steps.tokensPerStep ?? queue.running) < 4
    }

    // MARK: - Evidence that several rules give

    var waitingEvidence: Evidence {
        Evidence("requests waiting", Quantity(queue.waiting, .count), "vllm:num_requests_waiting")
    }

    var runningEvidence: Evidence {
        Evidence("requests running", Quantity(queue.running, .count), "vllm:num_requests_running")
    }

    var slotEvidence: Evidence? {
        queue.slotLimit.map { Evidence("slots (--max-num-seqs)", Quantity($0, .count), "pagoda_max_running_sequences") }
    }

    var growthEvidence: Evidence? {
        guard queue.growth >= 1 else { return nil }
        return Evidence("growth of the queue", Quantity(queue.growth, .count), "vllm:num_requests_waiting")
    }

    var cacheEvidence: Evidence {
        Evidence("KV cache in use", Quantity(cache.usage, .share), "vllm:kv_cache_usage_perc")
    }

    /// With a floor of traffic: the P99 of two requests says nothing.
    var latencyEvidence: Evidence? {
        guard latency.requestCount >= 5, let seconds = latency.requestP99 else { return nil }
        return Evidence("request latency, P99", Quantity(seconds, .seconds), "vllm_request_latency_seconds")
    }

    var firstTokenEvidence: Evidence? {
        latency.firstTokenP99.map {
            Evidence("time to first token, P99", Quantity($0, .seconds), "vllm:time_to_first_token_seconds")
        }
    }

    var busyEvidence: Evidence? {
        steps.busyShare.map { Evidence("engine at work", Quantity($0, .share), "pagoda_step_seconds_total") }
    }

    var batchEvidence: Evidence? {
        steps.sequences.map { Evidence("sequences per step", Quantity($0, .count), "pagoda_step_sequences") }
    }

    var computeEvidence: [Evidence?] {
        [
            machine.multiplyAdds.map {
                Evidence("multiply-adds", Quantity($0, .multiplyAddsPerSecond), "pagoda_multiply_adds_total")
            },
            machine.computeShare.map {
                Evidence(
                    "of this machine's best rate", Quantity($0, .share), "pagoda_machine_multiply_adds_per_second")
            },
        ]
    }

    var bandwidthEvidence: [Evidence?] {
        [
            machine.bytesRead.map {
                Evidence("weights and KV read", Quantity($0, .bytesPerSecond), "pagoda_memory_read_bytes_total")
            },
            machine.bandwidthShare.map {
                Evidence(
                    "of this machine's memory bandwidth", Quantity($0, .share), "pagoda_machine_read_bytes_per_second")
            },
        ]
    }

    var promptEvidence: Evidence? {
        steps.prefillShare.map {
            Evidence("prompts' share of computed tokens", Quantity($0, .share), "pagoda_step_tokens_total")
        }
    }

    var throughputEvidence: Evidence {
        Evidence(
            "generated tokens", Quantity(traffic.generatedTokens / seconds, .perSecond), "vllm:generation_tokens_total")
    }

    /// A count as people say it.
    static func about(_ value: Double) -> String {
        Quantity(value < 1 ? value : value.rounded(), .count).text
    }
}
