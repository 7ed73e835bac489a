// What a trace draws of random numbers.

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif
internal import Primitives

extension SplitMix64 {
    /// A whole number whose logarithm is uniform in that of `range`.
    mutating func nextLogUniform(_ range: ClosedRange<Int>) -> Int {
        let least = log(Double(range.lowerBound)), most = log(Double(range.upperBound))
        let value = exp(least + (most - least) * nextUniform()).rounded()
        return min(max(Int(value), range.lowerBound), range.upperBound)
    }

    /// Exponentially distributed, with mean 1.
    mutating func nextExponential() -> Double {
        -log(1 - nextUniform())
    }
}
