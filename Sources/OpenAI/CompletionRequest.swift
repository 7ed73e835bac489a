// The body of POST /v1/completions.

public import JSON

public struct CompletionRequest: Sendable, Equatable {
    public enum Prompt: Sendable, Equatable {
        case text(String)
        /// Token ids, each at least 0; whether the model has them is not known here.
        case tokens([Int32])
    }

    /// At least one; none of them is an empty list of tokens.
    public var prompts: [Prompt]
    /// 0 only with `echo`: then the prompt comes back and nothing is generated.
    public var maximumTokens: Int
    public var options: RequestOptions

    /// What OpenAI's API generates when nothing is said.
    private static let defaultMaximumTokens = 16

    /// - Throws: The first field that is wrong.
    public init(json: JSONValue, limits: RequestLimits = RequestLimits()) throws(RequestError) {
        let fields = try RequestFields(json)
        prompts = try Self.prompts(fields, limit: limits.prompts)
        options = try RequestOptions(fields, limits: limits, addsSpecialTokens: true)
        guard options.sampleCount <= max(limits.samples / prompts.count, 1) else {
            throw fields.invalid("n", "times the number of prompts must be at most \(limits.samples).")
        }
        let least = options.echo ? 0 : 1
        maximumTokens =
            try fields.count("max_tokens", in: least...Int.max, allowed: "at least \(least)")
            ?? Self.defaultMaximumTokens
        try options.checkMinimumTokens(against: maximumTokens, fields)
        options.logprobCount = try fields.logprobCount("logprobs", limits: limits)
        guard options.logprobTokenIDs == nil || options.logprobCount != nil else {
            throw fields.malformed("logprob_token_ids", "can only be given with `logprobs`.")
        }
        // With echo the prompt's tokens are part of the text, so they have logprobs too.
        if options.echo, options.promptLogprobCount == nil { options.promptLogprobCount = options.logprobCount }
    }

    private static func prompts(_ fields: RequestFields, limit: Int) throws(RequestError) -> [Prompt] {
        switch fields.value("prompt") {
        case .string(let text) where !text.isEmpty:
            return [.text(text)]
        case .array(let elements) where !elements.isEmpty:
            // A list of numbers is one prompt; any other list has one prompt in each element.
            if elements[0].doubleValue != nil { return [.tokens(try fields.tokens(elements, of: "prompt"))] }
            guard elements.count <= limit else {
                throw fields.malformed("prompt", "holds \(elements.count) prompts, and \(limit) are allowed.")
            }
            return elements[0].stringValue != nil
                ? try texts(elements, fields) : try tokenLists(elements, fields)
        case nil, .string, .array:
            throw fields.malformed("prompt", "must be given and not be empty.")
        default:
            throw Self.wrongType(fields)
        }
    }

    private static func texts(_ elements: [JSONValue], _ fields: RequestFields) throws(RequestError) -> [Prompt] {
        var prompts: [Prompt] = []
        for element in elements {
            guard let text = element.stringValue else { throw wrongType(fields) }
            prompts.append(.text(text))
        }
        return prompts
    }

    private static func tokenLists(_ elements: [JSONValue], _ fields: RequestFields) throws(RequestError) -> [Prompt] {
        var prompts: [Prompt] = []
        for element in elements {
            guard let ids = element.arrayValue else { throw wrongType(fields) }
            guard !ids.isEmpty else { throw fields.malformed("prompt", "holds an empty list of tokens.") }
            prompts.append(.tokens(try fields.tokens(ids, of: "prompt")))
        }
        return prompts
    }

    private static func wrongType(_ fields: RequestFields) -> RequestError {
        fields.malformed("prompt", "must be a string, a list of strings, a list of tokens or a list of such lists.")
    }
}
