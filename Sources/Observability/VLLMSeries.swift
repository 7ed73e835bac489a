// vLLM's metrics: names, labels, bounds and help texts are vLLM's (vllm/v1/metrics/loggers.py, perf.py).

import Engine
import Telemetry

/// Handles of the `vllm:` series that are computed from the engine's reports; dashboards, alert rules and autoscalers
/// read them. Series of what this engine does not have, such as an external cache, exist and stay 0.
struct VLLMSeries: Sendable {
    let running: Gauge
    let waiting: Gauge
    let waitingForCapacity: Gauge
    let cacheUsage: Gauge
    let prefixQueries: Counter
    let prefixHits: Counter
    let preemptions: Counter
    let promptTokens: Counter
    let computedPromptTokens: Counter
    let cachedPromptTokens: [Counter]
    /// Prefix-cache hits, counted at admission.
    let cachedTokensFromDevice: Counter
    let generationTokens: Counter
    private let finished: [FinishReason: Counter]
    let floatingPointOperations: Counter
    let readBytes: Counter
    let writtenBytes: Counter

    let requestPromptTokens: Histogram
    let requestGenerationTokens: Histogram
    let iterationTokens: Histogram
    let requestMaxGenerationTokens: Histogram
    let requestSampleCount: Histogram
    let requestMaximumTokens: Histogram
    let timeToFirstToken: Histogram
    let interTokenLatency: Histogram
    let timePerOutputToken: Histogram
    let endToEndLatency: Histogram
    let queueTime: Histogram
    let inferenceTime: Histogram
    let prefillTime: Histogram
    let decodeTime: Histogram
    let requestPreemptions: Histogram
    let requestComputedTokens: Histogram

    init(_ configuration: MetricsConfiguration, in registry: MetricRegistry) throws(MetricError) {
        let names = VLLMNames(registry: registry, modelName: configuration.modelName)
        running = try names.gauge("num_requests_running", "Number of requests in model execution batches.")
        waiting = try names.gauge("num_requests_waiting", "Number of requests waiting to be processed.")
        waitingForCapacity = try names.gauges(
            "num_requests_waiting_by_reason",
            "Number of waiting requests by reason. Reason labels: 'capacity' = waiting for scheduling capacity; "
                + "'deferred' = deferred by transient constraints (LoRA budget, KV transfer, blocked status). Sum of "
                + "all reasons equals vllm:num_requests_waiting.",
            "reason", "capacity", "deferred")
        let awake = try names.gauges(
            "engine_sleep_state",
            "Engine sleep state; awake = 0 means engine is sleeping; awake = 1 means engine is awake; "
                + "weights_offloaded = 1 means sleep level 1; discard_all = 1 means sleep level 2.",
            "sleep_state", "awake", "weights_offloaded", "discard_all")
        registry.update { $0.set(awake, to: 1) }
        cacheUsage = try names.gauge("kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.")

        prefixQueries = try names.counter(
            "prefix_cache_queries_total", "Prefix cache queries, in terms of number of queried tokens.")
        prefixHits = try names.counter(
            "prefix_cache_hits_total", "Prefix cache hits, in terms of number of cached tokens.")
        let external = "from KV connector cross-instance cache sharing, in terms of number of"
        _ = try names.counter(
            "external_prefix_cache_queries_total", "External prefix cache queries \(external) queried tokens.")
        _ = try names.counter(
            "external_prefix_cache_hits_total", "External prefix cache hits \(external) cached tokens.")
        _ = try names.counter(
            "mm_cache_queries_total", "Multi-modal cache queries, in terms of number of queried items.")
        _ = try names.counter("mm_cache_hits_total", "Multi-modal cache hits, in terms of number of cached items.")
        preemptions = try names.counter("num_preemptions_total", "Cumulative number of preemption from the engine.")

        promptTokens = try names.counter("prompt_tokens_total", "Number of prefill tokens processed.")
        let sources = try names.counters(
            "prompt_tokens_by_source_total", "Number of prompt tokens by source.",
            "source", "local_compute", "local_cache_hit", "external_kv_transfer")
        computedPromptTokens = sources[0]
        let cached = try names.counter(
            "prompt_tokens_cached_total", "Number of cached prompt tokens (local + external).")
        cachedPromptTokens = [sources[1], cached]
        cachedTokensFromDevice = try names.counters(
            "prompt_tokens_cached_by_source_total",
            "Prefix-cache hit tokens by the cache tier that supplied them: device (local HBM), host (offloaded to "
                + "DRAM), disk, p2p (transferred from another vLLM instance) or external_unspecified. Counted at "
                + "admission; sums to vllm:prefix_cache_hits + vllm:external_prefix_cache_hits.",
            "source", "device", "host", "p2p", "disk", "external_unspecified")[0]
        generationTokens = try names.counter("generation_tokens_total", "Number of generation tokens processed.")
        finished = try names.finishedRequests()

        let purpose = "per GPU (for Model Flops Utilization calculations)."
        floatingPointOperations = try names.counter(
            "estimated_flops_per_gpu_total", "Estimated number of floating point operations \(purpose)")
        readBytes = try names.counter(
            "estimated_read_bytes_per_gpu_total", "Estimated number of bytes read from memory \(purpose)")
        writtenBytes = try names.counter(
            "estimated_write_bytes_per_gpu_total", "Estimated number of bytes written to memory \(purpose)")

        let tokens = HistogramBuckets.requestTokens(maxModelLength: configuration.maxModelLength)
        requestPromptTokens = try names.histogram(
            "request_prompt_tokens", "Number of prefill tokens processed.", tokens)
        requestGenerationTokens = try names.histogram(
            "request_generation_tokens", "Number of generation tokens processed.", tokens)
        iterationTokens = try names.histogram(
            "iteration_tokens_total", "Histogram of number of tokens per engine_step.",
            HistogramBuckets.iterationTokens)
        requestMaxGenerationTokens = try names.histogram(
            "request_max_num_generation_tokens", "Histogram of maximum number of requested generation tokens.", tokens)
        requestSampleCount = try names.histogram(
            "request_params_n", "Histogram of the n request parameter.", HistogramBuckets.sampleCount)
        requestMaximumTokens = try names.histogram(
            "request_params_max_tokens", "Histogram of the max_tokens request parameter.", tokens)
        timeToFirstToken = try names.histogram(
            "time_to_first_token_seconds", "Histogram of time to first token in seconds.",
            HistogramBuckets.timeToFirstToken)
        interTokenLatency = try names.histogram(
            "inter_token_latency_seconds", "Histogram of inter-token latency in seconds.",
            HistogramBuckets.interTokenLatency)
        timePerOutputToken = try names.histogram(
            "request_time_per_output_token_seconds", "Histogram of time_per_output_token_seconds per request.",
            HistogramBuckets.interTokenLatency)
        endToEndLatency = try names.latency("e2e_request_latency", "Histogram of e2e request latency in seconds.")
        queueTime = try names.latency(
            "request_queue_time", "Histogram of time spent in WAITING phase for request.")
        inferenceTime = try names.latency(
            "request_inference_time", "Histogram of time spent in RUNNING phase for request.")
        prefillTime = try names.latency(
            "request_prefill_time", "Histogram of time spent in PREFILL phase for request.")
        decodeTime = try names.latency("request_decode_time", "Histogram of time spent in DECODE phase for request.")
        requestPreemptions = try names.histogram(
            "request_num_preemptions", "Histogram of the number of times a request was preempted.",
            HistogramBuckets.preemptionCount)
        requestComputedTokens = try names.histogram(
            "request_prefill_kv_computed_tokens",
            "Histogram of new KV tokens computed during prefill (excluding cached tokens).", tokens)
        try names.cacheConfiguration(configuration)
    }

