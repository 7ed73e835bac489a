// The random numbers of one sequence.

internal import Primitives

/// What it gives depends on the seed, the sample and the number of draws alone: never on other sequences.
struct SequenceRandom: Sendable {
    private var generator: SplitMix64

    init(seed: UInt64, sampleIndex: Int) {
        generator = SplitMix64(seed: seed &+ UInt64(truncatingIfNeeded: sampleIndex))
    }

    /// Uniform in [0, 1), in steps of 2⁻⁵³.
    mutating func nextUniform() -> Double {
        generator.nextUniform()
    }
}
