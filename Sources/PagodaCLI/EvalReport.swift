// What `pagoda eval` says: for people, for programs, and by its exit code.

internal import Evaluation
internal import JSON
internal import Kernels
internal import ModelFiles
internal import Models

/// Everything that one evaluation measured.
struct EvalReport {
    let plan: LoadPlan
    let reference: LoadPlan?
    let windows: TextWindows?
    var text: TextEvaluation.Result?
    var choices: ChoiceEvaluation.Result?
    private(set) var verdicts: [(bound: QualityBound, value: Double, isBroken: Bool)] = []

    init(plan: LoadPlan, reference: LoadPlan?, windows: TextWindows?) {
        self.plan = plan
        self.reference = reference
        self.windows = windows
    }

    var isPassed: Bool { !verdicts.contains(where: \.isBroken) }

    mutating func check(_ bounds: [QualityBound]) {
        verdicts = bounds.map { bound in
            let value = value(of: bound.metric) ?? .nan
            return (bound, value, bound.isBroken(by: value))
        }
    }

    /// Nil where it was not measured.
    private func value(of metric: QualityMetric) -> Double? {
        switch metric {
        case .perplexity: text?.perplexity.value
        case .perplexityRatio:
            text.flatMap { text in text.divergence.map { text.perplexity.value / $0.reference.value } }
        case .divergenceMean: text?.divergence?.summary.mean
        case .divergenceMedian: text?.divergence?.summary.median
        case .divergencePercentile99: text?.divergence?.summary.percentile99
        case .divergenceMaximum: text?.divergence?.summary.maximum
        case .topOneAgreement: text?.divergence?.agreement
        case .choices: choices?.normalisedAccuracy
        case .choicesPlain: choices?.plainAccuracy
        case .choicesAgreement: choices.flatMap { $0.reference == nil ? nil : $0.agreement }
        }
    }

    // MARK: - Text

    /// A line's worth of what is known so far.
    static func progress(_ result: TextEvaluation.Result) -> String {
        let other = result.divergence.map { ", reference \(decimal($0.reference.value, places: 4))" } ?? ""
        return "perplexity \(decimal(result.perplexity.value, places: 4))\(other)"
    }

    var description: String {
        var lines: [String] = []
        if let text, let windows { lines += Self.lines(text, windows) }
        if let choices { lines += Self.lines(choices) }
        for verdict in verdicts {
            lines.append(
                "bound \(verdict.bound): \(verdict.isBroken ? "BROKEN" : "kept"), \(verdict.bound.metric.rawValue) is "
                    + decimal(verdict.value, places: 6))
        }
        return lines.map { $0 + "\n" }.joined()
    }

    private static func lines(_ result: TextEvaluation.Result, _ windows: TextWindows) -> [String] {
        let perplexity = result.perplexity
        let measured = [
            "perplexity \(described(perplexity)), \(perplexity.count) tokens scored in \(windows.count) windows of "
                + "\(windows.contextLength)",
            "time \(decimal(result.seconds, places: 2)) s for \(result.computedCount) tokens, "
                + "\(decimal(Double(result.computedCount) / result.seconds, places: 1)) tokens/s",
        ]
        guard let divergence = result.divergence else { return measured }
        let summary = divergence.summary
        return measured + [
            "reference perplexity \(described(divergence.reference)), ratio "
                + decimal(perplexity.value / divergence.reference.value, places: 5),
            "KL divergence: mean \(decimal(summary.mean, places: 6)), median \(decimal(summary.median, places: 6)), "
                + "P99 \(decimal(summary.percentile99, places: 6)), maximum \(decimal(summary.maximum, places: 6))",
            "top-1 agreement \(decimal(divergence.agreement * 100, places: 2)) %",
        ]
    }

