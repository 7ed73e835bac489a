// A verdict as a page for a terminal.

/// Lays a verdict out in lines of 100 columns at most. What came from the server is shown without control characters:
/// a terminal obeys them.
public struct VerdictText: Sendable {
    private let verdict: Verdict
    private var lines: [String] = []
    private static let width = 100

    /// - Parameter source: Where the metrics came from.
    public init(_ verdict: Verdict, source: String) {
        self.verdict = verdict
        let figures = verdict.figures
        // A served name may be a path.
        let model = figures.model.map { $0.split(separator: "/").last.map(String.init) ?? $0 }
        let names = [model, figures.version.map { "pagoda \($0)" }].compactMap { $0 }
        add("\(Quantity(figures.seconds, .seconds).text) of \(source)")
        add(names.joined(separator: ", "))
        add("")
        add(verdict.headline)
        if figures.traffic.isRestarted { add("The server was restarted in this time.") }
        for (index, finding) in verdict.findings.enumerated() { add(finding, number: index + 1) }
        add("")
        addFigures()
    }

    public var text: String { lines.joined(separator: "\n") + "\n" }

    private mutating func add(_ finding: Finding, number: Int) {
        add("")
        add("\(number). \(finding.limit.title) (\(finding.severity.rawValue))")
        if number > 1 { add(finding.sentence, indentation: 3) }
        let width = finding.evidence.map(\.meaning.count).max() ?? 0
        for evidence in finding.evidence {
            let gap = String(repeating: " ", count: width - evidence.meaning.count + 2)
            add("\(evidence.meaning)\(gap)\(evidence.quantity.text)", indentation: 3, wraps: false)
        }
        for advice in finding.advice { add("→ \(advice.text)", indentation: 3, hanging: 2) }
    }

    private mutating func addFigures() {
        let figures = verdict.figures
        var parts = [
            "\(Quantity(figures.traffic.generatedTokens / figures.seconds, .perSecond).text) tokens out",
            "\(Quantity(figures.traffic.promptTokens / figures.seconds, .perSecond).text) in",
            "\(ServerFigures.about(figures.queue.running)) running",
            "\(ServerFigures.about(figures.queue.waiting)) waiting",
            "KV cache \(Quantity(figures.cache.usage, .share).text)",
        ]
        let latencies = [
            ("first token", figures.latency.firstTokenMedian, figures.latency.firstTokenP99),
            ("between tokens", figures.latency.tokenMedian, figures.latency.tokenP99),
        ]
        for case (let name, let median?, let p99?) in latencies {
            parts.append("\(name) \(Quantity(median, .seconds).text), P99 \(Quantity(p99, .seconds).text)")
        }
        addList(parts)
        guard figures.latency.partSum >= 0.1 else { return }
        let shares = figures.latency.parts.mapValues { $0 / figures.latency.partSum }
        let owners = shares.filter { $0.value >= 0.001 }.sorted { $0.value > $1.value }.map { part, share in
            "\(part.split(separator: "_").joined(separator: " ")) \(Quantity(share, .share).text)"
        }
        addList(["latency by owner: " + (owners.first ?? "")] + owners.dropFirst())
    }

    /// One after the other, broken between them.
    private mutating func addList(_ parts: [String]) {
        var line = ""
        for part in parts.map(TerminalText.printable) {
            if !line.isEmpty, line.count + 3 + part.count > Self.width {
                lines.append(line)
                line = part
            } else {
                line += line.isEmpty ? part : " · " + part
            }
        }
        lines.append(line)
    }

    private mutating func add(_ text: String, indentation: Int = 0, hanging: Int = 0, wraps: Bool = true) {
        guard wraps else {
            lines.append(String(repeating: " ", count: indentation) + TerminalText.printable(text))
            return
        }
        lines += TerminalText.wrapped(text, width: Self.width, indentation: indentation, hanging: hanging)
    }
}
