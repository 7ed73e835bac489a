// One request of a load test, before it is written as JSON.

public enum LoadPrompt: Sendable, Equatable {
    case text(String)
    case tokens([Int])
}

public struct LoadRequest: Sendable, Equatable {
    /// Sent as `X-Request-Id`.
    public var id: String
    public var prompt: LoadPrompt
    /// Tokens, as far as known here; the server's own count in `usage` takes precedence.
    public var promptTokenCount: Int
    /// Tokens asked for.
    public var outputTokenCount: Int

    public init(id: String, prompt: LoadPrompt, promptTokenCount: Int, outputTokenCount: Int) {
        self.id = id
        self.prompt = prompt
        self.promptTokenCount = promptTokenCount
        self.outputTokenCount = outputTokenCount
    }
}

/// The tokenizer of the served model, if one is at hand.
public protocol PromptTokenizer: Sendable {
    /// Tokens that may stand in a random prompt: no special ones. Not empty.
    var ordinaryTokenIDs: [Int] { get }
    /// Tokens the server puts around a prompt by itself, such as BOS.
    var addedTokenCount: Int { get }
    /// The text of `tokens`, however broken.
    func decode(_ tokens: [Int]) -> String
    /// The tokens of `text`, without those that the server adds.
    func encode(_ text: String) -> [Int]
}
