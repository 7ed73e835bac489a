// What a row of logits says of the token that follows, in fp64.

internal import Kernels
public import Primitives

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// One model's view of one position.
public struct RowScore: Sendable, Equatable {
    /// −log p(token), natural; not finite if a logit is infinite or no number.
    public let negativeLogLikelihood: Double
    /// The most likely token; of equal ones the lowest.
    public let best: TokenID

    /// - Parameters:
    ///   - logits: Shape [vocabularySize], not empty.
    ///   - token: The token that follows.
    public init(_ logits: Span<Float>, followedBy token: TokenID) {
        self.init(logits, followedBy: token, logNormaliser: Normaliser(logits))
    }

    fileprivate init(_ logits: Span<Float>, followedBy token: TokenID, logNormaliser: Normaliser) {
        let isKnown = token >= 0 && Int(token) < logits.count
        negativeLogLikelihood = isKnown ? logNormaliser.value - Double(logits[Int(token)]) : .infinity
        best = logNormaliser.best
    }
}

/// A model beside its reference at one position.
public struct ComparedRow: Sendable, Equatable {
    public let score: RowScore
    public let reference: RowScore
    /// Kullback-Leibler divergence Σ p_ref (log p_ref − log p) over the vocabulary, in nats.
    public let divergence: Double

    /// - Parameters:
    ///   - logits: Shape [vocabularySize], not empty.
    ///   - reference: The same shape.
    ///   - token: The token that follows.
    public init(_ logits: Span<Float>, reference: Span<Float>, followedBy token: TokenID) {
        precondition(logits.count == reference.count, "rows of two vocabularies")
        let own = Normaliser(logits)
        var weighted = 0.0
        let other = Normaliser(reference) { index, term in
            // What the reference rules out counts nothing, whatever the logits.
            if term > 0 { weighted += term * (Double(reference[index]) - Double(logits[index])) }
        }
        // Σ p_ref (log p_ref − log p) = Σ p_ref (reference − logit) − log Z_ref + log Z
        let divergence = weighted / other.sum - (other.value - own.value)
        // Rounding may bring what is almost zero below it.
        self.divergence = divergence < 0 ? 0 : divergence
        score = RowScore(logits, followedBy: token, logNormaliser: own)
        self.reference = RowScore(reference, followedBy: token, logNormaliser: other)
    }
}

/// log Σ exp(logit) of a row.
private struct Normaliser {
    let best: TokenID
    /// Σ exp(logit − largest).
    let sum: Double
    let value: Double

    /// - Parameter onTerm: Told each index and exp(logit − largest).
    init(_ logits: Span<Float>, onTerm: (Int, Double) -> Void = { _, _ in }) {
        let largest = VectorOperations.best.argmax(logits)
        let shift = largest.isNaN ? Double.nan : Double(largest.value)
        var sum = 0.0
        for index in 0..<logits.count {
            let term = exp(Double(logits[index]) - shift)
            sum += term
            onTerm(index, term)
        }
        best = TokenID(largest.index)
        self.sum = sum
        value = shift + log(sum)
    }
}
