// Why the engine refuses a request, or to start.

public import Primitives
import Scheduling

public enum EngineError: Error, Equatable, CustomStringConvertible {
    /// Shutting down, or stopped.
    case stopped
    case emptyPrompt
    /// `maximumTokens` is less than 1.
    case nothingToGenerate
    case tokenOutOfVocabulary(TokenID, vocabularySize: Int)
    case promptTooLong(tokenCount: Int, limit: Int)
    case tooManySamples(count: Int, limit: Int)
    /// Alone on the machine, the request would still need more cache than there is.
    case neverFits(neededBlocks: Int, blockCount: Int)
    case invalidConfiguration(String)
    /// The system gives no thread.
    case noThread(code: Int32)

    public var description: String {
        switch self {
        case .stopped:
            "The engine is shutting down and takes no more requests."
        case .emptyPrompt:
            "The prompt is empty; it needs at least one token."
        case .nothingToGenerate:
            "At least one token must be asked for."
        case .tokenOutOfVocabulary(let token, let size):
            "Token id \(token) is outside the vocabulary of \(size) tokens."
        case .promptTooLong(let count, let limit):
            "The prompt has \(count) tokens, which leaves no room to answer within the context length of \(limit)."
        case .tooManySamples(let count, let limit):
            "Samples must be between 1 and \(limit), the number of sequences that run at once; \(count) were asked for."
        case .neverFits(let needed, let count):
            "The request may need \(needed) blocks of KV cache and there are \(count); ask for fewer tokens."
        case .invalidConfiguration(let reason):
            "The engine's configuration is not valid: \(reason)."
        case .noThread(let code):
            "The system gave no thread for the engine (error \(code))."
        }
    }

    init(_ error: SchedulingError) {
        self =
            switch error {
            case .emptyPrompt: .emptyPrompt
            case .nothingToGenerate: .nothingToGenerate
            case .promptTooLong(let count, let limit): .promptTooLong(tokenCount: count, limit: limit)
            case .tooManySamples(let count, let limit): .tooManySamples(count: count, limit: limit)
            case .neverFits(let needed, let count): .neverFits(neededBlocks: needed, blockCount: count)
            case .unknownTenant(let index): .invalidConfiguration("there is no tenant number \(index)")
            }
    }
}
