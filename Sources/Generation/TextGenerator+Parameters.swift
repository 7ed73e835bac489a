// From what a request says, what the model recommends and what the context allows to the sampler's parameters.

import Engine
import Primitives
import Sampling
import Tokenization

extension TextGenerator {
    /// Temperatures between 0 and this are raised to it, as vLLM does: below, the softmax loses its precision.
    private static let leastTemperature = 0.01
    /// Sequences of tokens that the bad words of one request may come to.
    private static let badWordLimit = 128

    func parameters(of request: GenerationRequest, promptCount: Int) throws(GenerationError) -> SamplingParameters {
        var parameters = SamplingParameters()
        let defaults = model.defaults
        let temperature = request.temperature ?? defaults.temperature ?? 1
        parameters.temperature = Float(temperature > 0 ? max(temperature, Self.leastTemperature) : 0)
        parameters.topP = Float(request.topP ?? defaults.topP ?? 1)
        parameters.topK = max(0, request.topK ?? defaults.topK ?? 0)
        parameters.minP = Float(request.minP ?? defaults.minP ?? 0)
        parameters.presencePenalty = Float(request.presencePenalty ?? 0)
        parameters.frequencyPenalty = Float(request.frequencyPenalty ?? 0)
        parameters.repetitionPenalty = Float(request.repetitionPenalty ?? defaults.repetitionPenalty ?? 1)
        parameters.seed = request.seed.map { UInt64(bitPattern: $0) }
        parameters.logitBias = request.logitBias
        parameters.allowedTokenIDs = request.allowedTokenIDs
        parameters.badWords = try badWords(request.badWords)
        parameters.maximumTokens = try maximumTokens(of: request, promptCount: promptCount)
        parameters.minimumTokens = min(request.minimumTokens, parameters.maximumTokens)
        parameters.ignoreEOS = request.ignoresEOS
        parameters.endOfSequenceIDs = model.endOfSequenceID.map { [$0] } ?? []
        parameters.stopTokenIDs = request.stopTokenIDs + (request.ignoresEOS ? [] : model.furtherStopIDs)
        parameters.logprobCount = request.logprobCount.map(logprobCount)
        return parameters
    }

    /// vLLM's rules (features of `max_tokens`): more than fits is cut, not refused, unless it could never be.
    private func maximumTokens(of request: GenerationRequest, promptCount: Int) throws(GenerationError) -> Int {
        guard promptCount > 0 else {
            throw .invalid("The prompt cannot be empty: it needs at least one token.", parameter: "prompt")
        }
        guard promptCount < maxModelLength else {
            throw .invalid(
                "This model's maximum context length is \(maxModelLength) tokens. However, your request has "
                    + "\(promptCount) input tokens. Please reduce the length of the input messages.",
                parameter: "input_tokens")
        }
        if let asked = request.maximumTokens, asked > maxModelLength {
            throw .invalid(
                "max_tokens must be at most \(maxModelLength), this model's maximum context length; got \(asked).",
                parameter: "max_tokens")
        }
        let wanted = request.maximumTokens ?? model.defaults.maximumTokens ?? maxModelLength
        // The engine computes a prompt only on its way to a first token.
        return max(1, min(wanted, maxModelLength - promptCount))
    }

    func logprobCount(_ count: Int) -> Int {
        count < 0 ? engine.vocabularySize : min(count, engine.vocabularySize)
    }

    // MARK: - Vocabulary

    func checkVocabulary(of request: GenerationRequest) throws(GenerationError) {
        if case .tokens(let ids) = request.prompt { try checkVocabulary(ids, parameter: "prompt") }
        try checkVocabulary(request.stopTokenIDs, parameter: "stop_token_ids")
        try checkVocabulary(request.allowedTokenIDs ?? [], parameter: "allowed_token_ids")
        try checkVocabulary(request.logitBias.keys.sorted(), parameter: "logit_bias")
    }

    func checkVocabulary(_ ids: [TokenID], parameter: String) throws(GenerationError) {
        let size = engine.vocabularySize
        for id in ids where id < 0 || Int(id) >= size {
            throw .invalid(
                "\(parameter) holds the token id \(id), which is outside the vocabulary of \(size) tokens.",
                parameter: parameter)
        }
    }

    /// Words are banned at the start of a text and after a space, as in vLLM (`SamplingParams.update_from_tokenizer`).
    private func badWords(_ words: [String]) throws(GenerationError) -> [[TokenID]] {
        var sequences: [[TokenID]] = []
        for word in words {
            let bare = String(word.unicodeScalars.drop { $0.properties.isWhitespace })
            let alone = model.tokenizer.encode(bare, addSpecialTokens: false)
            let spaced = model.tokenizer.encode(" " + bare, addSpecialTokens: false)
            if !alone.isEmpty { sequences.append(alone) }
            if spaced.first != alone.first, spaced.count == alone.count { sequences.append(spaced) }
        }
        guard sequences.count <= Self.badWordLimit else {
            throw .invalid(
                "bad_words come to \(sequences.count) sequences of tokens, and \(Self.badWordLimit) are allowed.",
                parameter: "bad_words")
        }
        return sequences
    }
}
