// Answers of POST /v1/completions.

import Generation
import OpenAI

struct CompletionAnswer: Sendable {
    let identity: ResponseIdentity
    let options: RequestOptions
    let run: GenerationRun

    /// With `echo` the prompt's tokens are part of the text, so theirs come first.
    func logprobs(of delta: TextDelta, promptLogprobs: [PositionLogprob]) -> [LogprobPosition]? {
        guard options.logprobCount != nil else { return nil }
        let positions = options.echo ? promptLogprobs + delta.logprobs : delta.logprobs
        return positions.map { LogprobPosition($0, asTokenIDs: options.returnsTokensAsTokenIDs ?? false) }
    }

    /// The whole body.
    func whole() async throws -> [UInt8] {
        let outcomes = try await run.collect()
        var choices: [CompletionResponse.Choice] = []
        var completionTokens = 0
        for (prompt, outcome) in outcomes.enumerated() {
            for delta in outcome.choices {
                completionTokens += delta.tokenIDs.count
                choices.append(choice(delta, prompt: prompt, promptLogprobs: outcome.promptLogprobs))
            }
        }
        let usage = run.usage(completionTokens: completionTokens)
        return CompletionResponse(identity: identity, choices: choices, usage: usage).serialized()
    }

    private func choice(
        _ delta: TextDelta, prompt: Int, promptLogprobs: [PositionLogprob]?
    ) -> CompletionResponse.Choice {
        let prepared = run.prepared[prompt]
        var choice = CompletionResponse.Choice(
            text: (options.echo ? prepared.promptText : "") + delta.text, finishReason: delta.ending?.reason.rawValue,
            stopReason: delta.ending?.stopReason)
        choice.logprobs = logprobs(of: delta, promptLogprobs: promptLogprobs ?? [])
        choice.tokenIDs = options.returnsTokenIDs ? delta.tokenIDs : nil
        choice.promptTokenIDs = options.returnsTokenIDs ? prepared.promptTokenIDs : nil
        if options.promptLogprobCount != nil {
            choice.promptLogprobs = (promptLogprobs ?? []).map { LogprobPosition($0, asTokenIDs: false) }
        }
        return choice
    }
}

/// The chunks of a streamed completion.
struct CompletionChunks: StreamChunks {
    private let answer: CompletionAnswer
    private let writer: StreamWriter
    private var progress: StreamProgress
    /// By prompt; they come once, and `echo` sends them with every choice's first chunk.
    private var promptLogprobs: [[PositionLogprob]]

    init(answer: CompletionAnswer) {
        self.answer = answer
        writer = StreamWriter(.completions, identity: answer.identity, sendsUsageLast: answer.options.includesUsage)
        progress = StreamProgress(choiceCount: answer.run.choiceCount, interval: answer.options.streamInterval)
        promptLogprobs = Array(repeating: [], count: answer.run.prepared.count)
    }

    mutating func append(_ batch: TextBatch, prompt: Int, to events: inout ServerSentEvents) {
        if let positions = batch.promptLogprobs { promptLogprobs[prompt] = positions }
        let options = answer.options
        let prepared = answer.run.prepared[prompt]
        for delta in batch.deltas {
            let index = answer.run.index(ofChoice: delta.choice, prompt: prompt)
            guard let ready = progress.take(delta, index: index) else { continue }
            let isFirst = !progress.hasBegun(index)
            var chunk = StreamDelta(
                index: index, text: (options.echo && isFirst ? prepared.promptText : "") + ready.text,
                finishReason: ready.ending?.reason.rawValue, stopReason: ready.ending?.stopReason)
            chunk.textOffset = progress.textOffset(of: index)
            chunk.logprobs = answer.logprobs(of: ready, promptLogprobs: isFirst ? promptLogprobs[prompt] : [])
            chunk.tokenIDs = options.returnsTokenIDs ? ready.tokenIDs : nil
            chunk.promptTokenIDs = options.returnsTokenIDs && isFirst ? prepared.promptTokenIDs : nil
            if options.continuousUsage {
                chunk.usage = Usage(
                    promptTokens: prepared.promptTokenIDs.count, completionTokens: progress.tokenCount(of: index))
            }
            progress.noteSent(chunk.logprobs, index: index)
            events.append { writer.append(chunk, to: &$0) }
        }
    }

    func appendUsage(to events: inout ServerSentEvents) {
        guard answer.options.includesUsage else { return }
        let usage = answer.run.usage(completionTokens: progress.completionTokenCount)
        events.append { writer.appendUsage(usage, to: &$0) }
    }
}
