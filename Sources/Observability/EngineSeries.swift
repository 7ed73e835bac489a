// Our own metrics that are computed from the engine's reports: name, type, labels, help text.

import Engine
import Primitives
import Telemetry

/// The four gauges of the original promise.
struct PromisedGauges: Sendable {
    let generationThroughput: Gauge
    let cacheUsageRatio: Gauge
    let running: Gauge
    let waiting: Gauge

    init(in registry: MetricRegistry) throws(MetricError) {
        generationThroughput = try registry.gauge(
            "vllm_generation_throughput", help: "generated tokens per second, now")
        cacheUsageRatio = try registry.gauge(
            "vllm_gpu_cache_usage_ratio", help: "used share of the KV cache on the device, 0 to 1")
        running = try registry.gauge("vllm_running_requests", help: "requests being processed")
        waiting = try registry.gauge("vllm_waiting_requests", help: "requests in the queue")
    }
}

/// Handles of the `pagoda_` series.
struct EngineSeries: Sendable {
    /// A phase of the engine's step, as the label `phase`.
    enum StepPhase: String, CaseIterable {
        case schedule, forward, sample, publish
    }

    let received: Counter
    private let finished: [FinishReason: Counter]
    private let expired: [RequestExpiry: Counter]
    let requestParts: PartCounters
    let requestWhole: Counter
    let firstTokenParts: PartCounters

    let steps: Counter
    private let phaseSeconds: [StepPhase: Counter]
    let stepSeconds: Histogram
    let idleSeconds: Counter
    let prefillTokens: Counter
    let decodeTokens: Counter
    let stepSequences: Histogram
    let multiplyAdds: Counter
    let memoryReadBytes: Counter
    let machineMultiplyAdds: Gauge
    let machineReadBytes: Gauge

    let usedBlocks: Gauge
    let freeBlocks: Gauge
    let cacheUtilisation: Gauge
    let largestPrefillChunk: Gauge
    let heartbeatAge: Gauge

