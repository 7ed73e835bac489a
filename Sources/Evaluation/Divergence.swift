// How far a model is from its reference, over all positions.

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
            median: Self.quantile(0.5, of: sorted), percentile99: Self.quantile(0.99, of: sorted),
            maximum: sorted.last ?? .nan)
    }

    private static func quantile(_ share: Double, of sorted: [Double]) -> Double {
        guard let last = sorted.last else { return .nan }
        let position = share * Double(sorted.count - 1)
        let index = Int(position)
        guard index + 1 < sorted.count else { return last }
        return sorted[index] + (position - Double(index)) * (sorted[index + 1] - sorted[index])
    }
}
