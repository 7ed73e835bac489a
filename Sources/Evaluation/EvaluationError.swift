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
        }
    }
}
