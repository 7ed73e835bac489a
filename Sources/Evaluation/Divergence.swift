// How far a model is from its reference, over all positions.

internal import Primitives

/// Gathers the rows of a model beside its reference.
public struct Divergence: Sendable, Equatable {
    public private(set) var reference = Perplexity()
    private var values: [Double] = []
    private var agreementCount = 0

    public init() {}

    public mutating func add(_ row: ComparedRow) {
        reference.add(row.reference.negativeLogLikelihood)
        values.append(row.divergence)
        if row.score.best == row.reference.best { agreementCount += 1 }
    }

    /// Share of positions at which both name the same token as the most likely; NaN before the first.
    public var agreement: Double { values.isEmpty ? .nan : Double(agreementCount) / Double(values.count) }

    /// What is said of the divergences, in nats.
    public struct Summary: Sendable, Equatable {
        public var mean: Double
        public var median: Double
        public var percentile99: Double
        public var maximum: Double
    }

    /// Quantiles are interpolated between neighbours, as numpy does; all NaN before the first position.
    public var summary: Summary {
        let sorted = values.sorted()
        return Summary(
            mean: sorted.isEmpty ? .nan : sorted.reduce(0, +) / Double(sorted.count),
            median: sorted.percentile(50) ?? .nan, percentile99: sorted.percentile(99) ?? .nan,
            maximum: sorted.last ?? .nan)
    }
}
