// What a generation gives back: text, with all that may be asked about it.

import Engine
public import Primitives

/// One token with its logprob, readable.
public struct LogprobToken: Sendable, Equatable {
    public var token: TokenID
    public var text: String
    /// The token's own bytes; a part of a character is one here, while `text` can only say U+FFFD.
    public var bytes: [UInt8]
    /// Nil for the first token of a prompt, before which nothing stands.
    public var logprob: Double?
    /// 1 for the most likely token.
    public var rank: Int
}

/// The token at one position and the most likely ones there, in falling order.
public struct PositionLogprob: Sendable, Equatable {
    public var chosen: LogprobToken
    public var top: [LogprobToken]
}

/// Why a choice ended. Raw values are those of the API, as far as it has them.
public enum EndReason: String, Sendable {
    /// The end of sequence, a stop token or a stop string.
    case stop
    /// `max_tokens`, or the end of the context.
    case length
    /// Cancelled, by its client or by a shutdown.
    case abort
    /// The engine failed.
    case error

    init(_ reason: FinishReason) {
        self =
            switch reason {
            case .stop: .stop
            case .length: .length
            case .abort: .abort
            case .error: .error
            }
    }
}

/// How a choice ended.
public struct ChoiceEnding: Sendable, Equatable {
    public var reason: EndReason
    /// The stop string, or the stop token, if one of the client's ended it.
    public var stopString: String?
    public var stopTokenID: TokenID?

    public init(reason: EndReason, stopString: String? = nil, stopTokenID: TokenID? = nil) {
        self.reason = reason
        self.stopString = stopString
        self.stopTokenID = stopTokenID
    }
}

/// What is new in one choice. The text may be empty: a token can be a part of a character, or be held back because a
/// stop string may begin with it.
public struct TextDelta: Sendable, Equatable {
    public var choice: Int
    public var text = ""
    public var tokenIDs: [TokenID] = []
    /// One for each token, if they were asked for.
    public var logprobs: [PositionLogprob] = []
    public var ending: ChoiceEnding?

    public init(choice: Int) {
        self.choice = choice
    }

    /// Appends what came after.
    public mutating func append(_ later: TextDelta) {
        text += later.text
        tokenIDs += later.tokenIDs
        logprobs += later.logprobs
        ending = later.ending ?? ending
    }
}

/// All that came since the last time: at most one delta for a choice.
public struct TextBatch: Sendable, Equatable {
    /// For all of the prompt's tokens, if they were asked for; in one batch at most, the first one.
    public var promptLogprobs: [PositionLogprob]?
    public var deltas: [TextDelta] = []
}
