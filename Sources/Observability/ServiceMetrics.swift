// All metrics of a server, in the order of the exposition.

public import Primitives
public import Telemetry

/// One registry with everything in it: the engine's, the HTTP requests', the process's metrics and the build's.
public struct ServiceMetrics: Sendable {
    public let registry: MetricRegistry
    public let requests: RequestMetrics
    /// The engine's observer.
    public let engine: EngineMetrics

    /// - Parameter clock: what a scrape takes for now.
    public init(
        _ configuration: MetricsConfiguration, clock: @escaping @Sendable () -> Instant = { .now() }
    ) throws(MetricError) {
        registry = MetricRegistry()
        requests = try RequestMetrics(in: registry)
        engine = try EngineMetrics(configuration, in: registry, clock: clock)
        let build = try registry.gauge(
            "pagoda_build_info", help: "Version of the program and the instruction set that its kernels use.",
            labels: [
                MetricLabel("version", configuration.version), MetricLabel("isa", configuration.instructionSet),
            ])
        registry.update { $0.set(build, to: 1) }
        try ProcessMetrics(in: registry)
    }
}