    private static func lines(_ result: ChoiceEvaluation.Result) -> [String] {
        func share(_ count: Int) -> String { "\(decimal(result.share(count) * 100, places: 1)) %" }
        var lines = [
            "choices: \(share(result.score.normalisedRightCount)) of \(result.questionCount) questions right by "
                + "log-likelihood a byte, \(share(result.score.plainRightCount)) by log-likelihood"
        ]
        if let reference = result.reference {
            lines.append(
                "reference choices: \(share(reference.normalisedRightCount)) and \(share(reference.plainRightCount)), "
                    + "the same answer to \(share(result.agreementCount))")
        }
        return lines
    }

    private static func described(_ perplexity: Perplexity) -> String {
        "\(decimal(perplexity.value, places: 4)) ± \(decimal(perplexity.standardError, places: 4))"
    }

    // MARK: - JSON

    var json: JSONValue {
        var object = JSONObject()
        object["model"] = .string(plan.checkpoint.name)
        object["arithmetic"] = .string(plan.executor.computesInFloat32 ? "float32" : "auto")
        object["kv_cache_dtype"] = .string(plan.executor.cacheType.rawValue)
        object["instruction_set"] = .string(KernelSet(plan.executor.instructionSet).instructionSet.rawValue)
        object["threads"] = .integer(Int64(plan.executor.threadCount))
        if let text, let windows { add(text, windows, to: &object) }
        if let referenced = referenceObject { object["reference"] = .object(referenced) }
        if let choices {
            var members = Self.json(choices.score, of: choices)
            members["questions"] = .integer(Int64(choices.questionCount))
            object["choices"] = .object(members)
        }
        object["bounds"] = .array(
            verdicts.map { verdict in
                [
                    "bound": .string(verdict.bound.description), "metric": .string(verdict.bound.metric.rawValue),
                    "value": verdict.value.isFinite ? .number(verdict.value) : .null, "broken": .bool(verdict.isBroken),
                ]
            })
        object["passed"] = .bool(isPassed)
        return .object(object)
    }

    private func add(_ result: TextEvaluation.Result, _ windows: TextWindows, to object: inout JSONObject) {
        object["context_length"] = .integer(Int64(windows.contextLength))
        object["windows"] = .integer(Int64(windows.count))
        object["tokens_scored"] = .integer(Int64(result.perplexity.count))
        object["tokens_computed"] = .integer(Int64(result.computedCount))
        object["seconds"] = .number(result.seconds)
        object["tokens_per_second"] = .number(Double(result.computedCount) / result.seconds)
        object["perplexity"] = .number(result.perplexity.value)
        object["perplexity_standard_error"] = .number(result.perplexity.standardError)
    }

    private var referenceObject: JSONObject? {
        guard let reference else { return nil }
        var object = JSONObject()
        object["model"] = .string(reference.checkpoint.name)
        object["arithmetic"] = .string(reference.executor.computesInFloat32 ? "float32" : "auto")
        if let text, let divergence = text.divergence {
            let summary = divergence.summary
            object["perplexity"] = .number(divergence.reference.value)
            object["perplexity_standard_error"] = .number(divergence.reference.standardError)
            object["perplexity_ratio"] = .number(text.perplexity.value / divergence.reference.value)
            object["kl_divergence"] = [
                "mean": .number(summary.mean), "median": .number(summary.median),
                "p99": .number(summary.percentile99), "maximum": .number(summary.maximum),
            ]
            object["top_1_agreement"] = .number(divergence.agreement)
        }
        if let choices, let score = choices.reference {
            var members = Self.json(score, of: choices)
            members["agreement"] = .number(choices.agreement)
            object["choices"] = .object(members)
        }
        return object
    }

    private static func json(_ score: ChoiceEvaluation.Score, of result: ChoiceEvaluation.Result) -> JSONObject {
        var object = JSONObject()
        object["accuracy_normalised"] = .number(result.share(score.normalisedRightCount))
        object["accuracy_plain"] = .number(result.share(score.plainRightCount))
        return object
    }
}
