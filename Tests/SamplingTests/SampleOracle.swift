// The sampler's steps written out plainly, in double precision.

import Primitives
import Sampling

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The distribution that a row, a request's parameters and its tokens so far must give.
struct SampleOracle {
    var parameters: SamplingParameters
    var prompt: [TokenID] = []
    var output: [TokenID] = []

    /// Logits after everything that acts on single tokens.
    func adjusted(_ row: [Float]) -> [Double] {
        var logits = row.map(Double.init)
        if let allowed = parameters.allowedTokenIDs {
            for token in logits.indices where !allowed.contains(TokenID(token)) { logits[token] = -.infinity }
        }
        for word in parameters.badWords {
            guard Array(output.suffix(word.count - 1)) == Array(word.dropLast()) else { continue }
            logits[Int(word[word.count - 1])] = -.infinity
        }
        if output.count < parameters.minimumTokens {
            for token in parameters.endOfSequenceIDs + parameters.stopTokenIDs { logits[Int(token)] = -.infinity }
        }
        for (token, bias) in parameters.logitBias { logits[Int(token)] += Double(bias) }
        for token in Set(prompt + output) {
            let logit = logits[Int(token)]
            let repetition = Double(parameters.repetitionPenalty)
            logits[Int(token)] = logit > 0 ? logit / repetition : logit * repetition
        }
        for token in Set(output) {
            let count = Double(output.count { $0 == token })
            logits[Int(token)] -= Double(parameters.frequencyPenalty) * count + Double(parameters.presencePenalty)
        }
        return logits
    }

    /// Probabilities of all tokens; greedy gives all to one.
    func distribution(_ row: [Float]) -> [Double] {
        var logits = adjusted(row)
        if parameters.temperature < 1e-5 {
            let best = logits.indices.max { (logits[$0], -$0) < (logits[$1], -$1) } ?? 0
            return logits.indices.map { $0 == best ? 1 : 0 }
        }
        for token in logits.indices { logits[token] /= Double(parameters.temperature) }
        let largest = logits.max() ?? 0
        if parameters.minP > 0 {
            for token in logits.indices where exp(logits[token] - largest) < Double(parameters.minP) {
                logits[token] = -.infinity
            }
        }
        let falling = logits.sorted(by: >)
        if parameters.topK > 0, parameters.topK < logits.count {
            let threshold = falling[parameters.topK - 1]
            for token in logits.indices where logits[token] < threshold { logits[token] = -.infinity }
        }
        var probabilities = Self.softmax(logits)
        if parameters.topP < 1 {
            var above = 0.0
            for token in logits.indices.sorted(by: { (-logits[$0], $0) < (-logits[$1], $1) }) {
                let mass = probabilities[token]
                if above >= Double(parameters.topP), above > 0 { probabilities[token] = 0 }
                above += mass
            }
        }
        let total = probabilities.reduce(0, +)
        return probabilities.map { $0 / total }
    }

    static func softmax(_ logits: [Double]) -> [Double] {
        let largest = logits.max() ?? 0
        let terms = logits.map { exp($0 - largest) }
        let total = terms.reduce(0, +)
        return terms.map { $0 / total }
    }
}

/// Logits with a normal-like spread; some of them equal, so that ties are met.
func randomRow(_ size: Int, spread: Float = 3, using random: inout SplitMix64) -> [Float] {
    (0..<size).map { _ in
        let sum = (0..<4).reduce(Float(0)) { sum, _ in sum + Float.random(in: -1...1, using: &random) }
        return ((sum * spread) * 8).rounded() / 8
    }
}

extension SequenceSampler {
    /// A sampler over `size` tokens, and a draw from a copy of `row`.
    init(_ parameters: SamplingParameters, size: Int, prompt: [TokenID] = [], sample: Int = 0, seed: UInt64 = 1) {
        self.init(
            parameters: parameters, promptTokenIDs: prompt, sampleIndex: sample, fallbackSeed: seed,
            vocabularySize: size)
    }

    mutating func sample(copyOf row: [Float]) throws(SamplingError) -> SampledToken {
        var copy = row
        var span = copy.mutableSpan
        return try sample(&span)
    }
}
