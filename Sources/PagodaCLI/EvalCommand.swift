// `pagoda eval`: how well a model predicts a text and answers questions, how far it is from its reference, and whether
// that is good enough.

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
        commandName: "eval",
        abstract: "Measure a model on a text and on questions, and its distance to a reference.",
        discussion: """
            Exits with 0, with \(boundBroken.rawValue) if a bound of --fail-if is broken, and with another code if it \
            could not measure.
            """)

    /// Not what a wrong command line (64) or a model that cannot be read (1) exits with.
    private static let boundBroken = ExitCode(2)

    @OptionGroup(title: "Model") var model: ModelOptions

    @Option(help: "The text: a file in UTF-8.")
    var text: String?

    @Option(help: "Tokens of a window; the second half of each window is scored.")
    var contextLength = 512

    @Option(help: "Tokens of the text to use; by default all.")
    var maxTokens: HumanCount?

    @Option(
        help: """
            Questions with answers to choose from: a file with one {"question": "…", "choices": ["…"], "answer": 0} on \
            each line, or builtin for those that come with the program.
            """)
    var choices: String?

    @Flag(help: "Compare with the reference mode: weights dequantised exactly, arithmetic and KV cache in fp32.")
    var reference = false

    @Option(help: "Compare with another checkpoint of the same vocabulary, such as the one this was quantised from.")
    var referenceModel: String?

    @Option(help: "Arithmetic of the reference: float32, or auto, which takes less memory.")
    var referenceDtype = "float32"

    @Option(
        help: """
            Exit with \(boundBroken.rawValue) if this holds, such as 'kl_mean>0.01' or 'choices<0.5'; may be repeated. \
            Names: \(QualityMetric.allCases.map(\.rawValue).joined(separator: ", ")).
            """)
    var failIf: [String] = []

    @Option(help: "Write the result as JSON to this file; - is standard output.")
    var json: String?

    @OptionGroup(title: "Cache") var cache: CacheOptions
    @OptionGroup(title: "Parallelism") var parallel: ParallelOptions

    func run() async throws {
        let output = JSONOutput(path: json)
        try output.check()
        let bounds = try self.bounds()
        let questions = try self.questions(for: bounds)
        guard text != nil || questions != nil else { throw CommandError.nothingToMeasure }
        let located = try await model.locate()
        let locatedReference = try await referenceOptions.locate()
        let plan = try plan(located, model, cache, memoryLimit: Machine.memoryBytes)
        let referencePlan = try comparesWithReference ? self.referencePlan(locatedReference, beside: plan) : nil
        let encoder = try EvalEncoder(plan.checkpoint, root: plan.root)
        if let referencePlan, referenceModel != nil {
            try encoder.check(against: referencePlan, plan, prompts: questions?.map(\.prompt) ?? [])
        }
        let windows = try text.map { try self.windows(ofFile: $0, encoder) }
        Console.report("loading \(plan.checkpoint.name)")
        let executor = try plan.makeExecutor()
        let reference = try referencePlan.map { try $0.makeExecutor() }
        var report = EvalReport(plan: plan, reference: referencePlan, windows: windows)
        if let windows {
            report.text = try TextEvaluation(executor, reference: reference).run(windows) { result in
                Console.report("window \(result.windowCount) of \(windows.count): \(EvalReport.progress(result))")
            }
        }
        if let questions {
            var line = ProgressLine()
            report.choices = try ChoiceEvaluation(executor, reference: reference).run(
                questions, contextLength: contextLength, encode: encoder.tokens(of:)
            ) { result in
                line.show(
                    "question \(result.questionCount) of \(questions.count)",
                    isLast: result.questionCount == questions.count)
            }
        }
        report.check(bounds)
        if !output.replacesText { Console.write(report.description) }
        try output.write(report.json)
        if !report.isPassed { throw Self.boundBroken }
    }

    // MARK: - Preparation

    private var comparesWithReference: Bool { reference || referenceModel != nil }

    /// The model that is compared with.
    private var referenceOptions: ModelOptions {
        var options = model
        if let referenceModel {
            options.modelArgument = referenceModel
            options.modelOption = nil
        }
        return options
    }

    /// The bounds of `--fail-if`; all of them can be measured.
    private func bounds() throws -> [QualityBound] {
        try failIf.map { text in
            let bound = try QualityBound(text)
            if bound.metric.needsReference, !comparesWithReference {
                throw CommandError.boundNotMeasured(bound.description, need: "--reference or --reference-model")
            }
            if !bound.metric.needsChoices, self.text == nil {
                throw CommandError.boundNotMeasured(bound.description, need: "--text")
            }
            return bound
        }
    }

    /// Those of `--choices`, or the program's own where a bound is about them.
    private func questions(for bounds: [QualityBound]) throws -> [ChoiceQuestion]? {
        guard choices != nil || bounds.contains(where: \.metric.needsChoices) else { return nil }
        guard let choices, choices != "builtin" else { return try ChoiceQuestion.builtIn() }
        return try ChoiceQuestion.parse(try LocalFile.text(atPath: choices, option: "choices"))
    }

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

    /// The same model or another one in exact arithmetic, in the memory that `plan` leaves.
    private func referencePlan(_ located: LocatedModel, beside plan: LoadPlan) throws -> LoadPlan {
        var model = referenceOptions, cache = cache
        model.dtype = referenceDtype
        model.quantization = nil
        model.quantizeHead = "none"
        cache.kvCacheDtype = KVCacheType.float32.rawValue
        let memory = plan.memory
        return try self.plan(
            located, model, cache,
            memoryLimit: memory.limitBytes - memory.weightBytes - memory.activationBytes - memory.cacheBytes)
    }

    private func windows(ofFile path: String, _ encoder: EvalEncoder) throws -> TextWindows {
        var tokenIDs = encoder.tokens(of: try LocalFile.text(atPath: path, option: "text"))
        if let maxTokens { tokenIDs = Array(tokenIDs.prefix(try positive(maxTokens.value, option: "max-tokens"))) }
        return try TextWindows(tokenIDs, contextLength: contextLength, bosID: encoder.bosID)
    }
}

