// Random numbers that a seed repeats, and the mixing of words they are made by.

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) {
        state = Self.mixed(seed)
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mixed(state)
    }

    /// Uniform in [0, 1).
    mutating func nextUniform() -> Double {
        Double(next() >> 11) * 0x1p-53
    }

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

    static func mixed(_ word: UInt64) -> UInt64 {
        var word = word
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}
