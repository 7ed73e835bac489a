// What a client, over HTTP or on the command line, asks of a model in words.

public import JSON
public import Primitives

/// A conversation for the model's chat template.
public struct ChatPrompt: Sendable, Equatable {
    /// As templates get them: objects with `role`, `content` and so on.
    public var messages: [JSONValue]
    public var tools: [JSONValue] = []
    public var documents: [JSONValue]?
    /// Whether the prompt ends with the opening of the assistant's turn.
    public var addsGenerationPrompt = true
    /// Whether the prompt ends with the last message's text, for the model to go on with.
    public var continuesFinalMessage = false
    /// Further variables for the template.
    public var variables = JSONObject()
    /// Instead of the model's own.
    public var template: String?

    public init(messages: [JSONValue]) {
        self.messages = messages
    }
}

/// From which end a prompt that is too long loses tokens.
public enum PromptTruncation: Sendable, Equatable {
    /// Keeps the last tokens.
    case keepingEnd(Int)
    /// Keeps the first tokens.
    case keepingStart(Int)
}

/// One prompt, and how to continue it. Nil: the model's own default, then the API's.
public struct GenerationRequest: Sendable {
    public enum Prompt: Sendable, Equatable {
        /// Special tokens in it are special: whoever writes the whole prompt writes its markup too.
        case text(String)
        case tokens([TokenID])
        case chat(ChatPrompt)
    }

    public var prompt: Prompt
    /// Whether the tokenizer adds its own, such as BOS. Templates write them themselves.
    public var addsSpecialTokens: Bool
    public var truncation: PromptTruncation?

    public var temperature: Double?
    public var topP: Double?
    public var topK: Int?
    public var minP: Double?
    public var presencePenalty: Double?
    public var frequencyPenalty: Double?
    public var repetitionPenalty: Double?
    public var seed: Int64?
    public var logitBias: [TokenID: Float] = [:]
    public var allowedTokenIDs: [TokenID]?
    public var badWords: [String] = []

    /// Nil: as many as the model's configuration and its context allow. 0: the prompt alone is computed.
    public var maximumTokens: Int?
    public var minimumTokens = 0
    public var stopStrings: [String] = []
    public var stopTokenIDs: [TokenID] = []
    public var ignoresEOS = false
    /// Whether what ended the text (a stop string or token) stays in it.
    public var includesStop = false
    public var skipsSpecialTokens = true

    public var sampleCount = 1
    /// Lower goes first.
    public var priority = 0
    /// It is dropped if it has not begun to run by then.
    public var startBy: Instant?
    /// It is dropped then, whatever has come of it.
    public var deadline: Instant?
    /// Keeps the prefixes that this request finds and leaves in the cache apart from those of others.
    public var cacheSalt: String?
    /// Nil: none; 0: the chosen token's own; k: the k most likely ones as well; -1: all of the vocabulary's.
    public var logprobCount: Int?
    public var promptLogprobCount: Int?

    public init(prompt: Prompt) {
        self.prompt = prompt
        if case .chat = prompt { addsSpecialTokens = false } else { addsSpecialTokens = true }
    }
}
