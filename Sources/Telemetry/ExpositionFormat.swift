// Formats of a scrape, and which one a scraper gets.

/// How series are written.
public enum ExpositionFormat: Sendable, CaseIterable {
    /// Prometheus text format 0.0.4.
    case text
    /// OpenMetrics 1.0.0, with exemplars.
    case openMetrics
    /// Delimited protobuf, with exemplars and native histograms beside the classic buckets.
    case protobuf

    public var contentType: String {
        switch self {
        case .text: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        case .protobuf:
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
        }
    }

    /// The format for a request with this `Accept` header: the acceptable one of the highest weight, of equal weights
    /// the one named first. Who accepts nothing of ours, or sends no readable header, gets the text format; only who
    /// names protobuf gets it.
    public init(accept: String?) {
        let ranges = Self.split(accept ?? "", at: ",").compactMap(MediaRange.init)
        var best: (format: ExpositionFormat, weight: Double)?
        let refused = ranges.filter { $0.weight == 0 && $0.formats.count == 1 }.flatMap(\.formats)
        for range in ranges where range.weight > best?.weight ?? 0 {
            guard let format = range.formats.first(where: { !refused.contains($0) }) else { continue }
            best = (format, range.weight)
        }
        self = best?.format ?? .text
    }

    /// One element of an `Accept` header (RFC 9110, 12.5.1).
    private struct MediaRange {
        /// What of ours it covers, best first.
        let formats: [ExpositionFormat]
        let weight: Double

        init?(_ text: Substring) {
            var parameters: [String: String] = [:]
            let parts = ExpositionFormat.split(text, at: ";").map { ExpositionFormat.trimmed($0).lowercased() }
            for part in parts.dropFirst() {
                let pair = part.split(separator: "=", maxSplits: 1).map { ExpositionFormat.trimmed($0) }
                guard pair.count == 2 else { continue }
                parameters[String(pair[0])] = String(pair[1].filter { $0 != "\"" })
            }
            guard let weight = Double(parameters["q"] ?? "1"), (0...1).contains(weight) else { return nil }
            self.weight = weight
            switch (parts.first ?? "", parameters["version"]) {
            // Names are plain in both versions, so that 0.0.4 serves who asks for 1.0.0.
            case ("text/plain", nil), ("text/plain", "0.0.4"), ("text/plain", "1.0.0"), ("text/*", _): formats = [.text]
            case ("application/openmetrics-text", nil), ("application/openmetrics-text", "1.0.0"),
                ("application/openmetrics-text", "0.0.1"), ("application/*", _):
                formats = [.openMetrics]
            case ("application/vnd.google.protobuf", _):
                let isOurs = parameters["proto"] == "io.prometheus.client.metricfamily"
                guard isOurs, parameters["encoding"] == "delimited" else { return nil }
                formats = [.protobuf]
            case ("*/*", _): formats = [.text, .openMetrics]
            default: return nil
            }
        }
    }

    /// Splits at `separator` outside of quotes.
    private static func split(_ text: some StringProtocol, at separator: Character) -> [Substring] {
        var isQuoted = false
        return Substring(text).split { character in
            if character == "\"" { isQuoted.toggle() }
            return character == separator && !isQuoted
        }
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}
