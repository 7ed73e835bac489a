// `pagoda bench scheduler replay`: one trace under several arrangements of batches and memory.

internal import ArgumentParser
internal import Benchmarking
internal import Engine
internal import JSON
internal import Kernels
internal import ModelFiles
internal import Scheduling
internal import Simulation
internal import Workload

struct BenchReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Replay a trace of mixed lengths in simulated time: static and continuous, contiguous and paged.",
        discussion: """
            Three arrangements have the same memory for keys and values. Static, contiguous: batches run until all of \
            them have ended, whoever has ended is computed on as padding, and each sequence has room for the longest. \
            Continuous, contiguous: whoever ends makes place at once. Continuous, paged: what Pagoda does. Who runs \
            when is decided by the real scheduler; what a step takes is an assumption, or, with MODEL, learned from \
            steps of that model on this machine. With MODEL the first and the last arrangement are run on the real \
            engine as well.
            """)

    @OptionGroup(title: "Trace") var traffic: MixedTraceOptions
    @OptionGroup(title: "Costs without a model") var assumed: CostOptions
    @OptionGroup var options: BenchOptions

    private var hasModel: Bool { options.model.modelArgument != nil || options.model.modelOption != nil }

    func validate() throws {
        guard options.sampleCount == 1 else {
            throw CommandError.invalidOption(
                name: "n", value: "\(options.sampleCount)", allowed: "1: contiguous sequences share nothing")
        }
        guard options.cache.kvCacheMemoryBytes == nil else {
            throw CommandError.invalidOption(
                name: "kv-cache-memory-bytes", value: "\(options.cache.kvCacheMemoryBytes?.value ?? 0)",
                allowed: "--kv-tokens instead")
        }
        guard !hasModel || !assumed.areGiven else {
            throw CommandError.invalidOption(
                name: "step-ms, --row-ms or --context-us", value: "with a model",
                allowed: "one of the two: a model's costs are measured")
        }
        guard !hasModel || traffic.requestRate == .infinity else {
            throw CommandError.invalidOption(
                name: "request-rate", value: "\(traffic.requestRate)", allowed: "inf with a model: all at once")
        }
        _ = try maximumLength()
    }

    func run() async throws {
        try options.writeOutput()
        if hasModel { try await runBesideModel() } else { try runAlone() }
    }

    // MARK: - Settings

    /// Tokens that a sequence may have: what contiguous memory reserves for each.
    private func maximumLength() throws -> Int {
        guard let text = options.model.maxModelLen else { return traffic.longestSequence }
        guard let length = HumanCount(argument: text)?.value, length >= traffic.longestSequence,
            length <= Int(Int32.max)
        else {
            throw CommandError.invalidOption(
                name: "max-model-len", value: text,
                allowed: "at least \(traffic.longestSequence), the longest prompt and its output")
        }
        return length
    }

    private func settings() throws -> WorkloadSettings {
        let length = try maximumLength()
        var engine = EngineConfiguration(maxModelLength: length)
        try options.scheduler.apply(to: &engine)
        let blockSize = try options.cache.checkedBlockSize()
        var settings = WorkloadSettings(
            maxModelLength: length, blockSize: blockSize,
            blockCount: (traffic.kvTokens?.value ?? 16 * length) / blockSize)
        settings.maxRunningSequences = engine.maxRunningSequences
        settings.maxBatchedTokens = try positive(
            options.scheduler.maxNumBatchedTokens.value, option: "max-num-batched-tokens")
        settings.maxLogitRows = max(engine.maxRunningSequences, 64)
        settings.maxPrefillChunk = engine.maxPrefillChunk
        settings.maxBypassCount = engine.maxBypassCount
        // Nobody waits for single tokens here.
        settings.maxDecodeSlowdown = options.scheduler.maxDecodeSlowdown ?? 0
        settings.policy = engine.policy.rawValue
        settings.priorityAging = options.scheduler.priorityAging
        settings.schedulerDelay = options.scheduler.schedulerDelay / 1e3
        settings.cachesPrefixes = false
        return settings
    }

    private func replay(
        _ workload: Workload, _ settings: WorkloadSettings, _ costs: StepCostModel
    ) throws -> ReplayReport {
        var report = ReplayReport()
        for arrangement in Arrangement.allCases {
            let replay = try Replay(workload, settings: settings, costs: costs, arrangement: arrangement)
            report.add(arrangement, try replay.run())
        }
        return report
    }

    private func opening(_ trace: MixedTrace, _ settings: WorkloadSettings, costs: String) -> [String] {
        let (prompts, outputs) = (trace.promptTokens, trace.outputTokens)
        let arrivals = trace.requestRate.map { "\($0) a second" } ?? "all at once"
        return [
            "\(trace.requestCount) requests, \(arrivals): prompts of \(prompts.lowerBound) to \(prompts.upperBound) "
                + "tokens, outputs of \(outputs.lowerBound) to \(outputs.upperBound), log-uniform, seed \(trace.seed)",
            "KV cache of \(settings.blockSize * settings.blockCount) tokens: blocks of \(settings.blockSize), or "
                + "\(settings.blockSize * settings.blockCount / settings.maxModelLength) sequences of "
                + "\(settings.maxModelLength); at most \(settings.maxRunningSequences) run",
            "Costs: \(costs)",
        ]
    }

    private func setUp(_ trace: MixedTrace, _ settings: WorkloadSettings) -> [(String, JSONValue)] {
        [
            ("num_requests", .integer(Int64(trace.requestCount))),
            ("request_rate", trace.requestRate.map(JSONValue.number) ?? "inf"),
            ("min_input_len", .integer(Int64(trace.promptTokens.lowerBound))),
            ("max_input_len", .integer(Int64(trace.promptTokens.upperBound))),
            ("min_output_len", .integer(Int64(trace.outputTokens.lowerBound))),
            ("max_output_len", .integer(Int64(trace.outputTokens.upperBound))),
            ("seed", .integer(Int64(bitPattern: trace.seed))),
            ("block_size", .integer(Int64(settings.blockSize))),
            ("kv_tokens", .integer(Int64(settings.blockSize * settings.blockCount))),
            ("max_model_len", .integer(Int64(settings.maxModelLength))),
            ("max_num_seqs", .integer(Int64(settings.maxRunningSequences))),
        ]
    }

    // MARK: - Without a model

    private func runAlone() throws {
        let settings = try settings()
        let trace = traffic.trace(seed: options.model.seed, defaultCount: 1000)
        let (costs, text) = try assumed.model()
        let report = try replay(try trace.workload(settings: settings), settings, costs)
        var json = report.json
        json["costs"] = .string(text)
        for (key, value) in setUp(trace, settings) { json[key] = value }
        let lines = opening(trace, settings, costs: text) + [""] + report.lines
        Console.write(lines.map { $0 + "\n" }.joined())
        try options.writeOutput(
            JSONValue.object(json).serializedBytes(style: .python(indentation: 4)) + [UInt8(ascii: "\n")])
    }

    // MARK: - Beside a model

    private func runBesideModel() async throws {
        let settings = try settings()
        let plan = try await plan(settings)
        let benchmark = try await options.start(plan)
        let vocabularySize = plan.checkpoint.configuration.vocabularySize
        let trace = traffic.trace(seed: options.model.seed, defaultCount: 32)
        let workload = try trace.workload(settings: settings)
        var progress = ProgressLine()

        // Costs are learned from other requests than those that are predicted.
        var other = trace
        other.requestCount = max(8, trace.requestCount / 3)
        var learned: [StepSample] = []
        for round in 1...8 where learned.count < 128 {
            progress.show("measuring steps of \(other.requestCount) other requests", isLast: round == 1)
            other.seed &+= 1
            let requests = BenchmarkRequest.requests(
                of: try other.workload(settings: settings), vocabularySize: vocabularySize)
            learned += try await benchmark.run(requests).stepSamples
        }
        let costs = try StepCostModel(fittedTo: learned)
        let report = try replay(workload, settings, costs)

        let requests = BenchmarkRequest.requests(of: workload, vocabularySize: vocabularySize)
        progress.show("running \(requests.count) requests, continuously", isLast: true)
        let continuous = try await benchmark.runContinuously(requests)
        progress.show("running \(requests.count) requests, in static batches", isLast: true)
        let places = settings.blockSize * settings.blockCount / settings.maxModelLength
        let batched = try await benchmark.runStatically(
            requests, places: min(places, settings.maxRunningSequences), maxModelLength: settings.maxModelLength)
        await benchmark.engine.shutdown(draining: .zero)

        let ratio = continuous.outputTokensPerSecond / batched.outputTokensPerSecond
        let error = decimal(costs.medianError * 100, places: 1)
        let text = "learned from \(learned.count) steps of other requests, median error \(error) %"
        var json = report.json
        json["costs"] = .string(text)
        json["measured"] = [
            "static_contiguous_output_tokens_per_second": .number(batched.outputTokensPerSecond),
            "continuous_paged_output_tokens_per_second": .number(continuous.outputTokensPerSecond),
            "ratio": .number(ratio),
        ]
        try options.write(
            lines: opening(trace, settings, costs: text) + [""] + report.lines + [
                "",
                "On the real engine: \(Arrangement.staticContiguous.rawValue) "
                    + "\(decimal(batched.outputTokensPerSecond, places: 1)) output tokens/s, "
                    + "\(Arrangement.continuousPaged.rawValue) "
                    + "\(decimal(continuous.outputTokensPerSecond, places: 1)), ratio \(decimal(ratio, places: 2)) "
                    + "(simulated \(decimal(report.ratio(of: .continuousPaged), places: 2)))",
            ],
            json: json, setUp: setUp(trace, settings), plan: plan)
    }

    /// The plan of an engine with as many KV blocks as are simulated.
    private func plan(_ settings: WorkloadSettings) async throws -> LoadPlan {
        let places = settings.blockSize * settings.blockCount / settings.maxModelLength
        guard places > 0 else {
            throw CommandError.invalidOption(
                name: "kv-tokens", value: "\(settings.blockSize * settings.blockCount)",
                allowed: "at least \(settings.maxModelLength), the longest sequence")
        }
        let blockBytes = try await options.plan(sequenceLength: traffic.longestSequence).memory.shape.bytesPerBlock
        var options = options
        options.cache.kvCacheMemoryBytes = HumanCount(blockBytes * settings.blockCount)
        return try await options.plan(sequenceLength: traffic.longestSequence)
    }
}
