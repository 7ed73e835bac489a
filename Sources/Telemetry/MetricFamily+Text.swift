// A family in Prometheus' text format 0.0.4 and in OpenMetrics 1.0.
//
// The `_created` series of Python's client are in neither: they are two more lines for each series of a counter or
// histogram, and its own PROMETHEUS_DISABLE_CREATED_SERIES leaves them out.

extension MetricFamily {
    func write(_ snapshot: MetricSnapshot, isOpenMetrics: Bool, to out: inout [UInt8]) {
        out += isOpenMetrics ? openMetricsHeader : textHeader
        // OpenMetrics has exemplars for counters and buckets alone, and knows no counter without _total.
        let hasExemplars = isOpenMetrics && Self.baseName(name) != name
        for series in series {
            switch kind {
            case .counter:
                let exemplar = hasExemplars ? snapshot.exemplar(at: series.slot + 1) : nil
                Self.write(series.linePrefixes[0], snapshot.sum(at: series.slot), exemplar, to: &out)
            case .gauge:
                Self.write(series.linePrefixes[0], snapshot.gauge(at: series.slot), to: &out)
            case .summary:
                Self.write(series.linePrefixes[0], Double(snapshot.count(at: series.slot)), to: &out)
                Self.write(series.linePrefixes[1], snapshot.sum(at: series.slot + 1), to: &out)
            case .histogram(let layout):
                Self.write(series, layout, snapshot, hasExemplars: isOpenMetrics, to: &out)
            }
        }
    }

    private static func write(
        _ series: Series, _ layout: HistogramLayout, _ snapshot: MetricSnapshot, hasExemplars: Bool,
        to out: inout [UInt8]
    ) {
        var count: UInt64 = 0
        for bucket in 0..<layout.bucketCount {
            count &+= snapshot.count(at: series.slot + bucket)
            let exemplar = hasExemplars ? snapshot.exemplar(at: series.slot + layout.exemplar(of: bucket)) : nil
            write(series.linePrefixes[bucket], Double(count), exemplar, to: &out)
        }
        write(series.linePrefixes[layout.bucketCount], Double(count), to: &out)
        // A sum that may fall is no sum in OpenMetrics, nor in Python's client.
        if layout.bounds[0] >= 0 {
            write(series.linePrefixes[layout.bucketCount + 1], snapshot.sum(at: series.slot + layout.sum), to: &out)
        }
    }

    private static func write(
        _ prefix: [UInt8], _ value: Double, _ exemplar: Exemplar? = nil, to out: inout [UInt8]
    ) {
        out += prefix
        NumberText.append(value, to: &out)
        if let exemplar {
            out += " # {trace_id=\"".utf8
            exemplar.appendTraceID(to: &out)
            out += "\"} ".utf8
            NumberText.append(exemplar.value, to: &out)
            let thousandths = String(exemplar.milliseconds % 1000 + 1000).dropFirst()
            out += " \(exemplar.milliseconds / 1000).\(thousandths)".utf8
        }
        out.append(UInt8(ascii: "\n"))
    }

    // MARK: - What never changes

    static func textHeader(_ name: String, _ help: String, _ kind: Kind) -> [UInt8] {
        let type =
            switch kind {
            case .counter: "counter"
            case .gauge: "gauge"
            case .summary: "summary"
            case .histogram: "histogram"
            }
        return Array("# HELP \(name) \(escaped(help, quotes: false))\n# TYPE \(name) \(type)\n".utf8)
    }

    static func openMetricsHeader(_ name: String, _ help: String, _ kind: Kind) -> [UInt8] {
        let (name, type) =
            switch kind {
            case .gauge: (name, "gauge")
            case .summary: (name, "summary")
            case .histogram: (name, "histogram")
            // A counter's samples must end in _total there; the series keeps its name in every format at the price of
            // the type, as prometheus/common does it (expfmt, openmetrics_create.go).
            case .counter: baseName(name) == name ? (name, "unknown") : (baseName(name), "counter")
            }
        return Array("# HELP \(name) \(escaped(help, quotes: true))\n# TYPE \(name) \(type)\n".utf8)
    }

    /// The beginnings of a series' lines; labels in the order given.
    func linePrefixes(_ labels: [MetricLabel]) -> [[UInt8]] {
        switch kind {
        case .counter, .gauge: return [Self.linePrefix(name, labels)]
        case .summary: return [Self.linePrefix(name + "_count", labels), Self.linePrefix(name + "_sum", labels)]
        case .histogram(let layout):
            let buckets = (layout.bounds + [.infinity]).map { bound in
                let all = labels + [MetricLabel("le", NumberText.text(bound))]
                return Self.linePrefix(name + "_bucket", all.sorted { $0.name < $1.name })
            }
            return buckets + [Self.linePrefix(name + "_count", labels), Self.linePrefix(name + "_sum", labels)]
        }
    }

    private static func linePrefix(_ name: String, _ labels: [MetricLabel]) -> [UInt8] {
        let pairs = labels.map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }
        let block = pairs.isEmpty ? "" : "{\(pairs.joined(separator: ","))}"
        return Array("\(name)\(block) ".utf8)
    }

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
}
