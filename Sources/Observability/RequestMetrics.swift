// Metrics of requests as HTTP clients see them.

public import Telemetry

/// Counts each client's generation request once, at its end.
public final class RequestMetrics: Sendable {
    /// How a request ended for its client.
    public enum Status: String, Sendable, CaseIterable {
        /// Finished by stop, length or tool calls.
        case success = "SUCCESS"
        /// Got past access control and parsing and names a served model, but had no answer: client gone, timeout, 429,
        /// 503, any 5xx. A 4xx of the client's own making is neither.
        case failed = "FAILED"
    }

    private let registry: MetricRegistry
    private let succeeded: Counter
    private let failed: Counter
    private let latency: Histogram

    public init(in registry: MetricRegistry) throws(MetricError) {
        self.registry = registry
        func counter(_ status: Status) throws(MetricError) -> Counter {
            try registry.counter(
                "vllm_request_count", help: "processed requests", labels: [MetricLabel("status", status.rawValue)])
        }
        succeeded = try counter(.success)
        failed = try counter(.failed)
        latency = try registry.histogram(
            "vllm_request_latency_seconds", help: "request latency, for P95 and P99",
            buckets: HistogramBuckets.clientLatency)
    }

    /// - Parameter latencySeconds: from the head of the request read to the last byte handed to the socket; only that
    ///   of successful requests is kept.
    public func clientRequestFinished(status: Status, latencySeconds: Double) {
        registry.update { values in
            switch status {
            case .success:
                values.increment(succeeded)
                values.observe(latencySeconds, in: latency)
            case .failed:
                values.increment(failed)
            }
        }
    }
}
