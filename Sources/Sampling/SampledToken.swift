// What the sampler gives back for one row.

public import Primitives

/// The logprob of one token and its place among all, 1 for the most likely.
@frozen
public struct TokenLogprob: Sendable, Equatable {
    public var token: TokenID
    public var logprob: Float
    public var rank: Int32

    public init(token: TokenID, logprob: Float, rank: Int32) {
        self.token = token
        self.logprob = logprob
        self.rank = rank
    }
}

/// Logprobs at one position: natural logarithms of the softmax of the raw logits (vLLM's `raw_logprobs`).
public struct PositionLogprobs: Sendable, Equatable {
    public var chosen: TokenLogprob
    /// The most likely tokens, in falling order.
    public var top: [TokenLogprob]

    public init(chosen: TokenLogprob, top: [TokenLogprob]) {
        self.chosen = chosen
        self.top = top
    }
}

public struct SampledToken: Sendable, Equatable {
    public var token: TokenID
    public var logprobs: PositionLogprobs?

    public init(token: TokenID, logprobs: PositionLogprobs? = nil) {
        self.token = token
        self.logprobs = logprobs
    }
}
