// What the operator allows a single request to ask for.

public struct RequestLimits: Sendable, Equatable {
    /// Largest `n`, and largest product of `n` and the number of prompts.
    public var samples = 16_384
    public var stopStrings = 4
    /// Prompts in one completion request.
    public var prompts = 1024
    public var messages = 16_384
    /// Largest `logprobs`, `top_logprobs` and `prompt_logprobs`; nil: all of the vocabulary may be asked for.
    public var logprobs: Int? = 20
    /// Tokens in `logprob_token_ids`.
    public var logprobTokens = 128
    /// Characters of `cache_salt`, and of names given by the client such as `request_id`.
    public var nameLength = 128
    /// Whether a request may bring its own chat template.
    public var trustsChatTemplates = false

    public init() {}
}