/// Texts → tokens as an evaluation wants them: a beginning-of-sequence token where the model adds one, and nothing
/// special in the text.
struct EvalEncoder {
    private let tokenizer: Tokenizer
    let bosID: TokenID?

    /// - Parameter root: As the operator wrote it.
    init(_ checkpoint: ModelCheckpoint, root: String) throws {
        tokenizer = try LoadedModel(checkpoint: checkpoint, root: root).tokenizer
        bosID = tokenizer.addsBOS ? tokenizer.specialTokens.bosID : nil
    }

    func tokens(of text: String) -> [TokenID] {
        let tokens = tokenizer.encode(text, addSpecialTokens: false, allowsSpecialTokens: false)
        return (bosID.map { [$0] } ?? []) + tokens
    }

    /// Refuses a reference whose logits are of other tokens.
    func check(against reference: LoadPlan, _ plan: LoadPlan, prompts: [String]) throws {
        let size = plan.checkpoint.configuration.vocabularySize
        let otherSize = reference.checkpoint.configuration.vocabularySize
        guard size == otherSize else {
            throw CommandError.otherVocabulary(
                model: plan.checkpoint.name, reference: reference.checkpoint.name,
                detail: "\(size) and \(otherSize) tokens")
        }
        let other = try EvalEncoder(reference.checkpoint, root: reference.root)
        for text in prompts + ["The quick brown fox — 0123456789 — jumps over\n\tthe lazy dog: déjà vu, 你好, {}[]()."] {
            guard tokens(of: text) == other.tokens(of: text) else {
                throw CommandError.otherVocabulary(
                    model: plan.checkpoint.name, reference: reference.checkpoint.name,
                    detail: "other tokens for \(text.debugDescription)")
            }
        }
    }
}
