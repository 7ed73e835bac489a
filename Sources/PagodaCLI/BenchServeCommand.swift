// `pagoda bench serve`: loads a server, ours or another, and reports as `vllm bench serve` does.

internal import ArgumentParser
internal import Generation
internal import JSON
internal import LoadTesting
internal import ModelFiles
internal import Primitives
internal import Tokenization

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

struct BenchServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Load an OpenAI-compatible server, and report latencies and throughput.",
        discussion: """
            Options, report and result file are those of vllm bench serve. The environment variable OPENAI_API_KEY is \
            the server's key. Without --tokenizer, random prompts are arrays of token ids, and words for openai-chat.
            """)

    @OptionGroup(title: "Server") var target: LoadTargetOptions
    @OptionGroup(title: "Prompts") var dataset: LoadDatasetOptions
    @OptionGroup(title: "Traffic") var traffic: LoadTrafficOptions
    @OptionGroup(title: "Sampling") var sampling: LoadSamplingOptions
    @OptionGroup(title: "Report") var report: LoadReportOptions

    /// Everything that can be checked before anything is sent.
    private struct Plan {
        let endpoint: ServerEndpoint
        let arrivals: ArrivalProcess
        let objectives: ServiceObjectives
        let settings: ReportSettings
        let metadata: [(key: String, value: String)]
        let tokenizer: (any PromptTokenizer)?
        let requests: [LoadRequest]
        let extraMembers: JSONObject
    }

    func run() async throws {
        let plan = try await plan()
        if let folder = report.resultDir, report.savesResult {
            try LocalFile.makeFolder(folder, option: "result-dir")
        }
        let connectionCount = min(traffic.maxConcurrency ?? plan.requests.count, plan.requests.count)
        allowFiles(connectionCount + 64)
        let client = LoadClient(
            endpoint: plan.endpoint, maximumConnections: connectionCount, apiKey: environmentVariable("OPENAI_API_KEY"))
        do {
            try await load(client, plan)
            await client.shutDown()
        } catch {
            await client.shutDown()
            throw error
        }
    }

    private func plan() async throws -> Plan {
        let endpoint = try target.serverEndpoint()
        let arrivals = try traffic.arrivals()
        let objectives = try ServiceObjectives(report.goodput)
        let latencies = try LatencySelection(
            metrics: report.percentileMetrics, percentiles: report.metricPercentiles)
        _ = try dataset.name()
        let tokenizer = try await tokenizer()
        let requests = try dataset.requests(for: endpoint.backend, tokenizer: tokenizer)
        if endpoint.backend.isChat, requests.contains(where: { if case .tokens = $0.prompt { true } else { false } }) {
            throw CommandError.invalidOption(
                name: "backend", value: target.backend, allowed: "only with prompts that are text")
        }
        return Plan(
            endpoint: endpoint, arrivals: arrivals, objectives: objectives,
            settings: ReportSettings(
                maximumConcurrency: traffic.maxConcurrency, requestRate: arrivals.requestRate,
                showsGoodput: !objectives.isEmpty, latencies: latencies),
            metadata: try keysAndValues(report.metadata, option: "metadata"), tokenizer: tokenizer,
            requests: requests, extraMembers: try sampling.members())
    }

    private func tokenizer() async throws -> CheckpointTokenizer? {
        guard let reference = dataset.tokenizer else { return nil }
        return try CheckpointTokenizer(try await LocatedModel.find(reference, revision: nil, cacheFolder: nil))
    }

    // MARK: - The run

    private func load(_ client: LoadClient, _ plan: Plan) async throws {
        let (modelName, modelID) = try await model(client)
        let body = RequestBody(
            backend: plan.endpoint.backend, model: modelName, logprobs: sampling.logprobs,
            ignoresEndOfSequence: try sampling.ignoreEos ?? (dataset.name() == .random), extra: plan.extraMembers)
        let test = try LoadTest(
            client: client, body: body, requests: plan.requests, arrivals: plan.arrivals,
            maximumConcurrency: traffic.maxConcurrency, seed: dataset.seed)
        try await prepare(test)
        say("Starting main benchmark run...")
        ConsoleReport.opening(arrivals: plan.arrivals, maximumConcurrency: traffic.maxConcurrency).forEach(say)
        let run = await withProgress(total: plan.requests.count) { await test.run(onFinish: $0) }
        let statistics = RunStatistics(
            run, ranks: plan.settings.latencies.ranks, objectives: plan.objectives, tokenizer: plan.tokenizer)
        ConsoleReport.failures(run.records).forEach(say)
        ConsoleReport.lines(statistics, settings: plan.settings).forEach(say)
        try save(statistics, run, plan, modelID: modelID)
        guard statistics.completedCount > 0 else {
            complain(
                "All requests failed. This is likely due to a misconfiguration on the benchmark arguments.")
            throw ExitCode.failure
        }
    }

    private func model(_ client: LoadClient) async throws -> (name: String, id: String) {
        if let model = target.model { return (target.servedModelName ?? model, model) }
        say("Model not specified, fetching first model from server...")
        let (name, root) = try await client.firstModel()
        say("First model name: \(name), first model id: \(root)")
        return (target.servedModelName ?? name, root)
    }

    private func prepare(_ test: LoadTest) async throws {
        say("Starting initial single prompt test run...")
        if target.readyCheckTimeoutSec > 0 {
            say("Waiting for endpoint to become up in \(target.readyCheckTimeoutSec) seconds")
            try await test.waitUntilReady(within: .seconds(target.readyCheckTimeoutSec)) {
                complain("Endpoint is not ready. Error='\($0)'")
            }
            say("Initial test run completed.")
        } else {
            say("Skipping endpoint ready check.")
        }
        guard traffic.numWarmups > 0 else { return }
        say("Warming up with \(traffic.numWarmups) requests...")
        await withProgress(total: traffic.numWarmups) { await test.warmUp(count: traffic.numWarmups, onFinish: $0) }
        say("Warmup run completed.")
    }

    private func save(_ statistics: RunStatistics, _ run: LoadTestRun, _ plan: Plan, modelID: String) throws {
        guard report.savesResult else { return }
        let document = ResultDocument(
            date: .now(), backend: plan.endpoint.backend, label: report.label, modelID: modelID,
            tokenizerID: dataset.tokenizer, promptCount: dataset.numPrompts, arrivals: plan.arrivals,
            settings: plan.settings, metadata: plan.metadata, isDetailed: report.saveDetailed)
        let name = report.resultFilename ?? document.fileName
        let path = report.resultDir.map { "\($0)/\(name)" } ?? name
        let bytes = document.json(statistics, run: run).serializedBytes(style: .python())
        try LocalFile.write(bytes, toPath: path, appends: report.appendResult)
    }

    /// Shows how far `body` is while it runs, unless `--disable-tqdm` was given.
    private func withProgress<Result: Sendable>(
        total: Int, _ body: (@escaping @Sendable (RequestRecord) -> Void) async -> Result
    ) async -> Result {
        guard !report.disableTqdm else { return await body { _ in } }
        let meter = ProgressMeter(
            total: total, isTerminal: isatty(STDERR_FILENO) == 1, write: Self.writeToStandardError)
        // Cancelled where the scope ends.
        async let _: Void = meter.watch()
        let result = await body(meter.finish)
        meter.close()
        return result
    }

    // MARK: - The terminal and the system

    private func say(_ line: String) {
        Console.write(line + "\n")
    }

    private func complain(_ line: String) {
        Self.writeToStandardError("WARNING: \(line)\n")
    }

    @Sendable
    private static func writeToStandardError(_ text: String) {
        let bytes = Array(text.utf8)
        // A bar that can't be drawn is no reason to stop.
        _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// Each connection is an open file; the usual soft limit of 1024 is soon reached.
    private func allowFiles(_ count: Int) {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        let wanted = min(limit.rlim_max, rlim_t(count))
        guard limit.rlim_cur < wanted else { return }
        limit.rlim_cur = wanted
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}

/// A checkpoint's tokenizer, as the datasets want it.
private struct CheckpointTokenizer: PromptTokenizer {
    let ordinaryTokenIDs: [Int]
    let addedTokenCount: Int
    private let tokenizer: Tokenizer

    init(_ located: LocatedModel) throws {
        let tokenizer = try LoadedModel(checkpoint: try located.checkpoint(), root: located.reference).tokenizer
        self.tokenizer = tokenizer
        addedTokenCount = tokenizer.encode("", addSpecialTokens: true).count
        ordinaryTokenIDs = (0..<tokenizer.vocabularySize).filter { id in
            TokenID(exactly: id).map { !tokenizer.isSpecial($0) } ?? false
        }
    }

    func decode(_ tokens: [Int]) -> String {
        tokenizer.decode(tokens.compactMap { TokenID(exactly: $0) }, skipSpecialTokens: false)
    }

    func encode(_ text: String) -> [Int] {
        tokenizer.encode(text, addSpecialTokens: false).map { Int($0) }
    }
}
