// Bounds on what an evaluation may say, for pipelines that must stop at a bad model.

/// What can be bounded, by its name on the command line.
public enum QualityMetric: String, Sendable, CaseIterable {
    case perplexity
    /// Perplexity over the reference's.
    case perplexityRatio = "perplexity_ratio"
    case divergenceMean = "kl_mean"
    case divergenceMedian = "kl_median"
    case divergencePercentile99 = "kl_p99"
    case divergenceMaximum = "kl_max"
    /// Share of positions at which model and reference name the same token as the most likely.
    case topOneAgreement = "top1"
    /// Share of questions answered right, by the length-normalised and by the plain score.
    case choices
    case choicesPlain = "choices_plain"
    /// Share of questions to which model and reference give the same answer.
    case choicesAgreement = "choices_agreement"

    public var needsReference: Bool {
        switch self {
        case .perplexity, .choices, .choicesPlain: false
        default: true
        }
    }

    public var needsChoices: Bool {
        switch self {
        case .choices, .choicesPlain, .choicesAgreement: true
        default: false
        }
    }

    static let names = allCases.map(\.rawValue).joined(separator: ", ")
}

/// A condition under which a model fails, such as `kl_mean>0.01`.
public struct QualityBound: Sendable, Equatable, CustomStringConvertible {
    public enum Comparison: String, Sendable, CaseIterable {
        case above = ">", notBelow = ">=", below = "<", notAbove = "<="
    }

    public let metric: QualityMetric
    public let comparison: Comparison
    public let limit: Double
    /// As it was written.
    public let description: String

    /// Reads a name of `QualityMetric`, one of > >= < <= and a number, with or without spaces between.
    public init(_ text: String) throws(QualityBoundError) {
        guard let start = text.firstIndex(where: { "<>".contains($0) }) else { throw .noComparison(text) }
        var rest = text[start...].dropFirst()
        let isEqualToo = rest.first == "="
        if isEqualToo { rest = rest.dropFirst() }
        let sign = String(text[start]) + (isEqualToo ? "=" : "")
        guard let comparison = Comparison(rawValue: sign) else { throw .noComparison(text) }
        let name = String(text[..<start]).trimmed
        guard let metric = QualityMetric(rawValue: name) else { throw .unknownMetric(name, text) }
        let number = String(rest).trimmed
        guard let limit = Double(number), limit.isFinite else { throw .noNumber(number, text) }
        self.metric = metric
        self.comparison = comparison
        self.limit = limit
        description = text
    }

    /// Whether `value` is one that must not be; what is no number always is.
    public func isBroken(by value: Double) -> Bool {
        guard !value.isNaN else { return true }
        return switch comparison {
        case .above: value > limit
        case .notBelow: value >= limit
        case .below: value < limit
        case .notAbove: value <= limit
        }
    }
}

/// What is wrong with a bound as it was written.
public enum QualityBoundError: Error, Equatable, CustomStringConvertible {
    case noComparison(String)
    case unknownMetric(String, String)
    case noNumber(String, String)

    public var description: String {
        switch self {
        case .noComparison(let text):
            "--fail-if \(text.debugDescription) has none of > >= < <=; write it as 'kl_mean>0.01'."
        case .unknownMetric(let name, let text):
            "--fail-if \(text.debugDescription) bounds \(name.debugDescription), which is none of "
                + "\(QualityMetric.names)."
        case .noNumber(let number, let text):
            "--fail-if \(text.debugDescription) compares with \(number.debugDescription), which is no number."
        }
    }
}

extension String {
    fileprivate var trimmed: String {
        let isSpace: (Character) -> Bool = { $0.isWhitespace }
        return String(drop(while: isSpace).reversed().drop(while: isSpace).reversed())
    }
}
