// What a program holds of its metrics: small handles, made when it starts.

/// A label of a series. Values may hold any text; names only letters, digits and `_`.
public struct MetricLabel: Sendable, Hashable {
    public let name: String
    public let value: String

    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// A number that only rises. Valid for the registry that made it.
public struct Counter: Sendable {
    /// The value, then the last exemplar.
    let slot: Int

    static let wordCount = 1 + Exemplar.wordCount
    var exemplarSlot: Int { slot + 1 }
}

/// A number that rises and falls. Valid for the registry that made it.
public struct Gauge: Sendable {
    let slot: Int

    static let wordCount = 1

    /// A word of 0, as all are in the beginning, stands for a gauge that was never set.
    static func word(of value: Double) -> UInt64 { ~value.bitPattern }
    static func value(of word: UInt64) -> Double { Double(bitPattern: ~word) }
}

/// Observations counted and summed. Valid for the registry that made it.
public struct Summary: Sendable {
    /// The count, then the sum.
    let slot: Int

    static let wordCount = 2
    var sumSlot: Int { slot + 1 }
}

/// Observations counted by size. Valid for the registry that made it.
public struct Histogram: Sendable {
    let slot: Int
    let layout: HistogramLayout

    /// Inclusive upper bounds of the buckets; there is one more above them all.
    public var bounds: [Double] { layout.bounds }
}

/// Where the words of a histogram are, from its first one on: the count of each bucket, not cumulated; the sum; an
/// exemplar for each bucket; then, for the native form, the count of zeroes and of each bucket.
struct HistogramLayout: Sendable, Equatable {
    let bounds: [Double]
    let native: NativeBuckets?

    init(bounds: [Double]) {
        self.bounds = bounds
        native = NativeBuckets(bounds: bounds)
    }

    var bucketCount: Int { bounds.count + 1 }
    var sum: Int { bucketCount }
    var nativeZero: Int { bucketCount + 1 + bucketCount * Exemplar.wordCount }
    var wordCount: Int { nativeZero + (native == nil ? 0 : 1 + NativeBuckets.count) }

    func exemplar(of bucket: Int) -> Int { bucketCount + 1 + bucket * Exemplar.wordCount }
    func native(_ bucket: Int) -> Int { nativeZero + 1 + bucket }

    /// The first bucket that holds `value`: bounds are inclusive.
    func bucket(of value: Double) -> Int {
        var low = 0
        var high = bounds.count
        while low < high {
            let middle = low + (high - low) / 2
            if value <= bounds[middle] { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
