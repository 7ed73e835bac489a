// What the engine tells a request: tokens out.

public import Primitives
public import Sampling

/// Why a sequence ended. Raw values are vLLM's `finished_reason` label.
public enum FinishReason: String, Sendable, CaseIterable {
    /// EOS, a stop id or a stop string.
    case stop
    /// `max_tokens`, or the end of the context.
    case length
    /// Cancelled by its client or by shutdown.
    case abort
    /// The engine failed.
    case error
}

/// One thing that happened to a request.
///
/// Laws: every choice gets exactly one `.finished`, after which nothing comes for it; the stream ends after the last
/// choice's; both hold on abort, error and shutdown as well.
public enum EngineEvent: Sendable, Equatable {
    /// Logprobs of the prompt's tokens from the second on (the first has none); at most once, before any token.
    case promptLogprobs([PositionLogprobs])
    /// The token that ends a choice (EOS, a stop id) is told as well.
    case token(choice: Int, SampledToken)
    /// `stopTokenID` is set if an id of the client's `stopTokenIDs` ended it.
    case finished(choice: Int, FinishReason, stopTokenID: TokenID?)
}
