// Why a model could not be measured.

public import Models

/// What stands against an evaluation; nothing in it is the model's quality.
public enum EvaluationError: Error, Equatable, CustomStringConvertible {
    case contextTooShort(contextLength: Int, least: Int)
    case textTooShort(tokenCount: Int, contextLength: Int)
    /// Logits that are infinite or no numbers, after the token at `position` of a window or prompt.
    case notFinite(position: Int)
    case cacheTooSmall(blockCount: Int)
    case execution(ExecutionError)
    /// A line of a file of questions.
    case badQuestion(line: Int, reason: String)
    case noQuestions
    case questionTooLong(number: Int, tokenCount: Int, contextLength: Int)
    case questionTooShort(number: Int)

    public var description: String {
        switch self {
        case .contextTooShort(let contextLength, let least):
            "A context of \(contextLength) tokens leaves nothing to score; take at least \(least)."
        case .textTooShort(let tokenCount, let contextLength):
            "The text has \(tokenCount) tokens, less than one context of \(contextLength); take a longer text or a "
                + "smaller --context-length."
        case .notFinite(let position):
            "The logits after position \(position) are not finite numbers; the weights are damaged, or overflow."
        case .cacheTooSmall(let blockCount):
            "The KV cache of \(blockCount) blocks does not hold the sequences; give it more memory "
                + "(--kv-cache-memory-bytes), or take fewer or shorter prompts."
        case .execution(let error):
            "\(error)"
        case .badQuestion(let line, let reason):
            "Line \(line) of the questions cannot be used: \(reason)."
        case .noQuestions:
            "The file of questions has none; write one on each line: "
                + #"{"question": "…", "choices": ["…", "…"], "answer": 0}."#
        case .questionTooLong(let number, let tokenCount, let contextLength):
            "Question \(number) has \(tokenCount) tokens with an answer, more than a context of \(contextLength); "
                + "take a larger --context-length."
        case .questionTooShort(let number):
            "Question \(number) has no token before its answer."
        }
    }
}
