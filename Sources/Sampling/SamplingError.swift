// Why no token can be drawn from a row.

/// The row is unusable; the sequence it belongs to has to end, the others are not concerned.
public enum SamplingError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A logit is NaN or +infinity.
    case notANumber
    /// Every token is ruled out: by the model, or by the request's own restrictions together.
    case noCandidate

    public var description: String {
        switch self {
        case .notANumber:
            "The model's logits are not numbers; check the weights with another tool or another checkpoint."
        case .noCandidate:
            "Every token is ruled out; loosen allowed_token_ids, bad_words or min_tokens."
        }
    }
}
