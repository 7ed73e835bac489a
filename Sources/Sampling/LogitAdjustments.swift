// What a request's parameters do to single logits before anything is drawn.

import Primitives

/// Applies bad words, `min_tokens`, `logit_bias` and the penalties, in vLLM's order (v1/sample/sampler.py).
///
/// Touches only the tokens concerned, never the whole row, and can take it back: logprobs are told of the raw logits.
struct LogitAdjustments: Sendable {
    private let parameters: SamplingParameters
    private let endingIDs: [TokenID]
    private let keepsHistory: Bool
    private let hasPenalties: Bool
    private var output: [TokenID] = []
    private var generatedCount = 0
    /// Distinct tokens that the penalties look at, and how often each is in the output.
    private var seenTokens: [TokenID] = []
    private var outputCounts: [Int32] = []
    private var seenIndices: [TokenID: Int] = [:]
    private var changes: [(index: Int, old: Float)] = []

    init(parameters: SamplingParameters, promptTokenIDs: [TokenID]) {
        self.parameters = parameters
        endingIDs = parameters.endOfSequenceIDs + parameters.stopTokenIDs
        keepsHistory = parameters.badWords.contains { $0.count > 1 }
        hasPenalties =
            parameters.repetitionPenalty != 1 || parameters.frequencyPenalty != 0 || parameters.presencePenalty != 0
        guard parameters.repetitionPenalty != 1 else { return }
        for token in promptTokenIDs {
            _ = seenIndex(of: token)
        }
    }

    // MARK: - A row

    mutating func apply(to logits: inout MutableSpan<Float>) {
        changes.removeAll(keepingCapacity: true)
        for word in parameters.badWords where isAboutToComplete(word) {
            if let last = word.last { set(last, of: &logits, to: -.infinity) }
        }
        if generatedCount < parameters.minimumTokens {
            for token in endingIDs {
                set(token, of: &logits, to: -.infinity)
            }
        }
        for (token, bias) in parameters.logitBias {
            change(token, of: &logits) { $0 + bias }
        }
        if hasPenalties { penalise(&logits) }
    }

    /// Makes the row what it was before `apply`.
    mutating func undo(in logits: inout MutableSpan<Float>) {
        for (index, old) in changes.reversed() {
            logits[index] = old
        }
        changes.removeAll(keepingCapacity: true)
    }

    mutating func record(_ token: TokenID) {
        generatedCount += 1
        if keepsHistory { output.append(token) }
        if hasPenalties { outputCounts[seenIndex(of: token)] += 1 }
    }

    // MARK: - Steps

    private func isAboutToComplete(_ word: [TokenID]) -> Bool {
        let beginning = word.dropLast()
        return output.count >= beginning.count && output.suffix(beginning.count).elementsEqual(beginning)
    }

    private mutating func penalise(_ logits: inout MutableSpan<Float>) {
        let repetition = parameters.repetitionPenalty
        let frequency = parameters.frequencyPenalty
        let presence = parameters.presencePenalty
        for index in seenTokens.indices {
            let count = Float(outputCounts[index])
            change(seenTokens[index], of: &logits) { logit in
                var logit = logit > 0 ? logit / repetition : logit * repetition
                logit -= frequency * count
                return count > 0 ? logit - presence : logit
            }
        }
    }

    private mutating func seenIndex(of token: TokenID) -> Int {
        if let index = seenIndices[token] { return index }
        seenIndices[token] = seenTokens.count
        seenTokens.append(token)
        outputCounts.append(0)
        return seenTokens.count - 1
    }

    // MARK: - Changes

    private mutating func set(_ token: TokenID, of logits: inout MutableSpan<Float>, to value: Float) {
        guard token >= 0, Int(token) < logits.count else { return }
        changes.append((Int(token), logits[Int(token)]))
        logits[Int(token)] = value
    }

    /// Ruled-out tokens stay so, and parameters out of all reason don't make an infinity of a number.
    private mutating func change(
        _ token: TokenID, of logits: inout MutableSpan<Float>, by transform: (Float) -> Float
    ) {
        guard token >= 0, Int(token) < logits.count, logits[Int(token)].isFinite else { return }
        let limit = Float.greatestFiniteMagnitude
        set(token, of: &logits, to: max(-limit, min(limit, transform(logits[Int(token)]))))
    }
}
