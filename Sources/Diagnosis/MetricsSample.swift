// One reading of a server's metrics: the value of each series at a moment.

/// A name and its value, by which a series differs from others of its metric.
public struct SeriesLabel: Sendable, Hashable {
    public var name: String
    public var value: String

    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// One line of an exposition.
public struct SeriesValue: Sendable, Equatable {
    /// Of the sample: a histogram's are told apart by `_bucket`, `_sum` and `_count`.
    public var name: String
    public var labels: [SeriesLabel]
    public var value: Double

    public init(name: String, labels: [SeriesLabel] = [], value: Double) {
        self.name = name
        self.labels = labels
        self.value = value
    }
}

/// Chooses series by name and by some of their labels; those of other labels may be anything.
public struct SeriesSelector: Sendable, Hashable {
    public var name: String
    public var labels: [SeriesLabel]

    public init(_ name: String, _ labels: SeriesLabel...) {
        self.name = name
        self.labels = labels
    }

    func matches(_ series: SeriesValue) -> Bool {
        labels.allSatisfy { series.labels.contains($0) }
    }
}

extension SeriesSelector: ExpressibleByStringLiteral {
    public init(stringLiteral name: String) { self.init(name) }
}

/// All series at one moment.
public struct MetricsSample: Sendable {
    /// On a clock of its own: only differences between samples count.
    public let seconds: Double
    /// In the order of the exposition.
    public let series: [SeriesValue]
    private let positions: [String: [Int]]

    public init(_ series: [SeriesValue], seconds: Double) {
        self.series = series
        self.seconds = seconds
        var positions: [String: [Int]] = [:]
        for (position, value) in series.enumerated() { positions[value.name, default: []].append(position) }
        self.positions = positions
    }

    /// The series that `selector` chooses.
    public func values(of selector: SeriesSelector) -> [SeriesValue] {
        (positions[selector.name] ?? []).map { series[$0] }.filter(selector.matches)
    }

    /// Their sum; nil if there is none.
    public func sum(of selector: SeriesSelector) -> Double? {
        let values = values(of: selector)
        return values.isEmpty ? nil : values.reduce(0) { $0 + $1.value }
    }

    /// The value of a label on the first series of a metric.
    public func label(_ label: String, of name: String) -> String? {
        values(of: SeriesSelector(name)).first?.labels.first { $0.name == label }?.value
    }
}
