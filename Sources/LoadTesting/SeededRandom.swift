// Random numbers that a seed repeats.

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif
internal import Primitives

/// Words of SplitMix64, and what is drawn with them.
struct SeededRandom: RandomNumberGenerator, Sendable {
    private var words: SplitMix64

    /// - Parameter stream: Different streams of one seed have nothing to do with each other.
    init(seed: UInt64, stream: UInt64) {
        words = SplitMix64(
            state: SplitMix64.mixed(seed) ^ SplitMix64.mixed(stream &+ 0x5851_F42D_4C95_7F2D))
    }

    mutating func next() -> UInt64 {
        words.next()
    }

    /// Uniform in (0, 1].
    private mutating func nextUniform() -> Double {
        Double((next() >> 11) + 1) * 0x1p-53
    }

    /// Standard normal, by Box and Muller.
    private mutating func nextNormal() -> Double {
        let radius = (-2 * log(nextUniform())).squareRoot()
        return radius * cos(2 * Double.pi * nextUniform())
    }

    /// Gamma distributed with mean shape × scale.
    ///
    /// Marsaglia, Tsang: A Simple Method for Generating Gamma Variables, 2000; shape 1 is the exponential distribution.
    mutating func nextGamma(shape: Double, scale: Double) -> Double {
        if shape == 1 { return -log(nextUniform()) * scale }
        if shape < 1 {
            return nextGamma(shape: shape + 1, scale: scale) * pow(nextUniform(), 1 / shape)
        }
        let third = shape - 1.0 / 3
        let spread = 1 / (9 * third).squareRoot()
        while true {
            let normal = nextNormal()
            let root = 1 + spread * normal
            guard root > 0 else { continue }
            let cube = root * root * root
            if log(nextUniform()) < 0.5 * normal * normal + third * (1 - cube + log(cube)) {
                return third * cube * scale
            }
        }
    }
}
