// Reads a request's events and holds them to the laws.

public import Engine
public import Primitives
public import Sampling

/// What one choice of a request came to.
public struct ChoiceResult: Sendable, Equatable {
    public var tokens: [SampledToken] = []
    public var reason: FinishReason?
    public var stopTokenID: TokenID?

    public var tokenIDs: [TokenID] { tokens.map(\.token) }
}

/// A law of `EngineEvent` that a stream broke.
public struct BrokenStreamLaw: Error, Equatable, CustomStringConvertible {
    public let description: String
}

/// A stream of events that throws where it breaks a law: exactly one end for every choice, nothing after it, prompt
/// logprobs at most once and before any token, no empty element, the end of the stream right after the last choice's.
public struct CheckedStream: Sendable {
    private let events: EventStream
    private let choiceCount: Int

    public init(_ events: EventStream, choiceCount: Int = 1) {
        self.events = events
        self.choiceCount = choiceCount
    }

    /// Reads to the end.
    ///
    /// - Parameter body: sees each element as it comes.
    public func collect(_ body: ([EngineEvent]) throws -> Void = { _ in }) async throws -> Outcome {
        var outcome = Outcome(choices: Array(repeating: ChoiceResult(), count: choiceCount))
        for await element in events {
            try require(!element.isEmpty, "an element is empty")
            try require(outcome.openCount > 0, "something comes after the last end")
            for event in element {
                try note(event, in: &outcome)
            }
            try body(element)
        }
        try require(outcome.openCount == 0, "the stream ends before its choices do")
        return outcome
    }

    /// All that a request came to.
    public struct Outcome: Sendable, Equatable {
        public var choices: [ChoiceResult]
        public var promptLogprobs: [PositionLogprobs]?

        var openCount: Int { choices.count { $0.reason == nil } }
    }

    private func note(_ event: EngineEvent, in outcome: inout Outcome) throws {
        switch event {
        case .promptLogprobs(let logprobs):
            try require(outcome.promptLogprobs == nil, "prompt logprobs come twice")
            try require(outcome.choices.allSatisfy { $0.tokens.isEmpty }, "prompt logprobs come after a token")
            outcome.promptLogprobs = logprobs
        case .token(let choice, let token):
            try requireOpen(choice, in: outcome)
            outcome.choices[choice].tokens.append(token)
        case .finished(let choice, let reason, let stopTokenID):
            try requireOpen(choice, in: outcome)
            outcome.choices[choice].reason = reason
            outcome.choices[choice].stopTokenID = stopTokenID
        }
    }

    private func requireOpen(_ choice: Int, in outcome: Outcome) throws {
        try require(outcome.choices.indices.contains(choice), "choice \(choice) does not exist")
        try require(outcome.choices[choice].reason == nil, "something comes for choice \(choice) after its end")
    }

    private func require(_ condition: Bool, _ law: String) throws {
        if !condition { throw BrokenStreamLaw(description: law) }
    }
}
