// One metric name with its type, help text and series, laid out for exposition.

/// Knows everything about a metric but its values; nothing here changes while the program runs.
struct MetricFamily: Sendable {
    enum Kind: Sendable, Equatable {
        case counter
        case gauge
        case summary
        case histogram(HistogramLayout)

        /// How many words of a recorder a series takes.
        var wordCount: Int {
            switch self {
            case .counter: Counter.wordCount
            case .gauge: Gauge.wordCount
            case .summary: Summary.wordCount
            case .histogram(let layout): layout.wordCount
            }
        }
    }

    /// One label set: what is written of it but the values, made once.
    struct Series: Sendable {
        let labels: Set<MetricLabel>
        let slot: Int
        /// Lines up to the value: a counter's or gauge's own; or one for each bucket, the count's and the sum's.
        let linePrefixes: [[UInt8]]
        /// The fields of a protobuf `Metric` that hold labels.
        let labelFields: [UInt8]
    }

    let name: String
    let help: String
    let kind: Kind
    let labelNames: Set<String>
    /// The lines of HELP and TYPE, and the fields of a protobuf `MetricFamily` before its metrics.
    let textHeader: [UInt8]
    let openMetricsHeader: [UInt8]
    let headerFields: [UInt8]
    var series: [Series] = []

    init(name: String, help: String, kind: Kind, labels: [MetricLabel]) throws(MetricError) {
        guard Self.isName(name, allowsColon: true) else { throw .invalidName(name) }
        for label in labels {
            let isReserved = label.name.hasPrefix("__") || ["le", "quantile"].contains(label.name)
            guard Self.isName(label.name, allowsColon: false), !isReserved else {
                throw .invalidLabelName(label.name, metric: name)
            }
        }
        if case .histogram(let layout) = kind {
            let rises = zip(layout.bounds, layout.bounds.dropFirst()).allSatisfy { $0 < $1 }
            guard !layout.bounds.isEmpty, layout.bounds.allSatisfy(\.isFinite), rises else {
                throw .invalidBuckets(metric: name)
            }
        }
        self.name = name
        self.help = help
        self.kind = kind
        labelNames = Set(labels.map(\.name))
        textHeader = Self.textHeader(name, help, kind)
        openMetricsHeader = Self.openMetricsHeader(name, help, kind)
        headerFields = Self.headerFields(name, help, kind)
    }

    /// Every name that a family of this name is or could be written under in some format.
    var claimedNames: [String] {
        switch kind {
        case .gauge: [name]
        case .counter: [name, Self.baseName(name), Self.baseName(name) + "_created"]
        case .summary: [name, name + "_count", name + "_sum", name + "_created"]
        case .histogram: [name, name + "_bucket", name + "_count", name + "_sum", name + "_created"]
        }
    }

    /// The name without a counter's `_total`, as OpenMetrics calls the family.
    static func baseName(_ name: String) -> String {
        name.hasSuffix("_total") ? String(name.dropLast("_total".count)) : name
    }

    mutating func add(_ labels: [MetricLabel], slot: Int) throws(MetricError) {
        guard Set(labels.map(\.name)) == labelNames, labelNames.count == labels.count else {
            throw .inconsistentFamily(name)
        }
        guard !series.contains(where: { $0.labels == Set(labels) }) else { throw .duplicateLabels(metric: name) }
        // In order of their names, as Python's client writes them.
        let sorted = labels.sorted { $0.name < $1.name }
        series.append(
            Series(
                labels: Set(labels), slot: slot, linePrefixes: linePrefixes(sorted),
                labelFields: Self.labelFields(sorted)))
    }

    private static func isName(_ name: String, allowsColon: Bool) -> Bool {
        guard let first = name.utf8.first, !(48...57).contains(first) else { return false }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case 48...57, 65...90, 97...122, 95: true
            case 58: allowsColon
            default: false
            }
        }
    }
}
