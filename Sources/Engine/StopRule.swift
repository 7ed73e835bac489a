// When a sequence ends by what it has produced.

public import Primitives
public import Sampling

/// The rules of one request, in the order of vLLM's `check_stop` (`v1/core/sched/utils.py`).
///
/// Stop strings are not here: only whoever makes text of the tokens can see them.
public struct StopRule: Sendable {
    /// Why a sequence ends.
    public struct Verdict: Sendable, Equatable {
        public var reason: FinishReason
        /// Set if the client named the id.
        public var stopTokenID: TokenID?

        public init(reason: FinishReason, stopTokenID: TokenID? = nil) {
            self.reason = reason
            self.stopTokenID = stopTokenID
        }
    }

    private let endOfSequenceIDs: [TokenID]
    private let stopTokenIDs: [TokenID]
    private let maximumTokens: Int

    /// - Parameter maxModelLength: tokens a sequence may have, prompt and output together.
    public init(parameters: SamplingParameters, promptTokenCount: Int, maxModelLength: Int) {
        endOfSequenceIDs = parameters.ignoreEOS ? [] : parameters.endOfSequenceIDs
        stopTokenIDs = parameters.stopTokenIDs
        maximumTokens = min(parameters.maximumTokens, maxModelLength - promptTokenCount)
    }

    /// Judges `token`, the last of `generatedCount`. Nil: go on.
    public func verdict(on token: TokenID, generatedCount: Int) -> Verdict? {
        // `minimumTokens` needs no rule here: the sampler does not draw these ids before that.
        if endOfSequenceIDs.contains(token) { return Verdict(reason: .stop) }
        if stopTokenIDs.contains(token) { return Verdict(reason: .stop, stopTokenID: token) }
        return generatedCount >= maximumTokens ? Verdict(reason: .length) : nil
    }
}
