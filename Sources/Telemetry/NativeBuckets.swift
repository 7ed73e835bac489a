// Prometheus' native histograms: buckets that grow by a constant factor.

/// The window of native buckets that a histogram keeps: 24 octaves of schema 3, eight buckets to each, growing by 9 %.
///
/// Bucket i of schema 3 holds what is above 2^((i-1)/8) and not above 2^(i/8). The window ends an octave above the
/// highest classic bound; that of a latency up to 7680 s reaches from 2^-10 s to 2^14 s. What is below it counts as
/// zero, and what is above in its last bucket: a histogram costs the same whatever is observed.
struct NativeBuckets: Sendable, Equatable {
    static let schema: Int64 = 3
    static let perOctave = 8
    static let octaveCount = 24
    static let count = perOctave * octaveCount

    /// The largest value of the zero bucket, a power of two.
    let zeroThreshold: Double
    /// The schema's index of the window's first bucket.
    let firstIndex: Int

    /// Nil if values may be negative, or have no size: such a histogram is a classic one alone.
    init?(bounds: [Double]) {
        guard let lowest = bounds.first, let highest = bounds.last, lowest >= 0, highest > 0, highest.isFinite else {
            return nil
        }
        let top = Int(highest.exponent) + (highest.significand > 1 ? 1 : 0) + 1
        zeroThreshold = Double(sign: .plus, exponent: top - Self.octaveCount, significand: 1)
        firstIndex = (top - Self.octaveCount) * Self.perOctave + 1
    }

    /// Which bucket of the window holds `value`; nil for the zero bucket.
    func bucket(of value: Double) -> Int? {
        guard value > zeroThreshold else { return nil }
        guard value < .infinity else { return Self.count - 1 }
        let index = Int(value.exponent) * Self.perOctave + Self.part(of: value.significand)
        return min(index - firstIndex, Self.count - 1)
    }

    /// How many eighths of an octave reach to `significand`, from 1 to below 2: 0 for 1 alone, 8 at most.
    private static func part(of significand: Double) -> Int {
        var part = 0
        for index in eighths.indices where significand > eighths[index] { part += 1 }
        return part
    }

    /// 2^(0/8) to 2^(7/8).
    private static let eighths: InlineArray<8, Double> = [
        1.0, 1.0905077326652577, 1.189207115002721, 1.2968395546510096, 1.4142135623730951, 1.5422108254079407,
        1.681792830507429, 1.8340080864093424,
    ]
}
