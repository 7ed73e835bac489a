// Every metric that is computed from the engine's reports: name, type, labels, help text.

import Engine
import Telemetry

/// Handles of the engine's series. Names, labels, bounds and help texts of `vllm:` metrics are vLLM's
/// (vllm/v1/metrics/loggers.py); dashboards and autoscalers read them.
struct EngineSeries: Sendable {
    // The names of the original promise.
    let generationThroughput: Gauge
    let cacheUsageRatio: Gauge
    let running: Gauge
    let waiting: Gauge

    // vLLM's.
    let requestsRunning: Gauge
    let requestsWaiting: Gauge
    let cacheUsage: Gauge
    let promptTokens: Counter
    let generationTokens: Counter
    let preemptions: Counter
    private let finished: [FinishReason: Counter]
    let iterationTokens: Histogram
    let timeToFirstToken: Histogram
    let interTokenLatency: Histogram
    let timePerOutputToken: Histogram
    let endToEndLatency: Histogram
    let queueTime: Histogram
    let inferenceTime: Histogram
    let prefillTime: Histogram
    let decodeTime: Histogram
    let requestPromptTokens: Histogram
    let requestGenerationTokens: Histogram
    let requestMaxGenerationTokens: Histogram
    let requestSampleCount: Histogram
    let requestMaximumTokens: Histogram
    let requestPreemptions: Histogram

    // Ours.
    let received: Counter
    let largestPrefillChunk: Gauge
    let usedBlocks: Gauge
    let freeBlocks: Gauge
    let cacheUtilisation: Gauge

    init(_ configuration: MetricsConfiguration, in registry: MetricRegistry) throws(MetricError) {
        generationThroughput = try registry.gauge(
            "vllm_generation_throughput", help: "generated tokens per second, now")
        cacheUsageRatio = try registry.gauge(
            "vllm_gpu_cache_usage_ratio", help: "used share of the KV cache on the device, 0 to 1")
        running = try registry.gauge("vllm_running_requests", help: "requests being processed")
        waiting = try registry.gauge("vllm_waiting_requests", help: "requests in the queue")

        let vllm = VLLMNames(registry: registry, modelName: configuration.modelName)
        requestsRunning = try vllm.gauge("num_requests_running", "Number of requests in model execution batches.")
        requestsWaiting = try vllm.gauge("num_requests_waiting", "Number of requests waiting to be processed.")
        cacheUsage = try vllm.gauge("kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.")
        preemptions = try vllm.counter(
            "num_preemptions_total", "Cumulative number of preemption from the engine.")
        promptTokens = try vllm.counter("prompt_tokens_total", "Number of prefill tokens processed.")
        generationTokens = try vllm.counter("generation_tokens_total", "Number of generation tokens processed.")
        finished = try vllm.finishedRequests()

        let tokens = HistogramBuckets.requestTokens(maxModelLength: configuration.maxModelLength)
        requestPromptTokens = try vllm.histogram(
            "request_prompt_tokens", "Number of prefill tokens processed.", tokens)
        requestGenerationTokens = try vllm.histogram(
            "request_generation_tokens", "Number of generation tokens processed.", tokens)
        iterationTokens = try vllm.histogram(
            "iteration_tokens_total", "Histogram of number of tokens per engine_step.",
            HistogramBuckets.iterationTokens)
        requestMaxGenerationTokens = try vllm.histogram(
            "request_max_num_generation_tokens", "Histogram of maximum number of requested generation tokens.", tokens)
        requestSampleCount = try vllm.histogram(
            "request_params_n", "Histogram of the n request parameter.", HistogramBuckets.sampleCount)
        requestMaximumTokens = try vllm.histogram(
            "request_params_max_tokens", "Histogram of the max_tokens request parameter.", tokens)
        requestPreemptions = try vllm.histogram(
            "request_num_preemptions", "Histogram of the number of times a request was preempted.",
            HistogramBuckets.preemptionCount)
        timeToFirstToken = try vllm.histogram(
            "time_to_first_token_seconds", "Histogram of time to first token in seconds.",
            HistogramBuckets.timeToFirstToken)
        interTokenLatency = try vllm.histogram(
            "inter_token_latency_seconds", "Histogram of inter-token latency in seconds.",
            HistogramBuckets.interTokenLatency)
        timePerOutputToken = try vllm.histogram(
            "request_time_per_output_token_seconds", "Histogram of time_per_output_token_seconds per request.",
            HistogramBuckets.interTokenLatency)
        endToEndLatency = try vllm.latency("e2e_request_latency", "Histogram of e2e request latency in seconds.")
        queueTime = try vllm.latency(
            "request_queue_time", "Histogram of time spent in WAITING phase for request.")
        inferenceTime = try vllm.latency(
            "request_inference_time", "Histogram of time spent in RUNNING phase for request.")
        prefillTime = try vllm.latency(
            "request_prefill_time", "Histogram of time spent in PREFILL phase for request.")
        decodeTime = try vllm.latency("request_decode_time", "Histogram of time spent in DECODE phase for request.")
        try vllm.cacheConfiguration(configuration)

        received = try registry.counter(
            "pagoda_requests_received_total",
            help: "Sequences taken in by the engine; the sum of finished, running and waiting ones.")
        largestPrefillChunk = try registry.gauge(
            "pagoda_prefill_chunk_tokens_max", help: "Most prompt tokens that one sequence had in one step so far.")
        let blocks = "Blocks of the KV cache by state."
        usedBlocks = try registry.gauge("pagoda_kv_blocks", help: blocks, labels: [MetricLabel("state", "used")])
        freeBlocks = try registry.gauge("pagoda_kv_blocks", help: blocks, labels: [MetricLabel("state", "free")])
        cacheUtilisation = try registry.gauge(
            "pagoda_kv_utilisation_ratio",
            help: "Tokens held in used KV blocks divided by their token slots, 0 to 1; 1 if no block is used.")
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

    func counter(_ name: String, _ help: String) throws(MetricError) -> Counter {
        try registry.counter("vllm:" + name, help: help, labels: labels)
    }

    func histogram(_ name: String, _ help: String, _ buckets: [Double]) throws(MetricError) -> Histogram {
        try registry.histogram("vllm:" + name, help: help, labels: labels, buckets: buckets)
    }

    func latency(_ name: String, _ help: String) throws(MetricError) -> Histogram {
        try histogram(name + "_seconds", help, HistogramBuckets.requestLatency)
    }

    /// One series for each of vLLM's reasons, whether this engine knows it or not.
    func finishedRequests() throws(MetricError) -> [FinishReason: Counter] {
        var counters: [FinishReason: Counter] = [:]
        for name in ["stop", "length", "abort", "error", "repetition"] {
            let counter = try registry.counter(
                "vllm:request_success_total", help: "Count of successfully processed requests.",
                labels: labels + [MetricLabel("finished_reason", name)])
            if let reason = FinishReason(rawValue: name) { counters[reason] = counter }
        }
        return counters
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
                MetricLabel("enable_prefix_caching", "False"),
                MetricLabel("kv_cache_size_tokens", slots.overflow ? "None" : "\(slots.partialValue)"),
                MetricLabel("num_cpu_blocks", "None"),
                MetricLabel("num_gpu_blocks", "\(configuration.blockCount)"),
                MetricLabel("num_gpu_blocks_override", "None"),
                MetricLabel("sliding_window", "None"),
            ])
        registry.update { $0.set(info, to: 1) }
    }
}
