// What is wrong with a command line, in a sentence that says what to write instead.

/// A command line that can't be carried out.
enum CommandError: Error, Equatable, CustomStringConvertible {
    case noModel
    case twoModels(String, String)
    case invalidModel(String, allowed: String)
    case invalidOption(name: String, value: String, allowed: String)
    /// Said plainly rather than accepted and ignored.
    case notYet(option: String, detail: String)
    case contradictsCheckpoint(quantization: String, model: String, found: String)
    case doesNotFit(MemoryPlan)
    case server(String)
    case nothingToMeasure
    /// A bound of `--fail-if` on what this run would not know.
    case boundNotMeasured(String, need: String)
    case impossibleScenario(String, reason: String)
    case otherVocabulary(model: String, reference: String, detail: String)

    var description: String {
        switch self {
        case .noModel:
            "No model named: give MODEL, a GGUF file, a Hugging Face folder or a model of the Hub, ORG/NAME."
        case .twoModels(let first, let second):
            "Two models named, \(first) and \(second); give one."
        case .invalidModel(let name, let allowed):
            "\(name) is not possible as a model here; allowed is \(allowed)."
        case .invalidOption(let name, let value, let allowed):
            "--\(name) \(value) is not possible; allowed is \(allowed)."
        case .notYet(let option, let detail):
            "--\(option) is not built yet: \(detail)."
        case .contradictsCheckpoint(let quantization, let model, let found):
            "--quantization \(quantization) contradicts \(model), which is \(found); leave the option out, or give "
                + "what fits of \(QuantizationChoice.names)."
        case .doesNotFit(let plan):
            plan.refusal
        case .server(let message):
            message
        case .nothingToMeasure:
            "Nothing to measure: give --text FILE, --choices builtin, or both."
        case .boundNotMeasured(let bound, let need):
            "--fail-if '\(bound)' needs \(need)."
        case .impossibleScenario(let scenario, let reason):
            "--what-if \(scenario) is not possible: \(reason)" + (reason.last == "." ? "" : ".")
        case .otherVocabulary(let model, let reference, let detail):
            "\(model) and \(reference) have different vocabularies (\(detail)): their logits cannot be compared."
        }
    }
}
