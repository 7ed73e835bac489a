// What happened to a server's metrics over some time.

/// Samples of one server in order of time, and what they say together: by how much counters grew, where gauges stood.
public struct MetricsWindow: Sendable {
    public let samples: [MetricsSample]
    private let first: MetricsSample
    private let last: MetricsSample

    /// Nil unless there are two samples with time between them.
    public init?(_ samples: [MetricsSample]) {
        let samples = samples.sorted { $0.seconds < $1.seconds }
        guard let first = samples.first, let last = samples.last, last.seconds > first.seconds else { return nil }
        self.samples = samples
        self.first = first
        self.last = last
    }

    /// From the first sample to the last one.
    public var seconds: Double { last.seconds - first.seconds }

    // MARK: - Counters

    /// By how much the chosen counters grew together; nil if there are none. What a restart took away is not counted.
    public func increase(of selector: SeriesSelector) -> Double? {
        guard last.sum(of: selector) != nil else { return nil }
        var total = 0.0
        for (_, increase) in increases(of: selector) { total += increase }
        return total
    }

    /// By how much each value of a label grew, in the order of the exposition.
    public func increases(of name: String, by label: String) -> [(value: String, increase: Double)] {
        var order: [String] = []
        var totals: [String: Double] = [:]
        for (labels, increase) in increases(of: SeriesSelector(name)) {
            guard let value = labels.first(where: { $0.name == label })?.value else { continue }
            if totals[value] == nil { order.append(value) }
            totals[value, default: 0] += increase
        }
        return order.map { ($0, totals[$0] ?? 0) }
    }

    public func rate(of selector: SeriesSelector) -> Double? {
        increase(of: selector).map { $0 / seconds }
    }

    /// Each series' own growth. One that falls has begun again from 0; one that comes later counts from where it began.
    private func increases(of selector: SeriesSelector) -> [(labels: [SeriesLabel], increase: Double)] {
        var order: [[SeriesLabel]] = []
        var states: [[SeriesLabel]: (value: Double, increase: Double)] = [:]
        for sample in samples {
            for series in sample.values(of: selector) where series.value.isFinite {
                guard let state = states[series.labels] else {
                    order.append(series.labels)
                    states[series.labels] = (series.value, 0)
                    continue
                }
                let step = series.value >= state.value ? series.value - state.value : series.value
                states[series.labels] = (series.value, state.increase + step)
            }
        }
        return order.map { ($0, states[$0]?.increase ?? 0) }
    }

    // MARK: - Gauges

    public func mean(of selector: SeriesSelector) -> Double? {
        let values = gauges(selector)
        return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }

    public func maximum(of selector: SeriesSelector) -> Double? { gauges(selector).max() }
    public func first(of selector: SeriesSelector) -> Double? { gauges(selector).first }
    public func last(of selector: SeriesSelector) -> Double? { gauges(selector).last }

    private func gauges(_ selector: SeriesSelector) -> [Double] {
        samples.compactMap { $0.sum(of: selector) }.filter(\.isFinite)
    }

    /// The value of a label on a metric, as it was at the end.
    public func label(_ label: String, of name: String) -> String? {
        last.label(label, of: name)
    }

    // MARK: - Histograms

    /// What was observed in this time; nil if there is no such histogram.
    public func histogram(_ name: String) -> HistogramIncrease? {
        let buckets = increases(of: name + "_bucket", by: "le").compactMap { bucket in
            ExpositionParser.number(bucket.value).map { (bound: $0, count: bucket.increase) }
        }
        guard let count = increase(of: SeriesSelector(name + "_count")), !buckets.isEmpty else { return nil }
        return HistogramIncrease(
            buckets: buckets.sorted { $0.bound < $1.bound }, count: count,
            sum: increase(of: SeriesSelector(name + "_sum")) ?? 0)
    }
}

/// The observations of a histogram between two moments.
public struct HistogramIncrease: Sendable {
    /// Inclusive upper bounds, rising, and how many observations were no larger.
    let buckets: [(bound: Double, count: Double)]
    public let count: Double
    public let sum: Double

    /// Nil without observations.
    public var mean: Double? { count > 0 ? sum / count : nil }

    /// The value below which a share of the observations lies, interpolated within its bucket as Prometheus does it;
    /// beyond the last finite bound that bound. Nil without observations.
    public func quantile(_ share: Double) -> Double? {
        guard count > 0 else { return nil }
        let rank = share * count
        var lower = (bound: 0.0, count: 0.0)
        for bucket in buckets {
            guard bucket.bound.isFinite else { return lower.bound }
            if bucket.count >= rank {
                let size = bucket.count - lower.count
                return lower.bound + (bucket.bound - lower.bound) * (size > 0 ? (rank - lower.count) / size : 1)
            }
            lower = bucket
        }
        return lower.bound
    }
}
