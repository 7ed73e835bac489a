// Metrics of requests as HTTP clients see them.

public import Primitives
import Telemetry

/// A label that `--metrics-labels` adds to the metrics of clients' requests.
public enum RequestLabel: String, Sendable, CaseIterable {
    /// The first served model name.
    case model
    case endpoint
}

/// Counts each client's generation request once, at its end.
public final class RequestMetrics: Sendable {
    public enum Endpoint: String, Sendable, CaseIterable {
        case completions = "/v1/completions"
        case chatCompletions = "/v1/chat/completions"
    }

    /// How a request that got past access control and parsing, and names a served model, ended for its client. A 4xx
    /// of the client's own making is no outcome.
    public enum Outcome: Sendable {
        /// Finished by stop, length or tool calls; the latency is from the head of the request read to the last byte
        /// handed to the socket.
        case success(latencySeconds: Double, trace: TraceID? = nil)
        /// Client gone, timeout, any 5xx.
        case failed
        /// 429 or 503 before the engine saw any of its sequences.
        case rejected(Rejection, sequenceCount: Int)
    }

    /// Why the server turned a request away. Raw values are the label `reason`.
    public enum Rejection: String, Sendable, CaseIterable {
        case queueFull = "queue_full"
        case queueTokens = "queue_tokens"
        /// Its first token would have come too late.
        case firstToken = "ttft"
        /// Its client's time was over before the engine had it.
        case deadline
        case draining
        case loading
        /// Its tenant has enough in flight.
        case tenant
    }

    private let registry: MetricRegistry
    private let clients: [Endpoint: ClientSeries]
    private let engine: EngineSeries
    private let tenants: TenantSeries
    private let rejected: [Rejection: Counter]
    private let admissionRejections: [Rejection: Counter]

    init(
        _ configuration: MetricsConfiguration, clients: [Endpoint: ClientSeries], engine: EngineSeries,
        tenants: TenantSeries, in registry: MetricRegistry
    ) throws(MetricError) {
        self.registry = registry
        self.clients = clients
        self.engine = engine
        self.tenants = tenants
        var rejected: [Rejection: Counter] = [:]
        for reason in Rejection.allCases {
            rejected[reason] = try registry.counter(
                "pagoda_requests_rejected_total", help: "Sequences turned away before the engine, by reason.",
                labels: [MetricLabel("reason", reason.rawValue)])
        }
        self.rejected = rejected
        func counter(_ reason: String) throws(MetricError) -> Counter {
            try registry.counter(
                "vllm:admission_rejections_total",
                help: "Number of admission attempts rejected by a queue limit, by reason.",
                labels: [MetricLabel("model_name", configuration.modelName), MetricLabel("reason", reason)])
        }
        admissionRejections = [
            .queueFull: try counter("max_num_queued_reqs"), .queueTokens: try counter("max_num_queued_tokens"),
        ]
    }

    /// Counts a request that is over.
    ///
    /// - Parameters:
    ///   - tenant: From the configuration.
    ///   - deliveryNanoseconds: Summed over its sequences: from their ends in the engine to the last byte handed to
    ///     the socket, or to where the client was found gone.
    public func requestFinished(
        _ outcome: Outcome, endpoint: Endpoint, tenant: String = RequestOrigin.defaultTenant,
        deliveryNanoseconds: Int64 = 0
    ) {
        registry.update { values in
            switch outcome {
            case .success(let latencySeconds, let trace):
                clients[endpoint]?.succeed(after: latencySeconds, trace: trace, in: &values)
                tenants.count(.success, of: tenant, in: &values)
            case .failed:
                clients[endpoint]?.fail(in: &values)
                tenants.count(.failed, of: tenant, in: &values)
            case .rejected(let reason, let sequenceCount):
                clients[endpoint]?.fail(in: &values)
                tenants.count(.rejected, of: tenant, in: &values)
                count(reason, sequenceCount: sequenceCount, in: &values)
                if let counter = admissionRejections[reason] { values.increment(counter) }
            }
            engine.addDelivery(nanoseconds: deliveryNanoseconds, to: &values)
        }
    }

    /// Counts sequences of an admitted request that the engine refused after all, since it shuts down.
    public func sequencesRefused(_ count: Int) {
        registry.update { self.count(.draining, sequenceCount: count, in: &$0) }
    }

    /// A sequence turned away has come, too: sums hold in every scrape.
    private func count(_ reason: Rejection, sequenceCount: Int, in values: inout MetricValues) {
        guard let counter = rejected[reason] else { return }
        values.increment(counter, by: Double(sequenceCount))
        values.increment(engine.received, by: Double(sequenceCount))
    }
}

/// The first two metrics of the original promise, for one endpoint or for all.
struct ClientSeries: Sendable {
    private let succeeded: Counter
    private let failed: Counter
    private let latency: Histogram

    /// By endpoint; without that label all have the same.
    static func all(
        _ configuration: MetricsConfiguration, in registry: MetricRegistry
    ) throws(MetricError) -> [RequestMetrics.Endpoint: ClientSeries] {
        let model = MetricLabel("model", configuration.modelName)
        let modelLabels = configuration.requestLabels.contains(.model) ? [model] : []
        var all: [RequestMetrics.Endpoint: ClientSeries] = [:]
        guard configuration.requestLabels.contains(.endpoint) else {
            let common = try ClientSeries(modelLabels, in: registry)
            for endpoint in RequestMetrics.Endpoint.allCases { all[endpoint] = common }
            return all
        }
        for endpoint in RequestMetrics.Endpoint.allCases {
            let labels = modelLabels + [MetricLabel("endpoint", endpoint.rawValue)]
            all[endpoint] = try ClientSeries(labels, in: registry)
        }
        return all
    }

    private init(_ labels: [MetricLabel], in registry: MetricRegistry) throws(MetricError) {
        func counter(_ status: String) throws(MetricError) -> Counter {
            try registry.counter(
                "vllm_request_count", help: "processed requests", labels: labels + [MetricLabel("status", status)])
        }
        succeeded = try counter("SUCCESS")
        failed = try counter("FAILED")
        latency = try registry.histogram(
            "vllm_request_latency_seconds", help: "request latency, for P95 and P99", labels: labels,
            buckets: HistogramBuckets.clientLatency)
    }

    func succeed(after seconds: Double, trace: TraceID?, in values: inout MetricValues) {
        values.increment(succeeded)
        values.observe(seconds, in: latency, trace: ExemplarTrace(trace))
    }

    func fail(in values: inout MetricValues) {
        values.increment(failed)
    }
}
