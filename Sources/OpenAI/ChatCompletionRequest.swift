// The body of POST /v1/chat/completions.

public import JSON

public struct ChatCompletionRequest: Sendable, Equatable {
    /// At least one.
    public var messages: [ChatMessage]
    public var template: ChatTemplateOptions
    /// Nil: as many as the model's configuration and its context allow.
    public var maximumTokens: Int?
    /// Whether the response carries the rendered prompt.
    public var returnsPromptText: Bool
    public var options: RequestOptions

    /// - Throws: The first field that is wrong.
    public init(json: JSONValue, limits: RequestLimits = RequestLimits()) throws(RequestError) {
        let fields = try RequestFields(json)
        messages = try ChatMessage.list(fields, limits: limits)
        options = try RequestOptions(fields, limits: limits, addsSpecialTokens: false)
        template = try ChatTemplateOptions(fields, limits: limits)
        template.tools = try ToolDefinition.list(fields)
        returnsPromptText = try fields.flag("return_prompt_text")
        // The older name counts only where the newer one is not given, but must be right all the same.
        let older = try fields.count("max_tokens", in: 1...Int.max, allowed: "at least 1")
        let newer = try fields.count("max_completion_tokens", in: 1...Int.max, allowed: "at least 1")
        maximumTokens = newer ?? older
        try options.checkMinimumTokens(against: maximumTokens, fields)
        try readLogprobs(fields, limits: limits)
    }

    private mutating func readLogprobs(_ fields: RequestFields, limits: RequestLimits) throws(RequestError) {
        let isAsked = try fields.flag("logprobs")
        let count = try fields.logprobCount("top_logprobs", limits: limits) ?? 0
        guard isAsked || count == 0 else {
            throw fields.malformed("top_logprobs", "can only be given with `logprobs`: true.")
        }
        guard isAsked || options.logprobTokenIDs == nil else {
            throw fields.malformed("logprob_token_ids", "can only be given with `logprobs`: true.")
        }
        options.logprobCount = isAsked ? count : nil
    }
}
