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
    let slot: Int
}

/// A number that rises and falls. Valid for the registry that made it.
public struct Gauge: Sendable {
    let slot: Int
}

/// Observations counted by size. Valid for the registry that made it.
public struct Histogram: Sendable {
    /// Slots hold the count of each bucket, not cumulated, the one above all bounds, then the sum.
    let firstSlot: Int
    let bounds: [Double]

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

/// The values of all series, as `MetricRegistry.update` hands them out.
public struct MetricValues: Sendable {
    var slots: [Double] = []

    /// Adds to a counter; what is negative or no number is ignored, since counters only rise.
    public mutating func increment(_ counter: Counter, by amount: Double = 1) {
        guard amount >= 0, amount < .infinity else { return }
        slots[counter.slot] += amount
    }

    /// Raises a counter to `total`, a sum that is kept elsewhere; a lower one is ignored.
    public mutating func raise(_ counter: Counter, to total: Double) {
        guard total > slots[counter.slot], total < .infinity else { return }
        slots[counter.slot] = total
    }

    public mutating func set(_ gauge: Gauge, to value: Double) {
        slots[gauge.slot] = value
    }

    /// Counts one observation; NaN is in no bucket and ignored.
    public mutating func observe(_ value: Double, in histogram: Histogram) {
        guard !value.isNaN else { return }
        slots[histogram.firstSlot + histogram.bucket(of: value)] += 1
        slots[histogram.firstSlot + histogram.bounds.count + 1] += value
    }

    public func value(of counter: Counter) -> Double { slots[counter.slot] }
    public func value(of gauge: Gauge) -> Double { slots[gauge.slot] }
}