    init(_ configuration: MetricsConfiguration, in registry: MetricRegistry) throws(MetricError) {
        received = try registry.counter(
            "pagoda_requests_received_total",
            help: "Sequences that came, each sample counted: the sum of finished, rejected, running and waiting ones.")
        var finished: [FinishReason: Counter] = [:]
        for reason in FinishReason.allCases {
            finished[reason] = try registry.counter(
                "pagoda_requests_finished_total", help: "Sequences that ended in the engine, by reason.",
                labels: [MetricLabel("reason", reason.rawValue)])
        }
        self.finished = finished
        var expired: [RequestExpiry: Counter] = [:]
        for reason in RequestExpiry.allCases {
            expired[reason] = try registry.counter(
                "pagoda_requests_expired_total",
                help: "Of those that ended by abort, sequences whose time was over: to begin, or their client's.",
                labels: [MetricLabel("reason", reason.rawValue)])
        }
        self.expired = expired
        requestParts = try PartCounters(
            "pagoda_request_seconds_total", in: registry,
            help: "Time of ended sequences by what it went to; sums to pagoda_request_whole_seconds_total.")
        requestWhole = try registry.counter(
            "pagoda_request_whole_seconds_total",
            help: "Time of ended sequences from the head of the request read to the last byte of the answer.")
        firstTokenParts = try PartCounters(
            "pagoda_ttft_seconds_total", in: registry,
            help: "Time to first token by what it went to; sums to vllm:time_to_first_token_seconds_sum.")

        steps = try registry.counter("pagoda_steps_total", help: "Steps of the engine.")
        var phases: [StepPhase: Counter] = [:]
        for phase in StepPhase.allCases {
            phases[phase] = try registry.counter(
                "pagoda_step_seconds_total",
                help: "Time of the engine's thread by phase; with pagoda_engine_idle_seconds_total all of it.",
                labels: [MetricLabel("phase", phase.rawValue)])
        }
        phaseSeconds = phases
        stepSeconds = try registry.histogram(
            "pagoda_step_duration_seconds", help: "Time of a whole step.", buckets: HistogramBuckets.stepTime)
        idleSeconds = try registry.counter(
            "pagoda_engine_idle_seconds_total", help: "Time that the engine's thread slept for want of work.")
        let tokens = "Tokens computed: of prompts (recomputed ones too) and of decoding sequences."
        prefillTokens = try registry.counter(
            "pagoda_step_tokens_total", help: tokens, labels: [MetricLabel("kind", "prefill")])
        decodeTokens = try registry.counter(
            "pagoda_step_tokens_total", help: tokens, labels: [MetricLabel("kind", "decode")])
        stepSequences = try registry.histogram(
            "pagoda_step_sequences", help: "Sequences computed in a step: the batch size.",
            buckets: HistogramBuckets.batchSize)
        multiplyAdds = try registry.counter(
            "pagoda_multiply_adds_total",
            help: "Multiply-adds of matrix products and attention, counted from the batches' sizes.")
        memoryReadBytes = try registry.counter(
            "pagoda_memory_read_bytes_total",
            help: "Bytes of weights and KV cache that steps have to read at least, counted from the batches' sizes.")
        machineMultiplyAdds = try registry.gauge(
            "pagoda_machine_multiply_adds_per_second",
            help: "Multiply-adds a second that this machine can do at best, measured at start; 0 until then.")
        machineReadBytes = try registry.gauge(
            "pagoda_machine_read_bytes_per_second",
            help: "Bytes a second that this machine can read from memory at best, measured at start; 0 until then.")

        let blocks = "Blocks of the KV cache by state."
        usedBlocks = try registry.gauge("pagoda_kv_blocks", help: blocks, labels: [MetricLabel("state", "used")])
        freeBlocks = try registry.gauge("pagoda_kv_blocks", help: blocks, labels: [MetricLabel("state", "free")])
        cacheUtilisation = try registry.gauge(
            "pagoda_kv_utilisation_ratio",
            help: "Tokens held in used KV blocks divided by their token slots, 0 to 1; 1 if no block is used.")
        let limits = [
            try registry.gauge(
                "pagoda_queue_limit_requests",
                help: "Sequences in flight above which requests are turned away (--max-num-queued-reqs)."),
            try registry.gauge(
                "pagoda_max_running_sequences", help: "Sequences that run at once (--max-num-seqs)."),
            try registry.gauge(
                "pagoda_max_batched_tokens", help: "Tokens computed in one step (--max-num-batched-tokens)."),
        ]
        let limitValues = [
            configuration.queueLimit, configuration.maxRunningSequences, configuration.maxBatchedTokens,
        ]
        largestPrefillChunk = try registry.gauge(
            "pagoda_prefill_chunk_tokens_max", help: "Most prompt tokens that one sequence had in one step so far.")
        heartbeatAge = try registry.gauge(
            "pagoda_engine_heartbeat_age_seconds",
            help: "Time since the engine last came round; 0 while it has no work.")
        registry.update { values in
            for (gauge, value) in zip(limits, limitValues) { values.set(gauge, to: Double(value)) }
        }
    }

    func finished(_ reason: FinishReason) -> Counter? {
        finished[reason]
    }

    func expired(_ reason: RequestExpiry) -> Counter? {
        expired[reason]
    }

    /// The time from the ends of sequences to their client's last byte: theirs, too.
    func addDelivery(nanoseconds: Int64, to values: inout MetricValues) {
        var parts = LatencyParts()
        parts[.client] = nanoseconds
        requestParts.add(parts, to: &values)
        values.increment(requestWhole, by: parts.seconds(.client))
    }

    func add(_ step: StepStatistics, to values: inout MetricValues) {
        for (phase, counter) in phaseSeconds {
            let seconds =
                switch phase {
                case .schedule: step.scheduleSeconds
                case .forward: step.forwardSeconds
                case .sample: step.sampleSeconds
                case .publish: step.publishSeconds
                }
            values.increment(counter, by: seconds)
        }
    }
}

/// A counter of seconds for each owner of time, under the label `part`.
struct PartCounters: Sendable {
    private let counters: [Counter]

    init(_ name: String, in registry: MetricRegistry, help: String) throws(MetricError) {
        var counters: [Counter] = []
        for part in LatencyPart.allCases {
            counters.append(try registry.counter(name, help: help, labels: [MetricLabel("part", part.name)]))
        }
        self.counters = counters
    }

    func add(_ parts: LatencyParts, to values: inout MetricValues) {
        for part in LatencyPart.allCases where parts[part] > 0 {
            values.increment(counters[part.rawValue], by: parts.seconds(part))
        }
    }
}
