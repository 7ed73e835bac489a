// The server as the command line sees it.

public import Access
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
    private let access: AccessControl
    /// Nil: connections are not encrypted.
    private let tls: TLSIdentity?
    /// The first is the API's.
    private let doors: [Door]
    private let dashboard: DashboardEndpoints
    private let stopSignals: AsyncStream<Void>
    private let stopSignal: AsyncStream<Void>.Continuation

    /// A listener and what it answers.
    private struct Door {
        let listener: HTTPListener
        let router: Router
    }

    /// How long answers may take to go out once generation has ended.
    private static let closingTimeout = Duration.seconds(5)
    private static let statisticsInterval = Duration.seconds(10)
    private static let certificateInterval = Duration.seconds(5)

    /// Binds the addresses.
    ///
    /// - Parameters:
    ///   - access: Decides who is answered.
    ///   - metrics: What `/metrics` shows; requests are counted there.
    ///   - journal: Follows requests for generation; nil: nobody asks for what it would see.
    ///   - recorder: What it has recorded is shown to administrators; where anybody may come in, with debug endpoints
    ///     alone.
    public init(
        configuration: ServerConfiguration, access: AccessControl = .open, metrics: ServiceMetrics,
        journal: RequestJournal? = nil, recorder: WorkloadRecorder? = nil, logger: Logger
    ) async throws(ServerError) {
        self.configuration = configuration
        self.access = access
        self.metrics = metrics
        self.logger = logger
        let state = ServiceState(configuration: configuration)
        self.state = state
        var router = Router()
        let service = ServiceEndpoints(configuration: configuration, state: state, metrics: metrics)
        service.registerProbes(in: &router)
        service.register(in: &router)
        GenerationEndpoints(configuration: configuration, state: state, metrics: metrics.requests, journal: journal)
            .register(in: &router)
        if configuration.enablesDebugEndpoints, let journal {
            DebugEndpoints(state: state, journal: journal).register(in: &router)
        }
        if configuration.enablesDebugEndpoints || access.closesAPI, let recorder {
            WorkloadEndpoint(recorder: recorder).register(in: &router)
        }
        dashboard = DashboardEndpoints(registry: metrics.registry, version: configuration.version)
        var metricsRouter = Router()
        if configuration.metricsPort == nil {
            service.registerMetrics(in: &router)
            dashboard.register(in: &router)
        } else {
            service.registerProbes(in: &metricsRouter)
            service.registerMetrics(in: &metricsRouter)
            dashboard.register(in: &metricsRouter)
        }
        (stopSignals, stopSignal) = AsyncStream.makeStream(of: Void.self)
        let http: HTTPMetrics
        do {
            http = try HTTPMetrics(
                routes: (router.routes + metricsRouter.routes).map {
                    HTTPMetrics.Route(method: $0.method.rawValue, path: $0.path)
                },
                in: metrics.registry)
        } catch {
            throw .invalidMetrics(reason: "\(error)")
        }
        tls = try configuration.tls.map { files throws(ServerError) in try TLSIdentity(files) }
        var plans = [(configuration: configuration, router: router)]
        if let own = configuration.forMetrics { plans.append((configuration: own, router: metricsRouter)) }
        doors = try await Self.open(plans, access: access, metrics: http, tls: tls)
    }

    private static func open(
        _ plans: [(configuration: ServerConfiguration, router: Router)], access: AccessControl, metrics: HTTPMetrics,
        tls: TLSIdentity?
    ) async throws(ServerError) -> [Door] {
        var doors: [Door] = []
        for (configuration, router) in plans {
            do throws(ServerError) {
                let gate = RequestGate(
                    access: access, router: router, crossOrigin: configuration.crossOrigin)
                let listener = try await HTTPListener(
                    configuration: configuration, metrics: metrics, gate: gate, tls: tls)
                doors.append(Door(listener: listener, router: router))
            } catch {
                for door in doors { await door.listener.close() }
                throw error
            }
        }
        return doors
    }

    /// The port that the system chose, if it was asked to; nil on a Unix socket.
    public var port: Int? { doors.first?.listener.port }
    /// The same of the listener for metrics; nil if there is none of its own.
    public var metricsPort: Int? { doors.dropFirst().first?.listener.port }

    /// From here on requests are served.
    public func modelReady(_ generator: TextGenerator) {
        state.modelReady(generator)
    }

    /// Reads the files anew that say who may come in, and certificates. What can't be used is logged, and stays as it
    /// was.
    public func reload() {
        do {
            try access.reload()
            logger.info("keys and passwords read anew")
        } catch {
            logger.error("keys and passwords stay as they were: \(error)")
        }
        reloadCertificates()
    }

    private func reloadCertificates() {
        guard let tls else { return }
        do {
            try tls.reload()
            logger.info("certificates read anew")
        } catch {
            logger.error("certificates stay as they were: \(error)")
        }
    }

    private func watchCertificates() async {
        while (try? await Task.sleep(for: Self.certificateInterval)) != nil {
            if tls?.hasChanged == true { reloadCertificates() }
        }
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
                for door in self.doors {
                    group.addTask { try await door.listener.run { await self.answer($0, door.router) } }
                }
                group.addTask {
                    async let fetching: Void = self.access.run { self.logger.warning("\($0)") }
                    // Its end is not the server's.
                    await self.watchCertificates()
                    await fetching
                }
                group.addTask { await self.logStatistics() }
                group.addTask { await self.dashboard.collect() }
                group.addTask {
                    for await _ in self.stopSignals {}
                    // Cancelled: the listener failed, and there is nobody left to wait for.
                    if !Task.isCancelled { await self.drain() }
                    for door in self.doors { door.listener.stop() }
                }
                defer { group.cancelAll() }
                try await group.next()
            }
            if !state.isDraining { failure = .listenerFailed(reason: "it was closed") }
        } catch {
            // After a shutdown this is only how the listener's task ends.
            if !state.isDraining { failure = .listenerFailed(reason: "\(error)") }
        }
        for door in doors { await door.listener.shutDown() }
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
        for door in doors { door.listener.registry.drain() }
        await generator?.shutdown(draining: configuration.shutdownTimeout)
        // What the engine has ended still has to be written.
        let deadline = ContinuousClock.now + Self.closingTimeout
        while doors.contains(where: { $0.listener.registry.busyCount > 0 }), ContinuousClock.now < deadline {
            try? await Task.sleep(for: .milliseconds(10))
        }
    }

    private func answer(_ exchange: HTTPExchange, _ router: Router) async {
        await exchange.identity.withContext {
            do {
                try await admit(exchange)
                try await router.answer(exchange)
            } catch {
                await report(error, to: exchange)
            }
            // Those for generation are logged when the engine is done with them, too.
            guard exchange.followed == nil else { return }
            var metadata: Logger.Metadata = [
                "method": "\(exchange.request.method)", "path": "\(exchange.request.path)",
                "status": "\(exchange.status)",
                "total_seconds": "\(Instant.now().seconds(since: exchange.request.receivedAt))",
            ]
            if let client = exchange.identity.client { metadata["client"] = "\(client)" }
            logger.debug("request finished", metadata: metadata)
        }
    }

    /// Notes whose request it is; throws if it may not be answered.
    private func admit(_ exchange: HTTPExchange) async throws {
        var decision = exchange.decision
        if case .undecided(let attempt) = decision { decision = await access.decide(attempt) }
        switch decision {
        case .granted(let principal): exchange.note(principal)
        case .denied(let denial): throw denial
        // A password was checked, and is none any more.
        case .undecided: throw AccessDenial.tooManyFailures(retrySeconds: 1)
        }
    }

    private func report(_ error: any Error, to exchange: HTTPExchange) async {
        // Nobody is there to be told, or there is no way left to tell.
        guard let answer = ErrorMapping.requestError(for: error) else { return }
        if answer.kind == .internalFailure { logger.error("request failed", metadata: ["error": "\(error)"]) }
        try? await exchange.respond(ErrorMapping.response(to: answer, headers: ErrorMapping.headers(of: error)))
    }
}
