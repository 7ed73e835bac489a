// The text of one choice, token by token.

import Engine
import Primitives
import Sampling
import Tokenization

/// Turns tokens into text, finds stop strings in it, and knows how the choice ended.
struct ChoiceDecoder: Sendable {
    private let tokenizer: Tokenizer
    private var detokenizer: IncrementalDetokenizer
    private var matcher: StopStringMatcher
    /// Ids that end a text and are no part of it.
    private let silentIDs: Set<TokenID>
    private let minimumTokens: Int
    private var tokenCount = 0
    private(set) var isFinished = false

    init(prepared: PreparedGeneration, tokenizer: Tokenizer) {
        let request = prepared.request
        let parameters = prepared.engineRequest.parameters
        self.tokenizer = tokenizer
        detokenizer = IncrementalDetokenizer(
            tokenizer: tokenizer, promptIDs: prepared.promptTokenIDs, skipSpecialTokens: request.skipsSpecialTokens)
        matcher = StopStringMatcher(stops: request.stopStrings, includeStop: request.includesStop)
        minimumTokens = request.minimumTokens
        if request.includesStop {
            silentIDs = []
        } else {
            silentIDs = Set(parameters.stopTokenIDs + (parameters.ignoreEOS ? [] : parameters.endOfSequenceIDs))
        }
    }

    /// Takes one token. The delta has an ending if a stop string was completed: then nothing may follow.
    mutating func append(_ token: SampledToken, choice: Int) -> TextDelta {
        var delta = TextDelta(choice: choice)
        tokenCount += 1
        delta.tokenIDs = [token.token]
        delta.logprobs = token.logprobs.map { [tokenizer.readable($0)] } ?? []
        guard !silentIDs.contains(token.token) else { return delta }
        // Stop strings within the tokens that the client wants in any case don't count.
        let (emitted, stop) = matcher.append(detokenizer.append(token.token), searches: tokenCount > minimumTokens)
        delta.text = emitted
        if let stop {
            isFinished = true
            delta.ending = ChoiceEnding(reason: .stop, stopString: stop)
        }
        return delta
    }

    /// Takes the engine's ending, and gives what was held back.
    mutating func finish(_ reason: FinishReason, stopTokenID: TokenID?, choice: Int) -> TextDelta {
        isFinished = true
        var delta = TextDelta(choice: choice)
        let (emitted, stop) = matcher.append(detokenizer.finish(), searches: tokenCount > minimumTokens)
        delta.text = emitted
        if let stop {
            delta.ending = ChoiceEnding(reason: .stop, stopString: stop)
        } else {
            delta.text += matcher.finish()
            delta.ending = ChoiceEnding(reason: EndReason(reason), stopTokenID: stopTokenID)
        }
        return delta
    }
}

extension Tokenizer {
    /// Logprobs of a whole prompt from those of all its tokens but the first.
    func readable(_ positions: [PositionLogprobs], afterPromptToken first: TokenID?) -> [PositionLogprob] {
        let start = first.map { first in
            let token = LogprobToken(
                token: first, text: decode([first], skipSpecialTokens: false), bytes: bytes(of: first), logprob: nil,
                rank: 1)
            return PositionLogprob(chosen: token, top: [])
        }
        return (start.map { [$0] } ?? []) + positions.map { readable($0) }
    }

    func readable(_ position: PositionLogprobs) -> PositionLogprob {
        PositionLogprob(chosen: readable(position.chosen), top: position.top.map { readable($0) })
    }

    private func readable(_ logprob: TokenLogprob) -> LogprobToken {
        LogprobToken(
            token: logprob.token, text: decode([logprob.token], skipSpecialTokens: false),
            bytes: bytes(of: logprob.token), logprob: Double(logprob.logprob), rank: Int(logprob.rank))
    }
}
