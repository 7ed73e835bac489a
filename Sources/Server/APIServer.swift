// The server as the command line sees it.

public import Generation
public import Logging
import NIOHTTP1
public import Observability
import OpenAI
import Primitives

/// Listens as soon as it exists; answers while it runs: 503 as long as there is no model.
public final class APIServer: Sendable {
    private let configuration: ServerConfiguration
    private let metrics: ServiceMetrics
    private let logger: Logger
    private let state: ServiceState
    private let listener: HTTPListener
    private let router: Router
    private let dashboard: DashboardEndpoints
    private let stopSignals: AsyncStream<Void>
    private let stopSignal: AsyncStream<Void>.Continuation

    /// How long answers may take to go out once generation has ended.
    private static let closingTimeout = Duration.seconds(5)
    private static let statisticsInterval = Duration.seconds(10)

    /// Binds the address.
    ///
    /// - Parameters:
    ///   - metrics: What `/metrics` shows; requests are counted there.
    ///   - journal: Follows requests for generation; nil: nobody asks for what it would see.
    public init(
        configuration: ServerConfiguration, metrics: ServiceMetrics, journal: RequestJournal? = nil, logger: Logger
    ) async throws(ServerError) {
        self.configuration = configuration
        self.metrics = metrics
        self.logger = logger
        let state = ServiceState(configuration: configuration)
        self.state = state
        var router = Router()
        ServiceEndpoints(configuration: configuration, state: state, metrics: metrics).register(in: &router)
        GenerationEndpoints(configuration: configuration, state: state, metrics: metrics.requests, journal: journal)
            .register(in: &router)
        if configuration.enablesDebugEndpoints, let journal {
            DebugEndpoints(state: state, journal: journal).register(in: &router)
        }
        dashboard = DashboardEndpoints(registry: metrics.registry, version: configuration.version)
        dashboard.register(in: &router)
        self.router = router
        (stopSignals, stopSignal) = AsyncStream.makeStream(of: Void.self)
        let http: HTTPMetrics
        do {
            http = try HTTPMetrics(
                routes: router.routes.map { HTTPMetrics.Route(method: $0.method.rawValue, path: $0.path) },
                in: metrics.registry)
        } catch {
            throw .invalidMetrics(reason: "\(error)")
        }
        listener = try await HTTPListener(configuration: configuration, metrics: http)
    }

    /// The port that the system chose, if it was asked to; nil on a Unix socket.
    public var port: Int? { listener.port }

    /// From here on requests are served.
    public func modelReady(_ generator: TextGenerator) {
        state.modelReady(generator)
    }

    /// Stops `run`: no new generation begins, running ones have `shutdownTimeout` to end. Harmless when repeated.
    public func shutdown() {
        stopSignal.finish()
    }

    /// Answers requests; returns after `shutdown`, when everything is answered, aborted and closed.
    public func run() async throws(ServerError) {
        var failure: ServerError?
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await self.listener.run { await self.answer($0) } }
                group.addTask { await self.logStatistics() }
                group.addTask { await self.dashboard.collect() }
                group.addTask {
                    for await _ in self.stopSignals {}
                    // Cancelled: the listener failed, and there is nobody left to wait for.
                    if !Task.isCancelled { await self.drain() }
                    self.listener.stop()
                }
                defer { group.cancelAll() }
                try await group.next()
            }
            if !state.isDraining { failure = .listenerFailed(reason: "it was closed") }
        } catch {
            // After a shutdown this is only how the listener's task ends.
            if !state.isDraining { failure = .listenerFailed(reason: "\(error)") }
        }
        await listener.shutDown()
        if let failure { throw failure }
    }

    private func logStatistics() async {
        var line = StatisticsLine(from: metrics.engine.snapshot(), at: .now())
        while (try? await Task.sleep(for: Self.statisticsInterval)) != nil {
            metrics.engine.log(&line, to: logger)
        }
    }

    private func drain() async {
        let generator = state.drain()
        logger.info("stopping", metadata: ["timeout": "\(configuration.shutdownTimeout)"])
        listener.registry.drain()
        await generator?.shutdown(draining: configuration.shutdownTimeout)
        // What the engine has ended still has to be written.
        let deadline = ContinuousClock.now + Self.closingTimeout
        while listener.registry.busyCount > 0, ContinuousClock.now < deadline {
            try? await Task.sleep(for: .milliseconds(10))
        }
    }

    private func answer(_ exchange: HTTPExchange) async {
        await exchange.identity.withContext {
            do {
                try await router.answer(exchange)
            } catch {
                await report(error, to: exchange)
            }
            // Those for generation are logged when the engine is done with them, too.
            guard exchange.followed == nil else { return }
            logger.debug(
                "request finished",
                metadata: [
                    "method": "\(exchange.request.method)", "path": "\(exchange.request.path)",
                    "status": "\(exchange.status)",
                    "total_seconds": "\(Instant.now().seconds(since: exchange.request.receivedAt))",
                ])
        }
    }

    private func report(_ error: any Error, to exchange: HTTPExchange) async {
        // Nobody is there to be told, or there is no way left to tell.
        guard let answer = ErrorMapping.requestError(for: error) else { return }
        if answer.kind == .internalFailure { logger.error("request failed", metadata: ["error": "\(error)"]) }
        try? await exchange.respond(ErrorMapping.response(to: answer))
    }
}
