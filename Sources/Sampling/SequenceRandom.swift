// The random numbers of one sequence.

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
///
/// What it gives depends on the seed, the sample and the number of draws alone: never on other sequences.
struct SequenceRandom: Sendable {
    private static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15
    private var state: UInt64

    /// Sample i of a seed is another stream than sample 0 of seed + increment, hence the mixing.
    init(seed: UInt64, sampleIndex: Int) {
        state = Self.mix(seed &+ UInt64(truncatingIfNeeded: sampleIndex))
    }

    /// Uniform in [0, 1), in steps of 2⁻⁵³.
    mutating func nextUniform() -> Double {
        state &+= Self.increment
        return Double(Self.mix(state) >> 11) * 0x1p-53
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
