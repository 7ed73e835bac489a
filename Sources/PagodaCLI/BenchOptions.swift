// The options that the benchmarks in this process share, and the engine they make of them.

internal import ArgumentParser
internal import Benchmarking
internal import JSON
internal import Kernels
internal import LoadTesting
internal import ModelFiles
internal import Models

struct BenchOptions: ParsableArguments {
    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Cache") var cache: CacheOptions
    @OptionGroup(title: "Scheduler") var scheduler: SchedulerOptions
    @OptionGroup(title: "Parallelism") var parallel: ParallelOptions

    @Option(name: .customLong("n"), help: "Continuations of each prompt; they share its KV blocks.")
    var sampleCount = 1

    @Option(help: "A file for the result in JSON.")
    var outputJson: String?

    /// How the model will be run.
    ///
    /// - Parameter sequenceLength: Tokens of the longest sequence, prompt and output; it is the default of
    ///   `--max-model-len`, so that the cache is not planned for a context that nothing fills.
    func plan(sequenceLength: Int) async throws -> LoadPlan {
        var model = model, cache = cache, scheduler = scheduler
        if model.maxModelLen == nil { model.maxModelLen = "\(sequenceLength)" }
        // As in vLLM's benchmarks: a prefix found in the cache is not measured.
        if cache.enablePrefixCaching == nil { cache.enablePrefixCaching = false }
        // Nobody waits for single tokens here.
        if scheduler.maxDecodeSlowdown == nil { scheduler.maxDecodeSlowdown = 0 }
        let plan = try LoadPlan(
            try await model.locate(), model: model, cache: cache, scheduler: scheduler, parallel: parallel)
        guard plan.executor.maximumModelLength >= sequenceLength else {
            throw CommandError.invalidOption(
                name: "max-model-len", value: "\(plan.executor.maximumModelLength)",
                allowed: "at least \(sequenceLength), the longest prompt and its output")
        }
        return plan
    }

    /// Loads the model and starts its engine, and says what runs.
    func start(_ plan: LoadPlan) async throws -> EngineBenchmark {
        var progress = ProgressLine()
        progress.show("loading \(plan.root)")
        let recorder = StepRecorder()
        let engine = try await plan.startEngine(
            observer: recorder, progress: { _ in },
            loaded: { executor in Console.note("\(MemoryPlan.megabytes(executor.weightBytes)) of packed weights\n") })
        let set = KernelSet(plan.executor.instructionSet).instructionSet.rawValue
        progress.show(
            "\(plan.checkpoint.name): \(set), \(plan.executor.threadCount) threads, KV cache of "
                + "\(plan.memory.cacheTokens) tokens in \(plan.executor.cacheType.rawValue)", isLast: true)
        return EngineBenchmark(engine: engine, recorder: recorder)
    }

    /// Draws random prompts; the same for the same `--seed` and round.
    func requests(_ prompts: RandomDataset, count: Int, round: Int, plan: LoadPlan) throws -> [BenchmarkRequest] {
        var prompts = prompts
        prompts.tokenRange = 0..<plan.checkpoint.configuration.vocabularySize
        let seed = model.seed &+ UInt64(round)
        return try prompts.requests(count: count, material: .tokenIDs, idPrefix: "", seed: seed)
            .compactMap { BenchmarkRequest($0, sampleCount: sampleCount) }
    }

    /// Prints the lines and writes the JSON, with what it was measured with behind vLLM's own keys.
    func write(lines: [String], json: JSONObject, setUp: [(String, JSONValue)], plan: LoadPlan) throws {
        var json = json
        json["model"] = .string(plan.root)
        json["instruction_set"] = .string(KernelSet(plan.executor.instructionSet).instructionSet.rawValue)
        json["threads"] = .integer(Int64(plan.executor.threadCount))
        json["kv_cache_dtype"] = .string(plan.executor.cacheType.rawValue)
        for (key, value) in setUp { json[key] = value }
        Console.write(lines.map { $0 + "\n" }.joined())
        try writeOutput(JSONValue.object(json).serializedBytes(style: .python(indentation: 4)) + [UInt8(ascii: "\n")])
    }

    /// Writes `--output-json`; empty before the work begins, so that a wrong path is known at once.
    func writeOutput(_ bytes: [UInt8] = []) throws {
        if let outputJson { try LocalFile.write(bytes, toPath: outputJson, option: "output-json") }
    }
}
