// Perplexity, and how sure it is.

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Gathers negative log-likelihoods; perplexity is e to their mean.
public struct Perplexity: Sendable, Equatable {
    public private(set) var count = 0
    private var mean = 0.0
    /// Σ (x − mean)², by Welford's method, which does not cancel.
    private var squares = 0.0

    public init() {}

    public mutating func add(_ negativeLogLikelihood: Double) {
        count += 1
        let distance = negativeLogLikelihood - mean
        mean += distance / Double(count)
        squares += distance * (negativeLogLikelihood - mean)
    }

    /// NaN before the first token.
    public var value: Double { count > 0 ? exp(mean) : .nan }

    /// The standard error of the mean, carried through the exponential; NaN before the second token.
    public var standardError: Double {
        count > 1 ? value * (squares / Double(count) / Double(count - 1)).squareRoot() : .nan
    }
}
