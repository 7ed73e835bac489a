// `pagoda serve`: opens the door, loads the model behind it, and closes in good order.

internal import Access
internal import ArgumentParser
internal import Engine
internal import Generation
internal import Kernels
internal import Logging
internal import ModelFiles
internal import Models
internal import Observability
internal import Primitives
internal import Server
internal import Synchronization
internal import Telemetry
internal import Workload

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve a model over the OpenAI API, with metrics at /metrics.")

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Model") var served: ServedModelOptions
    @OptionGroup(title: "Cache") var cache: CacheOptions
    @OptionGroup(title: "Scheduler") var scheduler: SchedulerOptions
    @OptionGroup(title: "Parallelism") var parallel: ParallelOptions
    @OptionGroup(title: "Server") var server: ServerOptions
    @OptionGroup(title: "Access") var access: AccessOptions
    @OptionGroup(title: "Access") var origins: OriginOptions
    @OptionGroup(title: "Access") var tls: TLSOptions
    @OptionGroup(title: "Metrics") var metricsAccess: MetricsAccessOptions
    @OptionGroup(title: "Metrics") var monitoring: MetricsOptions
    @OptionGroup(title: "Log") var log: LogOptions
    @OptionGroup(title: "Traces") var traces: TraceOptions

    func run() async throws {
        let observation = try ServeObservation(log: log, traces: traces)
        do {
            try await serveOrFollow(observation)
        } catch {
            await observation.close()
            throw error
        }
        await observation.close()
    }

    private func serveOrFollow(_ observation: ServeObservation) async throws {
        let started = Instant.now()
        // Before anything that takes long: a mistake in it ends the start.
        let settings = try access.configuration(metrics: try metricsAccess.access(), environment: Self.environment)
        let control = try AccessControl(settings)
        let ranks = try await RankGroup.start(observation)
        let located = try await model.locate { name in
            DownloadMeter(name, isTerminal: false) { observation.logger.info("\($0)") }
        }
        let tenants = try server.tenants(scheduler)
        var plan = try LoadPlan(
            located, model: model, cache: cache, scheduler: scheduler, parallel: parallel,
            processes: ranks?.processes)
        plan.engine.tenants = tenants.map { EngineTenant($0) }
        let isReady = Atomic<Bool>(false)
        if let ranks, !ranks.isFirst {
            try await ranks.follow(plan)
            isReady.store(true, ordering: .relaxed)
        } else {
            try await serve(
                plan, tenants, control, settings, observation, started: started, isAlone: ranks == nil
            ) {
                isReady.store(true, ordering: .relaxed)
            }
        }
        await ranks?.close(isReady: isReady.load(ordering: .relaxed))
    }

    private func serve(
        _ plan: LoadPlan, _ tenants: [TenantSettings], _ control: AccessControl, _ settings: AccessConfiguration,
        _ observation: ServeObservation, started: Instant, isAlone: Bool, whenReady: @escaping @Sendable () -> Void
    ) async throws {
        let logger = observation.logger
        let names = served.servedModelName.isEmpty ? [plan.root] : served.servedModelName
        var measured = plan.metricsConfiguration(
            modelName: names[0], queueLimit: server.maxNumQueuedReqs, labels: try monitoring.requestLabels())
        measured.tenants = control.tenants + tenants.map(\.name) + metricsAccess.metricsTenants
        measured.grants = tenants.map { TenantGrant($0) }
        let metrics = try ServiceMetrics(measured, log: observation.log, spans: observation.spans)
        metrics.libraries.install()
        var configuration = try serverConfiguration(names, plan)
        configuration.tenants = tenants
        let server = try await APIServer(
            configuration: configuration, access: control, metrics: metrics, journal: observation.journal,
            recorder: observation.recorder, logger: logger)
        let signals = TerminationSignals { server.shutdown() }
        defer { signals.stop() }
        let isReloaded = settings.hasFiles || configuration.tls != nil
        let reloadSignal = isReloaded ? ReloadSignal { server.reload() } : nil
        defer { reloadSignal?.stop() }
        control.log(settings, configuration, to: logger)
        plan.log(to: logger)
        if let notice = MemoryState.current()?.killNotice { logger.warning("\(notice)") }
        logger.info("listening on \(self.server.host):\(server.port ?? self.server.port), loading the model")

        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await server.run()
                return true
            }
            group.addTask {
                let generator = try await load(plan, names: names, metrics: metrics, observation)
                metrics.engine.watch { generator.engineStatus }
                server.modelReady(generator)
                whenReady()
                let seconds = Instant.now().seconds(since: started)
                logger.info("ready after \(Double(Int(seconds * 1000)) / 1000) s")
                return false
            }
            // The server's end is the command's end, whether or not the model has come.
            var isLoaded = false
            while let isServerDone = try await group.next(), !isServerDone { isLoaded = true }
            if isAlone, !isLoaded { await leaveLoading(observation) }
            group.cancelAll()
        }
        logger.info("stopped")
    }

    /// Ends the process: loading can't be interrupted, may take minutes, and nobody needs the model any more.
    private func leaveLoading(_ observation: ServeObservation) async {
        observation.logger.info("stopped before the model was loaded")
        await observation.close()
        _exit(0)
    }

    private func serverConfiguration(
        _ modelNames: [String], _ plan: LoadPlan
    ) throws(CommandError) -> ServerConfiguration {
        var configuration = ServerConfiguration()
        configuration.modelNames = modelNames
        configuration.host = server.host
        guard (0...65_535).contains(server.port) else {
            throw .invalidOption(name: "port", value: "\(server.port)", allowed: "0 to 65535")
        }
        configuration.port = server.port
        configuration.tellsCachedTokens = served.enablePromptTokensDetails
        configuration.crossOrigin = try origins.policy()
        configuration.tls = try tls.files()
        configuration.metricsPort = try metricsAccess.port()
        configuration.metricsHost = metricsAccess.metricsHost
        configuration.version = PagodaVersion.current
        configuration.enablesDebugEndpoints = traces.enableDebugEndpoints
        try server.applyLimits(to: &configuration, maxModelLength: plan.engine.maxModelLength)
        configuration.connections.requestBytes = try positive(server.maxRequestBytes.value, option: "max-request-bytes")
        guard server.shutdownTimeout.isFinite, (0...86_400).contains(server.shutdownTimeout) else {
            throw .invalidOption(
                name: "shutdown-timeout", value: "\(server.shutdownTimeout)", allowed: "0 to 86400 seconds")
        }
        configuration.shutdownTimeout = .milliseconds(Int64(server.shutdownTimeout * 1000))
        return configuration
    }

    private func load(
        _ plan: LoadPlan, names: [String], metrics: ServiceMetrics, _ observation: ServeObservation
    ) async throws -> TextGenerator {
        let template = try served.chatTemplate.map(readText)
        let allowsSpecial = served.allowSpecialInContent
        let measuresMachine = monitoring.measureMachine
        let logger = observation.logger
        return try await plan.load(
            names: names, chatTemplate: template, allowsSpecialInContent: allowsSpecial,
            observer: observation.observer(beside: metrics.engine),
            progress: { share in logger.info("loading: \(Int(share * 100)) %") },
            loaded: { executor in
                logger.info("loaded: \(MemoryPlan.megabytes(executor.weightBytes)) of packed weights")
                metrics.engine.learn(from: executor, measuringMachine: measuresMachine, logger: logger)
                if let settings = WorkloadSettings(plan, on: executor) { observation.recorder.note(settings) }
            })
    }
}

extension LoadPlan {
    /// The start-up summary.
    func log(to logger: Logger) {
        let configuration = checkpoint.configuration
        logger.info(
            """
            model \(checkpoint.name): \(configuration.architecture), \(configuration.layerCount) layers, \
            \(MemoryPlan.megabytes(memory.weightBytes)) of weights, context \(executor.maximumModelLength)
            """)
        logger.info(
            """
            KV cache: \(memory.blockCount) blocks of \(executor.blockSize) = \(memory.cacheTokens) tokens, \
            \(executor.cacheType.rawValue), at most \(MemoryPlan.megabytes(memory.cacheBytes))
            """)
        logger.info(
            """
            compute: \(executor.threadCount) threads, \(KernelSet(executor.instructionSet).instructionSet.rawValue)\
            \(executor.computesInFloat32 ? ", float32 reference mode" : ""); at most \(engine.maxRunningSequences) \
            sequences and \(engine.maxBatchedTokens) tokens a step
            """)
        if let summary = ranks.summary { logger.info("\(summary)") }
        if let roundingNotice { logger.warning("\(roundingNotice)") }
    }
}
