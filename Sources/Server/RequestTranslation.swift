// From the words of the wire to those of generation, and back.

import Generation
import OpenAI

extension ChatPrompt {
    init(_ messages: [ChatMessage], _ template: ChatTemplateOptions, format: LoadedModel.ContentFormat) {
        self.init(messages: messages.map { $0.templateValue(format: format == .parts ? .parts : .text) })
        tools = template.tools.map(\.templateValue)
        documents = template.documents
        addsGenerationPrompt = template.addsGenerationPrompt
        continuesFinalMessage = template.continuesFinalMessage
        variables = template.variables
        self.template = template.template
    }
}

extension GenerationRequest {
    init(prompt: Prompt, options: RequestOptions, maximumTokens: Int?) {
        self.init(prompt: prompt)
        addsSpecialTokens = options.addsSpecialTokens
        if let count = options.truncatedPromptLength {
            truncation = options.truncationSide == .right ? .keepingStart(count) : .keepingEnd(count)
        }
        self.maximumTokens = maximumTokens
        skipsSpecialTokens = options.skipsSpecialTokens
        sampleCount = options.sampleCount
        priority = Int(options.priority)
        cacheSalt = options.cacheSalt
        logprobCount = options.logprobCount
        promptLogprobCount = options.promptLogprobCount
        apply(options.sampling)
    }

    private mutating func apply(_ sampling: SamplingOptions) {
        temperature = sampling.temperature
        topP = sampling.topP
        topK = sampling.topK
        minP = sampling.minP
        presencePenalty = sampling.presencePenalty
        frequencyPenalty = sampling.frequencyPenalty
        repetitionPenalty = sampling.repetitionPenalty
        seed = sampling.seed
        logitBias = sampling.logitBias
        allowedTokenIDs = sampling.allowedTokenIDs
        badWords = sampling.badWords
        minimumTokens = sampling.minimumTokens
        stopStrings = sampling.stop
        stopTokenIDs = sampling.stopTokenIDs
        ignoresEOS = sampling.ignoresEOS
        includesStop = sampling.includesStopString
    }
}

extension LogprobPosition {
    /// - Parameter asTokenIDs: Tokens are named `token_id:N` instead of by their text.
    init(_ position: PositionLogprob, asTokenIDs: Bool) {
        self.init(
            chosen: LogprobEntry(position.chosen, asTokenID: asTokenIDs),
            top: position.top.map { LogprobEntry($0, asTokenID: asTokenIDs) })
    }
}

extension LogprobEntry {
    fileprivate init(_ token: LogprobToken, asTokenID: Bool) {
        self.init(
            token: token.token, text: asTokenID ? Self.placeholder(for: token.token) : token.text,
            bytes: asTokenID ? nil : token.bytes, logprob: token.logprob, rank: token.rank)
    }
}

extension ChoiceEnding {
    var stopReason: StopReason? {
        stopString.map { .string($0) } ?? stopTokenID.map { .token($0) }
    }
}
