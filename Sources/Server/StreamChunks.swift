// What the streams of both endpoints have in common.

import Generation
import OpenAI

/// Writes the chunks of one streamed response.
protocol StreamChunks {
    mutating func append(_ batch: TextBatch, prompt: Int, to events: inout ServerSentEvents)
    /// The last chunk, if the client asked for it.
    func appendUsage(to events: inout ServerSentEvents)
}

/// How far the choices of a stream have come.
struct StreamProgress {
    private struct Choice {
        var tokenCount = 0
        var textOffset = 0
        var hasBegun = false
        var held: TextDelta?
    }

    private let interval: Int
    private var choices: [Choice]

    /// - Parameter interval: Tokens gathered into one chunk (`stream_interval`); the first and the last go at once.
    init(choiceCount: Int, interval: Int?) {
        self.interval = interval ?? 1
        choices = Array(repeating: Choice(), count: choiceCount)
    }

    var completionTokenCount: Int { choices.reduce(0) { $0 + $1.tokenCount } }
    func tokenCount(of index: Int) -> Int { choices[index].tokenCount }
    func hasBegun(_ index: Int) -> Bool { choices[index].hasBegun }
    func textOffset(of index: Int) -> Int { choices[index].textOffset }

    /// Takes what is new in a choice and gives what is to be sent now.
    mutating func take(_ delta: TextDelta, index: Int) -> TextDelta? {
        choices[index].tokenCount += delta.tokenIDs.count
        var whole = choices[index].held ?? TextDelta(choice: delta.choice)
        whole.append(delta)
        choices[index].held = nil
        guard !choices[index].hasBegun || whole.ending != nil || whole.tokenIDs.count >= interval else {
            choices[index].held = whole
            return nil
        }
        return whole
    }

    mutating func noteSent(_ logprobs: [LogprobPosition]?, index: Int) {
        choices[index].hasBegun = true
        choices[index].textOffset += LogprobPosition.textLength(of: logprobs ?? [])
    }
}
