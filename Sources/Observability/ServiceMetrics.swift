// All metrics of a server, in the order of the exposition.

public import Primitives
public import Telemetry

/// One registry with everything in it: clients' requests, the engine's, the process's metrics and the build's. The
/// server adds its routes' (`HTTPMetrics`).
public struct ServiceMetrics: Sendable {
    public let registry: MetricRegistry
    public let requests: RequestMetrics
    /// The engine's observer.
    public let engine: EngineMetrics
    /// What libraries report, once it is installed.
    public let libraries: SwiftMetricsBackend
    private let scrapes: Counter
    private let scrapeSeconds: Counter

    /// - Parameters:
    ///   - log: Whose losses are counted.
    ///   - spans: Whose way to the collector is counted.
    ///   - clock: what a scrape takes for now.
    public init(
        _ configuration: MetricsConfiguration, log: LogWriter? = nil, spans: SpanQueue? = nil,
        clock: @escaping @Sendable () -> Instant = { .now() }
    ) throws(MetricError) {
        registry = MetricRegistry()
        let clients = try ClientSeries.all(configuration, in: registry)
        let promised = try PromisedGauges(in: registry)
        let tenants = try TenantSeries(configuration.tenants, grants: configuration.grants, in: registry)
        engine = try EngineMetrics(configuration, promised: promised, tenants: tenants, in: registry, clock: clock)
        requests = try RequestMetrics(
            configuration, clients: clients, engine: engine.series, tenants: tenants, in: registry)
        try MemoryMetrics(in: registry)
        scrapes = try registry.counter("pagoda_scrapes_total", help: "Scrapes answered.")
        scrapeSeconds = try registry.counter(
            "pagoda_scrape_seconds_total", help: "Time spent on making the answers to scrapes.")
        libraries = SwiftMetricsBackend(
            registry: registry,
            dropped: try registry.counter(
                "pagoda_series_dropped_total", help: "Series that libraries asked for beyond what is kept of theirs."))
        let build = try registry.gauge(
            "pagoda_build_info",
            help: "Version of the program, the instruction set that its kernels use, and the compiler that built it.",
            labels: [
                MetricLabel("version", configuration.version),
                MetricLabel("instruction_set", configuration.instructionSet),
                MetricLabel("compiler", Compiler.name),
            ])
        registry.update { $0.set(build, to: 1) }
        try OutputMetrics(log: log, spans: spans, in: registry)
        try ProcessMetrics(in: registry)
    }

    /// A scrape was answered; it shows from the next one on.
    public func scraped(seconds: Double) {
        registry.update { values in
            values.increment(scrapes)
            values.increment(scrapeSeconds, by: seconds)
        }
    }
}

/// What built this program, as far as it can be told at compile time.
private enum Compiler {
    static let name: String = {
        #if compiler(>=6.4)
            "swift 6.4"
        #elseif compiler(>=6.3)
            "swift 6.3"
        #else
            "swift 6.2"
        #endif
    }()
}
