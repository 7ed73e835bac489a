// `pagoda eval`: how well a model predicts a text, and how far it is from its exact arithmetic.

internal import ArgumentParser
internal import Evaluation
internal import Generation
internal import JSON
internal import Kernels
internal import LoadTesting
internal import ModelFiles
internal import Models
internal import Primitives
internal import Tokenization

/// The text is taken as llama.cpp's perplexity tool takes it, see `TextWindows`: tokenised whole (what looks like a
/// special token is text), cut into windows of `--context-length` tokens, a beginning-of-sequence token in the place of
/// each window's first where the model adds one, and the second half of each window scored.
struct EvalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval", abstract: "Measure a model's perplexity on a text, and its distance to exact arithmetic.")

    @OptionGroup(title: "Model") var model: ModelOptions

    @Option(help: "The text: a file in UTF-8.")
    var text: String

    @Option(help: "Tokens of a window; the second half of each window is scored.")
    var contextLength = 512

    @Option(help: "Tokens of the text to use; by default all.")
    var maxTokens: HumanCount?

    @Flag(help: "Compare with the reference mode: weights dequantised exactly, arithmetic and KV cache in fp32.")
    var reference = false

    @Option(help: "Write the result as JSON to this file; - is standard output.")
    var json: String?

    @OptionGroup(title: "Cache") var cache: CacheOptions
    @OptionGroup(title: "Parallelism") var parallel: ParallelOptions

    func run() async throws {
        let output = JSONOutput(path: json)
        try output.check()
        let located = try await model.locate()
        let plan = try plan(located, model, cache, memoryLimit: Machine.memoryBytes)
        let referencePlan = try reference ? self.referencePlan(located, beside: plan) : nil
        let windows = try windows(of: plan)
        Console.report("loading \(plan.checkpoint.name)")
        let evaluation = TextEvaluation(
            try plan.makeExecutor(), reference: try referencePlan.map { try $0.makeExecutor() })
        let result = try evaluation.run(windows) { result in
            let other = result.divergence.map { ", reference \(decimal($0.reference.value, places: 4))" } ?? ""
            let perplexity = decimal(result.perplexity.value, places: 4)
            Console.report("window \(result.windowCount) of \(windows.count): perplexity \(perplexity)\(other)")
        }
        if !output.replacesText { Console.write(Self.text(of: result, windows)) }
        try output.write(Self.json(of: result, windows, plan))
    }

    // MARK: - Preparation

    private func plan(
        _ located: LocatedModel, _ model: ModelOptions, _ cache: CacheOptions, memoryLimit: Int
    ) throws -> LoadPlan {
        var model = model
        model.maxModelLen = model.maxModelLen ?? "\(contextLength)"
        let length = try positive(contextLength, option: "context-length")
        let scheduler = try SchedulerOptions.parse(["--max-num-seqs", "1", "--max-num-batched-tokens", "512"])
        do {
            let plan = try LoadPlan(
                located, model: model, cache: cache, scheduler: scheduler, parallel: parallel,
                memoryLimit: memoryLimit)
            guard length <= plan.executor.maximumModelLength else {
                throw ModelError.contextTooLong(asked: length, supported: plan.executor.maximumModelLength)
            }
            return plan
        } catch ModelError.contextTooLong(_, let supported) {
            throw CommandError.invalidOption(
                name: "context-length", value: "\(length)", allowed: "at most the model's \(supported)")
        }
    }

    /// The same model in exact arithmetic, in the memory that `plan` leaves.
    private func referencePlan(_ located: LocatedModel, beside plan: LoadPlan) throws -> LoadPlan {
        var model = model, cache = cache
        model.dtype = "float32"
        model.quantization = nil
        model.quantizeHead = "none"
        cache.kvCacheDtype = KVCacheType.float32.rawValue
        let memory = plan.memory
        return try self.plan(
            located, model, cache,
            memoryLimit: memory.limitBytes - memory.weightBytes - memory.activationBytes - memory.cacheBytes)
    }

    private func windows(of plan: LoadPlan) throws -> TextWindows {
        let tokenizer = try LoadedModel(checkpoint: plan.checkpoint, root: plan.root).tokenizer
        let bosID = tokenizer.addsBOS ? tokenizer.specialTokens.bosID : nil
        let content = try LocalFile.text(atPath: text, option: "text")
        var tokenIDs = tokenizer.encode(content, addSpecialTokens: false, allowsSpecialTokens: false)
        if let bosID { tokenIDs.insert(bosID, at: 0) }
        if let maxTokens { tokenIDs = Array(tokenIDs.prefix(try positive(maxTokens.value, option: "max-tokens"))) }
        return try TextWindows(tokenIDs, contextLength: contextLength, bosID: bosID)
    }

    // MARK: - Result

    private static func text(of result: TextEvaluation.Result, _ windows: TextWindows) -> String {
        let perplexity = result.perplexity
        var text = """
            perplexity \(described(perplexity)), \(perplexity.count) tokens scored in \(windows.count) windows of \
            \(windows.contextLength)
            time \(decimal(result.seconds, places: 2)) s for \(result.computedCount) tokens, \
            \(decimal(Double(result.computedCount) / result.seconds, places: 1)) tokens/s

            """
        guard let divergence = result.divergence else { return text }
        let summary = divergence.summary
        text += """
            reference perplexity \(described(divergence.reference)), ratio \
            \(decimal(perplexity.value / divergence.reference.value, places: 5))
            KL divergence: mean \(decimal(summary.mean, places: 6)), median \(decimal(summary.median, places: 6)), \
            P99 \(decimal(summary.percentile99, places: 6)), maximum \(decimal(summary.maximum, places: 6))
            top-1 agreement \(decimal(divergence.agreement * 100, places: 2)) %

            """
        return text
    }

    private static func described(_ perplexity: Perplexity) -> String {
        "\(decimal(perplexity.value, places: 4)) ± \(decimal(perplexity.standardError, places: 4))"
    }

    private static func json(of result: TextEvaluation.Result, _ windows: TextWindows, _ plan: LoadPlan) -> JSONValue {
        var object = JSONObject()
        object["model"] = .string(plan.checkpoint.name)
        object["arithmetic"] = .string(plan.executor.computesInFloat32 ? "float32" : "auto")
        object["kv_cache_dtype"] = .string(plan.executor.cacheType.rawValue)
        object["instruction_set"] = .string(KernelSet(plan.executor.instructionSet).instructionSet.rawValue)
        object["threads"] = .integer(Int64(plan.executor.threadCount))
        object["context_length"] = .integer(Int64(windows.contextLength))
        object["windows"] = .integer(Int64(windows.count))
        object["tokens_scored"] = .integer(Int64(result.perplexity.count))
        object["tokens_computed"] = .integer(Int64(result.computedCount))
        object["seconds"] = .number(result.seconds)
        object["tokens_per_second"] = .number(Double(result.computedCount) / result.seconds)
        object["perplexity"] = .number(result.perplexity.value)
        object["perplexity_standard_error"] = .number(result.perplexity.standardError)
        guard let divergence = result.divergence else { return .object(object) }
        let summary = divergence.summary
        object["reference"] = [
            "perplexity": .number(divergence.reference.value),
            "perplexity_standard_error": .number(divergence.reference.standardError),
            "perplexity_ratio": .number(result.perplexity.value / divergence.reference.value),
            "kl_divergence": [
                "mean": .number(summary.mean), "median": .number(summary.median),
                "p99": .number(summary.percentile99), "maximum": .number(summary.maximum),
            ],
            "top_1_agreement": .number(divergence.agreement),
        ]
        return .object(object)
    }
}
