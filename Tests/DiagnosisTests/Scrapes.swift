// Two scrapes of a server that was in a certain state, in the exposition's own words.

import Diagnosis
import Testing

/// Metrics at the end of ten seconds, as additions to those of a server that just started.
struct Scrapes {
    private var gauges: [(series: String, value: Double)] = []
    private var counters: [(series: String, increase: Double)] = []

    /// A server of Pagoda at its default settings on a small machine, with nothing to do.
    init() {
        gauge("vllm:num_requests_running", 0)
        gauge("vllm:num_requests_waiting", 0)
        gauge("vllm:kv_cache_usage_perc", 0.1)
        gauge("pagoda_max_running_sequences", 128)
        gauge("pagoda_max_batched_tokens", 2048)
        gauge("pagoda_queue_limit_requests", 1024)
        gauge("pagoda_machine_multiply_adds_per_second", 200e9)
        gauge("pagoda_machine_read_bytes_per_second", 20e9)
        gauge("pagoda_memory_limit_bytes", 24e9)
        gauge("pagoda_memory_available_bytes", 12e9)
        gauge("pagoda_memory_oom_kills", 0)
        gauge("pagoda_engine_heartbeat_age_seconds", 0.01)
        gauge("pagoda_prefill_chunk_tokens_max", 512)
        for phase in ["schedule", "forward", "sample", "publish"] {
            counter("pagoda_step_seconds_total{phase=\"\(phase)\"}", 0)
        }
        counter("vllm:num_preemptions_total", 0)
    }

    /// Takes the place of a gauge of the same name, whatever its labels.
    mutating func gauge(_ series: String, _ value: Double) {
        gauges.removeAll { $0.series.prefix { $0 != "{" } == series.prefix { $0 != "{" } }
        gauges.append((series, value))
    }

    mutating func counter(_ series: String, _ increase: Double) {
        counters.removeAll { $0.series == series }
        counters.append((series, increase))
    }

    /// The engine took all the time, nearly all of it for the model.
    mutating func busy(steps: Double, sequences: Double, multiplyAdds: Double, bytes: Double) {
        counter("pagoda_steps_total", steps)
        counter("pagoda_step_seconds_total{phase=\"schedule\"}", 0.05)
        counter("pagoda_step_seconds_total{phase=\"forward\"}", 9.5)
        counter("pagoda_step_seconds_total{phase=\"sample\"}", 0.3)
        counter("pagoda_step_seconds_total{phase=\"publish\"}", 0.1)
        histogram("pagoda_step_sequences", bounds: [1, 8, 64], each: [(sequences, steps)])
        counter("pagoda_multiply_adds_total", multiplyAdds)
        counter("pagoda_memory_read_bytes_total", bytes)
        counter("vllm:generation_tokens_total", steps * sequences)
        counter("pagoda_step_tokens_total{kind=\"decode\"}", steps * sequences)
        counter("pagoda_step_tokens_total{kind=\"prefill\"}", 0)
        gauge("vllm:num_requests_running", sequences)
    }

    /// A tenant's series; the settings are by their names in the tenant file.
    mutating func tenant(
        _ name: String, computed: Double, unanswered: Double = 0, answered: Double = 0,
        firstTokens: (count: Double, mean: Double) = (0, 0), settings: [String: Double] = [:]
    ) {
        let label = "tenant=\"\(name)\""
        counter("pagoda_tenant_computed_tokens_total{\(label)}", computed)
        gauges.append(("pagoda_tenant_sequences{state=\"unanswered\",\(label)}", unanswered))
        gauges.append(("pagoda_tenant_sequences{state=\"answered\",\(label)}", answered))
        let times = "pagoda_tenant_time_to_first_token_seconds"
        counter("\(times)_count{\(label)}", firstTokens.count)
        counter("\(times)_sum{\(label)}", firstTokens.count * firstTokens.mean)
        let all = ["weight": 1.0, "priority": 0].merging(settings) { $1 }
        for (setting, value) in all.sorted(by: { $0.key < $1.key }) {
            gauges.append(("pagoda_tenant_setting{setting=\"\(setting)\",\(label)}", value))
        }
    }

    mutating func histogram(_ name: String, bounds: [Double], each: [(value: Double, count: Double)]) {
        for bound in bounds + [.infinity] {
            let text = bound.isFinite ? "\(bound)" : "+Inf"
            counter("\(name)_bucket{le=\"\(text)\"}", each.filter { $0.value <= bound }.reduce(0) { $0 + $1.count })
        }
        counter("\(name)_count", each.reduce(0) { $0 + $1.count })
        counter("\(name)_sum", each.reduce(0) { $0 + $1.value * $1.count })
    }

    var figures: ServerFigures {
        get throws {
            let start = text { _ in 1000 }
            let end = text { 1000 + $0 }
            let samples = try [(start, 0.0), (end, 10.0)].map { text, seconds in
                MetricsSample(try ExpositionParser.parse(Array(text.utf8)), seconds: seconds)
            }
            return try ServerFigures(#require(MetricsWindow(samples)))
        }
    }

    var verdict: Verdict { get throws { Verdict(try figures) } }

    private func text(_ value: (Double) -> Double) -> String {
        let lines = gauges.map { "\($0.series) \($0.value)" } + counters.map { "\($0.series) \(value($0.increase))" }
        return "# HELP x y\n" + lines.joined(separator: "\n") + "\n"
    }
}
