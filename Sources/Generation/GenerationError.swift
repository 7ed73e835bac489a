// Why a request can't be turned into a prompt, or a checkpoint into a model that is served.

import Engine

public enum GenerationError: Error, CustomStringConvertible {
    /// The conversation does not suit the model's chat template, or the template is at fault.
    case template(String)
    case noChatTemplate
    /// The value of one parameter can't be, on this model.
    case invalid(String, parameter: String)
    /// The engine is shutting down, or has stopped.
    case stopped
    /// The checkpoint's tokenizer or chat template can't be used.
    case unusableCheckpoint(String)

    public var description: String {
        switch self {
        case .template(let sentence): sentence
        case .noChatTemplate:
            "The model has no chat template: use /v1/completions, or start the server with --chat-template."
        case .invalid(let sentence, _): sentence
        case .stopped: "The server is shutting down and takes no more requests."
        case .unusableCheckpoint(let reason): "The checkpoint can't be used: \(reason)"
        }
    }

    /// What the engine's refusal means for a request.
    init(_ error: EngineError) {
        let sentence = "\(error)"
        self =
            switch error {
            case .emptyPrompt, .tokenOutOfVocabulary: .invalid(sentence, parameter: "prompt")
            case .promptTooLong: .invalid(sentence, parameter: "input_tokens")
            case .tooManySamples: .invalid(sentence, parameter: "n")
            case .nothingToGenerate, .neverFits: .invalid(sentence, parameter: "max_tokens")
            case .stopped, .invalidConfiguration, .noThread: .stopped
            }
    }
}
