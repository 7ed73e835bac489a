// Mean, median, deviation and percentiles, as numpy computes them.

internal import Primitives

/// A summary of measured values. Of no values, everything is 0, as vLLM has it.
public struct Distribution: Sendable, Equatable {
    public struct Percentile: Sendable, Equatable {
        /// 0 to 100.
        public let rank: Double
        public let value: Double
    }

    public let mean: Double
    public let median: Double
    /// Of the population: divided by the count.
    public let standardDeviation: Double
    public let percentiles: [Percentile]

    public init(_ values: [Double], ranks: [Double]) {
        let sorted = values.isEmpty ? [0] : values.sorted()
        let count = Double(sorted.count)
        let mean = sorted.reduce(0, +) / count
        self.mean = mean
        standardDeviation = (sorted.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count).squareRoot()
        median = sorted.percentile(50) ?? 0
        percentiles = ranks.map { Percentile(rank: $0, value: sorted.percentile($0) ?? 0) }
    }
}
