// Which series the dashboard keeps, and how they are called.

/// The series of which a history is kept.
enum HistoryColumns {
    private static let metrics: Set<String> = [
        "vllm_request_count", "vllm_generation_throughput", "vllm_gpu_cache_usage_ratio", "vllm_running_requests",
        "vllm_waiting_requests", "vllm:generation_tokens_total", "vllm:prompt_tokens_total",
        "vllm:num_preemptions_total", "pagoda_kv_blocks", "pagoda_kv_utilisation_ratio", "pagoda_steps_total",
        "pagoda_step_seconds_total", "pagoda_engine_idle_seconds_total", "pagoda_step_tokens_total",
        "pagoda_request_seconds_total", "pagoda_ttft_seconds_total", "pagoda_multiply_adds_total",
        "pagoda_memory_read_bytes_total", "pagoda_machine_multiply_adds_per_second",
        "pagoda_machine_read_bytes_per_second", "pagoda_max_running_sequences", "process_resident_memory_bytes",
    ]
    private static let histograms: Set<Substring> = [
        "vllm_request_latency_seconds", "vllm:time_to_first_token_seconds", "vllm:inter_token_latency_seconds",
        "pagoda_step_sequences",
    ]
    /// There is one model and one engine; what tells endpoints apart is added up.
    private static let ignoredLabels: Set<String> = ["model_name", "engine", "model", "endpoint"]

    /// The column of a series: its name and labels as /metrics writes them, without those that say nothing here.
    static func name(of series: SeriesValue) -> String? {
        guard metrics.contains(series.name) || isHistogram(series.name) else { return nil }
        let labels = series.labels.filter { !ignoredLabels.contains($0.name) }
        guard !labels.isEmpty else { return series.name }
        return "\(series.name){\(labels.map { "\($0.name)=\"\($0.value)\"" }.joined(separator: ","))}"
    }

    private static func isHistogram(_ name: String) -> Bool {
        ["_bucket", "_sum", "_count"].contains { suffix in
            name.hasSuffix(suffix) && histograms.contains(name.dropLast(suffix.count))
        }
    }
}
