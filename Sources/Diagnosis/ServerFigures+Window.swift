// Metric names to figures: the one place that knows what a number is called.

extension ServerFigures {
    /// Throws if the window is not of an LLM server.
    public init(_ window: MetricsWindow) throws(DiagnosisError) {
        self.init(seconds: window.seconds)
        guard let running = window.mean(of: "vllm:num_requests_running") else { throw .notAnLLMServer }
        model = window.label("model_name", of: "vllm:num_requests_running")
        version = window.label("version", of: "pagoda_build_info")
        queue = Queue(running: running, window)
        cache.usage = window.mean(of: "vllm:kv_cache_usage_perc") ?? 0
        cache.highestUsage = window.maximum(of: "vllm:kv_cache_usage_perc") ?? 0
        cache.preemptions = window.increase(of: "vllm:num_preemptions_total") ?? 0
        steps = Steps(window)
        machine = Machine(window, forwardTime: steps.phases["forward"])
        latency = Latency(window)
        traffic = Traffic(window)
        tenants = window.increases(of: "pagoda_tenant_computed_tokens_total", by: "tenant")
            .map { Tenant($0.value, computedTokens: $0.increase, window) }
    }
}

extension ServerFigures.Tenant {
    fileprivate init(_ name: String, computedTokens: Double, _ window: MetricsWindow) {
        let tenant = SeriesLabel("tenant", name)
        func sequences(_ state: String) -> Double {
            window.mean(of: SeriesSelector("pagoda_tenant_sequences", tenant, SeriesLabel("state", state))) ?? 0
        }
        func setting(_ setting: String) -> Double? {
            window.last(of: SeriesSelector("pagoda_tenant_setting", tenant, SeriesLabel("setting", setting)))
        }
        self.init(name: name)
        self.computedTokens = computedTokens
        unanswered = sequences("unanswered")
        answered = sequences("answered")
        let times = "pagoda_tenant_time_to_first_token_seconds"
        if let count = window.increase(of: SeriesSelector(times + "_count", tenant)), count > 0 {
            firstTokenMean = window.increase(of: SeriesSelector(times + "_sum", tenant)).map { $0 / count }
        }
        weight = setting("weight") ?? 1
        priority = setting("priority") ?? 0
        maxSequences = setting("max_sequences")
    }
}

extension ServerFigures.Queue {
    fileprivate init(running: Double, _ window: MetricsWindow) {
        self.running = running
        waiting = window.mean(of: "vllm:num_requests_waiting") ?? 0
        let first = window.first(of: "vllm:num_requests_waiting") ?? 0
        growth = (window.last(of: "vllm:num_requests_waiting") ?? first) - first
        slotLimit = window.last(of: "pagoda_max_running_sequences")
        requestLimit = window.last(of: "pagoda_queue_limit_requests")
    }
}

extension ServerFigures.Steps {
    fileprivate init(_ window: MetricsWindow) {
        count = window.increase(of: "pagoda_steps_total")
        phases = Dictionary(window.increases(of: "pagoda_step_seconds_total", by: "phase"), uniquingKeysWith: +)
        if !phases.isEmpty { busyShare = min(1, time / window.seconds) }
        tokenLimit = window.last(of: "pagoda_max_batched_tokens")
        prefillTokens = window.increase(of: SeriesSelector("pagoda_step_tokens_total", SeriesLabel("kind", "prefill")))
        decodeTokens = window.increase(of: SeriesSelector("pagoda_step_tokens_total", SeriesLabel("kind", "decode")))
        sequences = window.histogram("pagoda_step_sequences")?.mean
        largestChunk = window.last(of: "pagoda_prefill_chunk_tokens_max")
        heartbeatAge = window.last(of: "pagoda_engine_heartbeat_age_seconds")
    }
}

extension ServerFigures.Machine {
    fileprivate init(_ window: MetricsWindow, forwardTime: Double?) {
        if let forwardTime, forwardTime > 0 {
            multiplyAdds = window.increase(of: "pagoda_multiply_adds_total").map { $0 / forwardTime }
            bytesRead = window.increase(of: "pagoda_memory_read_bytes_total").map { $0 / forwardTime }
        }
        multiplyAddLimit = window.last(of: "pagoda_machine_multiply_adds_per_second")
        readLimit = window.last(of: "pagoda_machine_read_bytes_per_second")
        memoryLimit = window.last(of: "pagoda_memory_limit_bytes")
        memoryAvailable = window.last(of: "pagoda_memory_available_bytes")
        outOfMemoryKills = window.last(of: "pagoda_memory_oom_kills")
        newOutOfMemoryKills = window.increase(of: "pagoda_memory_oom_kills")
    }
}

extension ServerFigures.Latency {
    fileprivate init(_ window: MetricsWindow) {
        let firstToken = window.histogram("vllm:time_to_first_token_seconds")
        firstTokenMedian = firstToken?.quantile(0.5)
        firstTokenP99 = firstToken?.quantile(0.99)
        let token = window.histogram("vllm:inter_token_latency_seconds")
        tokenMedian = token?.quantile(0.5)
        tokenMean = token?.mean
        tokenP99 = token?.quantile(0.99)
        tokenCount = token?.count ?? 0
        let request =
            window.histogram("vllm_request_latency_seconds") ?? window.histogram("vllm:e2e_request_latency_seconds")
        requestP99 = request?.quantile(0.99)
        requestCount = request?.count ?? 0
        parts = Dictionary(window.increases(of: "pagoda_request_seconds_total", by: "part"), uniquingKeysWith: +)
        slowReaders = window.increase(of: "pagoda_slow_reader_seconds_total")
    }
}

extension ServerFigures.Traffic {
    fileprivate init(_ window: MetricsWindow) {
        let status = Dictionary(window.increases(of: "vllm_request_count", by: "status"), uniquingKeysWith: +)
        succeeded = status["SUCCESS"] ?? 0
        failed = status["FAILED"] ?? 0
        finished = Dictionary(
            window.increases(of: "vllm:request_success_total", by: "finished_reason"), uniquingKeysWith: +)
        rejected = Dictionary(window.increases(of: "pagoda_requests_rejected_total", by: "reason"), uniquingKeysWith: +)
        generatedTokens = window.increase(of: "vllm:generation_tokens_total") ?? 0
        promptTokens = window.increase(of: "vllm:prompt_tokens_total") ?? 0
        if let first = window.first(of: "process_start_time_seconds"),
            let last = window.last(of: "process_start_time_seconds")
        {
            isRestarted = last > first + 1
        }
    }
}
