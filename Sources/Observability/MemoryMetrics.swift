// Metrics of the memory around this process.

import Telemetry

/// Read at every scrape. Where the kernel tells nothing they stay 0.
struct MemoryMetrics: Sendable {
    private let limit: Gauge
    private let available: Gauge
    private let kills: Gauge

    @discardableResult
    init(in registry: MetricRegistry) throws(MetricError) {
        limit = try registry.gauge(
            "pagoda_memory_limit_bytes",
            help: "Memory that this process may use: the container's limit or the machine's.")
        available = try registry.gauge(
            "pagoda_memory_available_bytes", help: "Memory left before that limit is reached.")
        kills = try registry.gauge(
            "pagoda_memory_oom_kills", help: "Processes of this container that were killed for want of memory.")
        let metrics = self
        registry.beforeScrape { metrics.collect(into: $0) }
    }

    private func collect(into registry: MetricRegistry) {
        guard let state = MemoryState.current() else { return }
        registry.update { values in
            values.set(limit, to: state.limitBytes)
            values.set(available, to: state.availableBytes)
            values.set(kills, to: Double(state.killCount ?? 0))
        }
    }
}
