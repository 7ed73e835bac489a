// Answers of POST /v1/chat/completions.

import Generation
import OpenAI

struct ChatAnswer: Sendable {
    let identity: ResponseIdentity
    let request: ChatCompletionRequest
    let options: RequestOptions
    let run: GenerationRun

    /// The prompt of the one conversation.
    var prompt: PreparedGeneration { run.prepared[0] }

    /// What `echo` puts before the generated text: the message that is continued.
    var echoedText: String {
        guard options.echo, let last = request.messages.last, last.role == "assistant" else { return "" }
        return last.text
    }

    func logprobs(of delta: TextDelta) -> [LogprobPosition]? {
        guard options.logprobCount != nil else { return nil }
        return delta.logprobs.map { LogprobPosition($0, asTokenIDs: options.returnsTokensAsTokenIDs ?? false) }
    }

    /// The whole body.
    func whole() async throws -> [UInt8] {
        guard let outcome = try await run.collect().first else { return [] }
        let echoed = echoedText
        let choices = outcome.choices.map { delta in
            var choice = ChatCompletionResponse.Choice(
                content: echoed + delta.text, finishReason: delta.ending?.reason.rawValue,
                stopReason: delta.ending?.stopReason)
            choice.logprobs = logprobs(of: delta)
            choice.tokenIDs = options.returnsTokenIDs ? delta.tokenIDs : nil
            return choice
        }
        let completionTokens = outcome.choices.reduce(0) { $0 + $1.tokenIDs.count }
        var response = ChatCompletionResponse(
            identity: identity, choices: choices,
            usage: run.usage(completionTokens: completionTokens))
        if options.promptLogprobCount != nil {
            response.promptLogprobs = (outcome.promptLogprobs ?? []).map { LogprobPosition($0, asTokenIDs: false) }
        }
        response.promptTokenIDs = options.returnsTokenIDs ? prompt.promptTokenIDs : nil
        response.promptText = request.returnsPromptText ? prompt.promptText : nil
        return response.serialized()
    }
}

/// The chunks of a streamed chat: a role for each choice, with the first output; its text; its end.
struct ChatChunks: StreamChunks {
    private let answer: ChatAnswer
    private let writer: StreamWriter
    private var progress: StreamProgress
    private var hasBegun = false

    init(answer: ChatAnswer) {
        self.answer = answer
        writer = StreamWriter(.chat, identity: answer.identity, sendsUsageLast: answer.options.includesUsage)
        progress = StreamProgress(choiceCount: answer.run.choiceCount, interval: answer.options.streamInterval)
    }

    mutating func append(_ batch: TextBatch, prompt: Int, to events: inout ServerSentEvents) {
        guard !batch.deltas.isEmpty else { return }
        if !hasBegun {
            hasBegun = true
            appendOpenings(to: &events)
        }
        for delta in batch.deltas {
            guard let ready = progress.take(delta, index: delta.choice) else { continue }
            var chunk = StreamDelta(
                index: ready.choice, text: ready.text, finishReason: ready.ending?.reason.rawValue,
                stopReason: ready.ending?.stopReason)
            chunk.logprobs = answer.logprobs(of: ready)
            chunk.tokenIDs = answer.options.returnsTokenIDs ? ready.tokenIDs : nil
            chunk.usage = usage(of: ready.choice)
            progress.noteSent(chunk.logprobs, index: ready.choice)
            events.append { writer.append(chunk, to: &$0) }
        }
    }

    private func appendOpenings(to events: inout ServerSentEvents) {
        let options = answer.options
        for index in 0..<answer.run.choiceCount {
            events.append { bytes in
                writer.appendRole(
                    index: index, promptTokenIDs: options.returnsTokenIDs ? answer.prompt.promptTokenIDs : nil,
                    promptText: answer.request.returnsPromptText ? answer.prompt.promptText : nil,
                    usage: usage(of: index), to: &bytes)
            }
        }
        let echoed = answer.echoedText
        guard !echoed.isEmpty else { return }
        for index in 0..<answer.run.choiceCount {
            events.append { writer.appendEcho(index: index, text: echoed, usage: usage(of: index), to: &$0) }
        }
    }

    private func usage(of index: Int) -> Usage? {
        guard answer.options.continuousUsage else { return nil }
        return Usage(promptTokens: answer.run.promptTokenCount, completionTokens: progress.tokenCount(of: index))
    }

    func appendUsage(to events: inout ServerSentEvents) {
        guard answer.options.includesUsage else { return }
        let usage = answer.run.usage(completionTokens: progress.completionTokenCount)
        events.append { writer.appendUsage(usage, to: &$0) }
    }
}
