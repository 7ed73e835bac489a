// One metric name with its type, help text and series, laid out for exposition.

/// Knows everything about a metric but its values; nothing here changes while the program runs.
struct MetricFamily: Sendable {
    enum Kind: Sendable, Equatable {
        case counter
        case gauge
        case histogram(bounds: [Double])
    }

    /// One label set: its lines up to the value, made once.
    struct Series: Sendable {
        let labels: Set<MetricLabel>
        let firstSlot: Int
        /// One line per slot, in the order of the slots but for a histogram's sum, which comes after the count.
        let linePrefixes: [[UInt8]]
    }

    let name: String
    let help: String
    let kind: Kind
    let labelNames: Set<String>
    var series: [Series] = []

    init(name: String, help: String, kind: Kind, labels: [MetricLabel]) throws(MetricError) {
        guard Self.isName(name, allowsColon: true) else { throw .invalidName(name) }
        for label in labels {
            guard Self.isName(label.name, allowsColon: false), !label.name.hasPrefix("__"), label.name != "le" else {
                throw .invalidLabelName(label.name, metric: name)
            }
        }
        if case .histogram(let bounds) = kind {
            let rises = zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }
            guard !bounds.isEmpty, bounds.allSatisfy(\.isFinite), rises else { throw .invalidBuckets(metric: name) }
        }
        self.name = name
        self.help = help
        self.kind = kind
        labelNames = Set(labels.map(\.name))
    }

    /// How many values a series has.
    var slotCount: Int {
        if case .histogram(let bounds) = kind { bounds.count + 2 } else { 1 }
    }

    /// Every name that a family of this name is or could be written under in some format.
    var claimedNames: [String] {
        switch kind {
        case .gauge: [name]
        case .counter: [name, baseName, baseName + "_created"]
        case .histogram: [name, name + "_bucket", name + "_count", name + "_sum", name + "_created"]
        }
    }

    /// The name without a counter's `_total`, as OpenMetrics calls the family.
    private var baseName: String {
        name.hasSuffix("_total") ? String(name.dropLast("_total".count)) : name
    }

    mutating func add(_ labels: [MetricLabel], firstSlot: Int) throws(MetricError) {
        guard Set(labels.map(\.name)) == labelNames, labelNames.count == labels.count else {
            throw .inconsistentFamily(name)
        }
        guard !series.contains(where: { $0.labels == Set(labels) }) else { throw .duplicateLabels(metric: name) }
        series.append(Series(labels: Set(labels), firstSlot: firstSlot, linePrefixes: linePrefixes(labels)))
    }

    private func linePrefixes(_ labels: [MetricLabel]) -> [[UInt8]] {
        guard case .histogram(let bounds) = kind else { return [Self.linePrefix(name, labels)] }
        let buckets = (bounds + [.infinity]).map { bound in
            Self.linePrefix(name + "_bucket", labels + [MetricLabel("le", NumberText.text(bound))])
        }
        return buckets + [Self.linePrefix(name + "_count", labels), Self.linePrefix(name + "_sum", labels)]
    }

    /// Labels in order of their names, as Python's client writes them.
    private static func linePrefix(_ name: String, _ labels: [MetricLabel]) -> [UInt8] {
        let pairs = labels.sorted { $0.name < $1.name }.map { label in
            "\(label.name)=\"\(escaped(label.value, quotes: true))\""
        }
        let block = pairs.isEmpty ? "" : "{\(pairs.joined(separator: ","))}"
        return Array("\(name)\(block) ".utf8)
    }

    // MARK: - Exposition

    func write(_ slots: [Double], as format: ExpositionFormat, to out: inout [UInt8]) {
        let header = header(format)
        out += "# HELP \(header.name) \(Self.escaped(help, quotes: format == .openMetrics))\n".utf8
        out += "# TYPE \(header.name) \(header.type)\n".utf8
        for series in series {
            if case .histogram(let bounds) = kind {
                writeHistogram(series, bounds: bounds, slots, to: &out)
            } else {
                Self.write(series.linePrefixes[0], slots[series.firstSlot], to: &out)
            }
        }
    }

    private func header(_ format: ExpositionFormat) -> (name: String, type: String) {
        switch kind {
        case .gauge: (name, "gauge")
        case .histogram: (name, "histogram")
        case .counter where format == .text: (name, "counter")
        // A counter's samples must end in _total there; the series keeps its name in every format at the price of
        // the type, as prometheus/common does it (expfmt, openmetrics_create.go).
        case .counter: baseName == name ? (name, "unknown") : (baseName, "counter")
        }
    }

    private func writeHistogram(_ series: Series, bounds: [Double], _ slots: [Double], to out: inout [UInt8]) {
        var count = 0.0
        for bucket in 0...bounds.count {
            count += slots[series.firstSlot + bucket]
            Self.write(series.linePrefixes[bucket], count, to: &out)
        }
        Self.write(series.linePrefixes[bounds.count + 1], count, to: &out)
        // A sum that may fall is no sum in OpenMetrics, nor in Python's client.
        if bounds[0] >= 0 {
            Self.write(series.linePrefixes[bounds.count + 2], slots[series.firstSlot + bounds.count + 1], to: &out)
        }
    }

    private static func write(_ prefix: [UInt8], _ value: Double, to out: inout [UInt8]) {
        out += prefix
        out += NumberText.text(value).utf8
        out.append(UInt8(ascii: "\n"))
    }

    // MARK: - Text

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(character)
            }
        }
        return result
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
