// Metrics of the HTTP side: prometheus-fastapi-instrumentator's, which vLLM exposes.

public import Telemetry

/// Counts every answer under its route. Paths and methods that no route has are counted under a fixed name, so that no
/// client makes a series.
public struct HTTPMetrics: Sendable {
    /// A method and a path that are served.
    public struct Route: Sendable, Hashable {
        public var method: String
        public var path: String

        public init(method: String, path: String) {
            self.method = method
            self.path = path
        }
    }

    /// One answer, complete or broken off.
    public struct Answer: Sendable {
        /// What the request asked for; nil if its head could not be read.
        public var route: Route?
        public var status: Int
        /// Of the `content-length` headers; 0 without one.
        public var requestBytes = 0
        public var responseBytes = 0
        /// From the head of the request read to the last byte handed over.
        public var seconds: Double

        public init(route: Route?, status: Int, seconds: Double) {
            self.route = route
            self.status = status
            self.seconds = seconds
        }
    }

    private struct RouteSeries {
        /// By the status's hundreds.
        var answers: [Int: Counter] = [:]
        let duration: Histogram
    }

    private struct SizeSeries {
        let request: Summary
        let response: Summary
    }

    private let registry: MetricRegistry
    private let routes: [Route: RouteSeries]
    private let sizes: [String: SizeSeries]
    private let duration: Histogram
    private let slowReaderSeconds: Counter

    /// What is asked so often, or by machines, that vLLM leaves it out.
    private static let uncountedPaths: Set<String> = [
        "/metrics", "/metrics/", "/health", "/live", "/load", "/ping", "/version", "/server_info",
    ]
    private static let unknownPath = "none"
    private static let unknownMethod = "OTHER"
    private static let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", unknownMethod]

    public init(routes: [Route], in registry: MetricRegistry) throws(MetricError) {
        self.registry = registry
        let counted = routes.filter { !Self.uncountedPaths.contains($0.path) }
        let unknown = Self.methods.map { Route(method: $0, path: Self.unknownPath) }
        var series: [Route: RouteSeries] = [:]
        var sizes: [String: SizeSeries] = [:]
        for route in counted + unknown where series[route] == nil {
            series[route] = try Self.series(of: route, in: registry)
            if sizes[route.path] == nil { sizes[route.path] = try Self.sizes(of: route.path, in: registry) }
        }
        self.routes = series
        self.sizes = sizes
        duration = try registry.histogram(
            "http_request_duration_highr_seconds",
            help: "Latency with many buckets but no API specific labels. Made for more accurate percentile "
                + "calculations. ",
            buckets: HistogramBuckets.httpDuration)
        slowReaderSeconds = try registry.counter(
            "pagoda_slow_reader_seconds_total",
            help: "Time that answers waited because their clients' connections took no more bytes.")
    }

    private static func series(of route: Route, in registry: MetricRegistry) throws(MetricError) -> RouteSeries {
        let labels = [MetricLabel("handler", route.path), MetricLabel("method", route.method)]
        var series = RouteSeries(
            duration: try registry.histogram(
                "http_request_duration_seconds",
                help: "Latency with only few buckets by handler. Made to be only used if aggregation by handler is "
                    + "important. ",
                labels: labels, buckets: HistogramBuckets.httpDurationByHandler))
        for hundreds in route.path == unknownPath ? [4, 5] : [2, 4, 5] {
            series.answers[hundreds] = try registry.counter(
                "http_requests_total", help: "Total number of requests by method, status and handler.",
                labels: labels + [MetricLabel("status", "\(hundreds)xx")])
        }
        return series
    }

    private static func sizes(of path: String, in registry: MetricRegistry) throws(MetricError) -> SizeSeries {
        func summary(_ name: String, _ messages: String) throws(MetricError) -> Summary {
            try registry.summary(
                name,
                help: "Content length of \(messages) by handler. Only value of header is respected. Otherwise ignored. "
                    + "No percentile calculated. ",
                labels: [MetricLabel("handler", path)])
        }
        return SizeSeries(
            request: try summary("http_request_size_bytes", "incoming requests"),
            response: try summary("http_response_size_bytes", "outgoing responses"))
    }

    public func answered(_ answer: Answer) {
        if let path = answer.route?.path, Self.uncountedPaths.contains(path) { return }
        let method = answer.route.map(\.method).flatMap { Self.methods.contains($0) ? $0 : nil } ?? Self.unknownMethod
        let unknown = Route(method: method, path: Self.unknownPath)
        let known = answer.route.flatMap { routes[$0] == nil ? nil : $0 } ?? unknown
        guard let series = routes[known] else { return }
        let sizes = sizes[known.path]
        registry.update { values in
            if let counter = series.answers[answer.status / 100] { values.increment(counter) }
            values.observe(answer.seconds, in: series.duration)
            values.observe(answer.seconds, in: duration)
            if let sizes {
                values.observe(Double(answer.requestBytes), in: sizes.request)
                values.observe(Double(answer.responseBytes), in: sizes.response)
            }
        }
    }

    /// A client's connection took bytes again after so long.
    public func waitedForReader(seconds: Double) {
        registry.update { $0.increment(slowReaderSeconds, by: seconds) }
    }
}
