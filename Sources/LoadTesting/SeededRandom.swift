// Random numbers that a seed repeats.

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014), and what is drawn with it.
struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// - Parameter stream: Different streams of one seed have nothing to do with each other.
    init(seed: UInt64, stream: UInt64) {
        state = Self.mix(seed) ^ Self.mix(stream &+ 0x5851_F42D_4C95_7F2D)
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mix(state)
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

    private static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