    func finished(_ reason: FinishReason) -> Counter? {
        finished[reason]
    }
}

/// Registers metrics with vLLM's prefix and the labels that all of them have.
private struct VLLMNames {
    let registry: MetricRegistry
    let labels: [MetricLabel]

    init(registry: MetricRegistry, modelName: String) {
        self.registry = registry
        labels = [MetricLabel("model_name", modelName), MetricLabel("engine", "0")]
    }

    func gauge(_ name: String, _ help: String) throws(MetricError) -> Gauge {
        try registry.gauge("vllm:" + name, help: help, labels: labels)
    }

    /// A series for each value of `label`; the first one's handle, as the others stay 0.
    func gauges(
        _ name: String, _ help: String, _ label: String, _ first: String, _ others: String...
    ) throws(MetricError) -> Gauge {
        let gauge = try registry.gauge("vllm:" + name, help: help, labels: labels + [MetricLabel(label, first)])
        for value in others {
            _ = try registry.gauge("vllm:" + name, help: help, labels: labels + [MetricLabel(label, value)])
        }
        return gauge
    }

    func counter(_ name: String, _ help: String) throws(MetricError) -> Counter {
        try registry.counter("vllm:" + name, help: help, labels: labels)
    }

    /// A series for each value of `label`.
    func counters(
        _ name: String, _ help: String, _ label: String, _ values: String...
    ) throws(MetricError) -> [Counter] {
        var counters: [Counter] = []
        for value in values {
            let all = labels + [MetricLabel(label, value)]
            counters.append(try registry.counter("vllm:" + name, help: help, labels: all))
        }
        return counters
    }

    func histogram(_ name: String, _ help: String, _ buckets: [Double]) throws(MetricError) -> Histogram {
        try registry.histogram("vllm:" + name, help: help, labels: labels, buckets: buckets)
    }

    func latency(_ name: String, _ help: String) throws(MetricError) -> Histogram {
        try histogram(name + "_seconds", help, HistogramBuckets.requestLatency)
    }

    /// One series for each of vLLM's reasons, whether this engine knows it or not.
    func finishedRequests() throws(MetricError) -> [FinishReason: Counter] {
        let names = ["stop", "length", "abort", "error", "repetition"]
        var finished: [FinishReason: Counter] = [:]
        for name in names {
            let counter = try registry.counter(
                "vllm:request_success_total", help: "Count of successfully processed requests.",
                labels: labels + [MetricLabel("finished_reason", name)])
            if let reason = FinishReason(rawValue: name) { finished[reason] = counter }
        }
        return finished
    }

    /// Values are written as Python writes them, since readers of vLLM's parse that.
    func cacheConfiguration(_ configuration: MetricsConfiguration) throws(MetricError) {
        let slots = configuration.blockCount.multipliedReportingOverflow(by: configuration.blockSize)
        let info = try registry.gauge(
            "vllm:cache_config_info", help: "Information of the LLMEngine CacheConfig",
            labels: [
                MetricLabel("engine", "0"),
                MetricLabel("block_size", "\(configuration.blockSize)"),
                MetricLabel("cache_dtype", configuration.cacheDataType),
                MetricLabel("enable_prefix_caching", configuration.cachesPrefixes ? "True" : "False"),
                MetricLabel("is_attention_free", "False"),
                MetricLabel("kv_cache_size_tokens", slots.overflow ? "None" : "\(slots.partialValue)"),
                MetricLabel("num_cpu_blocks", "None"),
                MetricLabel("num_gpu_blocks", "\(configuration.blockCount)"),
                MetricLabel("num_gpu_blocks_override", "None"),
                MetricLabel("sliding_window", "None"),
            ])
        registry.update { $0.set(info, to: 1) }
    }
}
