// Draws the tokens of one sequence.

import Kernels
public import Primitives

/// A sequence's sampling parameters together with what they need to remember: its random numbers and its tokens.
///
/// The steps and their order are vLLM's (v1/sample/sampler.py). What is drawn depends on the logits, the parameters and
/// this sequence's tokens so far alone, so that a seed gives the same text under any load.
public struct SequenceSampler: Sendable {
    private let parameters: SamplingParameters
    private let vocabularySize: Int
    /// Distinct ids inside the vocabulary, rising.
    private let allowedTokenIDs: [TokenID]?
    private let adjusts: Bool
    private var adjustments: LogitAdjustments
    private var allowedLogits: [Float] = []
    private var selection = CandidateSelection()
    private var random: SequenceRandom

    /// - Parameters:
    ///   - sampleIndex: which of a request's samples this is; it draws from the seed plus this.
    ///   - fallbackSeed: the seed of a request that names none.
    public init(
        parameters: SamplingParameters, promptTokenIDs: [TokenID], sampleIndex: Int, fallbackSeed: UInt64,
        vocabularySize: Int
    ) {
        self.parameters = parameters
        self.vocabularySize = vocabularySize
        allowedTokenIDs = parameters.allowedTokenIDs.map { allowed in
            Set(allowed).filter { $0 >= 0 && Int($0) < vocabularySize }.sorted()
        }
        adjusts =
            !parameters.badWords.isEmpty || parameters.minimumTokens > 0 || !parameters.logitBias.isEmpty
            || parameters.repetitionPenalty != 1 || parameters.frequencyPenalty != 0 || parameters.presencePenalty != 0
        adjustments = LogitAdjustments(parameters: parameters, promptTokenIDs: promptTokenIDs)
        random = SequenceRandom(seed: parameters.seed ?? fallbackSeed, sampleIndex: sampleIndex)
    }

    /// Draws the next token and remembers it for the penalties.
    ///
    /// - Parameter logits: shape [vocabularySize]; its contents afterwards are unspecified.
    /// - Throws: `SamplingError` if nothing can be drawn; the sequence has to end then.
    public mutating func sample(_ logits: inout MutableSpan<Float>) throws(SamplingError) -> SampledToken {
        precondition(logits.count == vocabularySize, "logits of another vocabulary")
        if adjusts { adjustments.apply(to: &logits) }
        let token = try draw(from: logits.span)
        var sampled = SampledToken(token: token)
        if let topCount = parameters.logprobCount {
            if adjusts { adjustments.undo(in: &logits) }
            sampled.logprobs = Logprobs.position(of: token, in: logits.span, topCount: topCount)
        }
        if adjusts { adjustments.record(token) }
        return sampled
    }

    private mutating func draw(from logits: Span<Float>) throws(SamplingError) -> TokenID {
        guard let allowedTokenIDs else { return TokenID(try drawIndex(from: logits)) }
        allowedLogits.removeAll(keepingCapacity: true)
        for token in allowedTokenIDs {
            allowedLogits.append(logits[Int(token)])
        }
        var allowed: [Float] = []
        swap(&allowed, &allowedLogits)
        defer { swap(&allowed, &allowedLogits) }
        return allowedTokenIDs[try drawIndex(from: allowed.span)]
    }

    private mutating func drawIndex(from logits: Span<Float>) throws(SamplingError) -> Int {
        if parameters.isGreedy { return try CandidateSelection.greedy(logits) }
        return try selection.draw(from: logits, parameters: parameters, uniform: random.nextUniform())
    }
}
