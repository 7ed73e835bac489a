// What a request may ask of the sampler, with vLLM's names, defaults and meaning.

public import Primitives

/// Sampling parameters of one request; already validated (see the `OpenAI` target for the ranges a client may use).
public struct SamplingParameters: Sendable, Equatable {
    /// Below 1e-5: greedy.
    public var temperature: Float = 1
    public var topP: Float = 1
    /// 0: off.
    public var topK = 0
    public var minP: Float = 0
    public var presencePenalty: Float = 0
    public var frequencyPenalty: Float = 0
    public var repetitionPenalty: Float = 1
    /// Sample i of a request draws from the seed plus i. Nil: a seed of the engine's choosing.
    public var seed: UInt64?
    public var logitBias: [TokenID: Float] = [:]
    /// Nil: all tokens are allowed.
    public var allowedTokenIDs: [TokenID]?
    /// Token sequences that must not be completed.
    public var badWords: [[TokenID]] = []
    /// Until so many tokens are out, EOS and stop ids can't be drawn.
    public var minimumTokens = 0
    public var maximumTokens = 16
    /// Ids that end the sequence because the model says so (EOS); ignored under `ignoreEOS`.
    public var endOfSequenceIDs: [TokenID] = []
    /// Ids that end the sequence because the client says so.
    public var stopTokenIDs: [TokenID] = []
    public var ignoreEOS = false
    /// Nil: none; 0: only the chosen token's; k: the k most likely ones as well.
    public var logprobCount: Int?

    public init() {}

    public var isGreedy: Bool { temperature < 1e-5 }
}
