// Reading values.

/// All values of a registry at one moment.
public struct MetricSnapshot: Sendable {
    /// The words of each recorder, the latest made last. A series registered afterwards has none and reads as 0.
    private let copies: [[UInt64]]

    init(copies: [[UInt64]]) {
        self.copies = copies
    }

    public func value(of counter: Counter) -> Double { sum(at: counter.slot) }
    public func value(of gauge: Gauge) -> Double { self.gauge(at: gauge.slot) }

    public func count(of summary: Summary) -> UInt64 { count(at: summary.slot) }
    public func sum(of summary: Summary) -> Double { sum(at: summary.sumSlot) }

    public func count(of histogram: Histogram) -> UInt64 { bucketCounts(of: histogram).reduce(0, &+) }
    public func sum(of histogram: Histogram) -> Double { sum(at: histogram.slot + histogram.layout.sum) }

    /// How many observations each bucket holds, not cumulated: one for each bound, then the one above all.
    public func bucketCounts(of histogram: Histogram) -> [UInt64] {
        (0..<histogram.layout.bucketCount).map { count(at: histogram.slot + $0) }
    }

    // MARK: - Words

    func sum(at slot: Int) -> Double {
        var sum = 0.0
        for copy in copies where slot < copy.count { sum += Double(bitPattern: copy[slot]) }
        return sum
    }

    func count(at slot: Int) -> UInt64 {
        var count: UInt64 = 0
        for copy in copies where slot < copy.count { count &+= copy[slot] }
        return count
    }

    /// Of several recorders that set it the latest made counts.
    func gauge(at slot: Int) -> Double {
        for copy in copies.reversed() where slot < copy.count && copy[slot] != 0 { return Gauge.value(of: copy[slot]) }
        return 0
    }

    /// The latest one.
    func exemplar(at slot: Int) -> Exemplar? {
        var latest: Exemplar?
        for copy in copies where slot + Exemplar.wordCount <= copy.count {
            let milliseconds = Int64(clamping: copy[slot + 3])
            guard milliseconds > latest?.milliseconds ?? 0 else { continue }
            latest = Exemplar(
                trace: ExemplarTrace(high: copy[slot], low: copy[slot + 1]),
                value: Double(bitPattern: copy[slot + 2]), milliseconds: milliseconds)
        }
        return latest
    }
}
