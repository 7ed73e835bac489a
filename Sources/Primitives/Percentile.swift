extension [Double] {
    /// The value that `rank` of 100 are not above, linear between the two nearest, as numpy has it; nil of none.
    public func percentile(_ rank: Double) -> Double? {
        let sorted = sorted()
        guard let last = sorted.indices.last else { return nil }
        let position = Swift.min(Swift.max(rank / 100, 0), 1) * Double(last)
        let lower = Int(position)
        let upper = Swift.min(lower + 1, last)
        return sorted[lower] + (sorted[upper] - sorted[lower]) * (position - Double(lower))
    }
}
