// The bodies of POST /tokenize and POST /detokenize.

public import JSON

public struct TokenizeRequest: Sendable, Equatable {
    public enum Input: Sendable, Equatable {
        case prompt(String)
        case messages([ChatMessage], ChatTemplateOptions)
    }

    public var model: String?
    public var input: Input
    public var addsSpecialTokens: Bool
    /// Whether the answer has the text of each token as well.
    public var returnsTokenStrings: Bool

    public init(json: JSONValue, limits: RequestLimits = RequestLimits()) throws(RequestError) {
        let fields = try RequestFields(json)
        model = try fields.string("model")
        returnsTokenStrings = try fields.flag("return_token_strs")
        if let prompt = try fields.string("prompt") {
            input = .prompt(prompt)
            addsSpecialTokens = try fields.flag("add_special_tokens", default: true)
            return
        }
        guard fields.value("messages") != nil else {
            throw fields.malformed("prompt", "must be given, or `messages` instead.")
        }
        var template = try ChatTemplateOptions(fields, limits: limits)
        template.tools = try ToolDefinition.definitions(try fields.array("tools") ?? [])
        input = .messages(try ChatMessage.list(fields, limits: limits), template)
        addsSpecialTokens = try fields.flag("add_special_tokens")
    }
}

public struct DetokenizeRequest: Sendable, Equatable {
    public var model: String?
    public var tokens: [Int32]

    public init(json: JSONValue) throws(RequestError) {
        let fields = try RequestFields(json)
        model = try fields.string("model")
        guard let tokens = try fields.tokens("tokens") else { throw fields.malformed("tokens", "must be given.") }
        self.tokens = tokens
    }
}
