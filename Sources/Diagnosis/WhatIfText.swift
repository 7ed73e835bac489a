// A what-if report as a page for a terminal.

/// Lays a report out as a table of 100 columns, wider only for long names of scenarios.
public struct WhatIfText: Sendable {
    private var lines: [String] = []
    private static let width = 100

    /// Two lines of heading for each column but that of names.
    private static let headings = [
        ("first token", "P50"), ("", "P99"), ("between tokens", "P99"), ("tokens out", ""), ("preemptions", ""),
    ]

    public init(_ report: WhatIfReport) {
        addCapture(report)
        lines.append("")
        addTable(report)
        lines.append("")
        add(
            "Changes are to the replay. Requests come when they came: clients that wait for an answer before they ask "
                + "again would have come at other times.")
        for warning in report.warnings { add("! " + warning, hanging: 2) }
    }

    public var text: String { lines.joined(separator: "\n") + "\n" }

    private mutating func addCapture(_ report: WhatIfReport) {
        let rate = Quantity(report.measured.generatedTokensPerSecond, .perSecond).text
        let counts = "\(Self.count(report.requestCount)) requests, \(Self.count(report.generatedTokenCount)) tokens out"
        add("\(Quantity(report.seconds, .seconds).text) of \(report.source): \(counts) (\(rate))")
        if report.unfinishedCount > 0 {
            add("\(Self.count(report.unfinishedCount)) sequences had not ended yet and are left out.")
        }
        add(
            "Costs of a step: learned from \(Self.count(report.stepCount)) of its own, of which half are within "
                + "\(Quantity(report.stepError, .share).text).")
    }

    private mutating func addTable(_ report: WhatIfReport) {
        var rows = [
            [""] + Self.headings.map(\.0),
            [""] + Self.headings.map(\.1),
            Self.row("measured", report.measured, beside: nil),
            Self.row("replayed", report.replayed, beside: nil),
        ]
        rows += report.scenarios.map { Self.row($0.name, $0.figures, beside: report.replayed) }
        let widths = (0...Self.headings.count).map { column in rows.map { $0[column].count }.max() ?? 0 }
        for row in rows {
            let cells = zip(row, widths).map { cell, width in
                cell + String(repeating: " ", count: width - cell.count)
            }
            var line = cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            lines.append(line)
        }
    }

    private static func row(
        _ name: String, _ figures: WhatIfReport.Figures, beside base: WhatIfReport.Figures?
    ) -> [String] {
        [
            TerminalText.printable(name),
            cell(figures.firstTokenMedian, .seconds, base?.firstTokenMedian),
            cell(figures.firstTokenP99, .seconds, base?.firstTokenP99),
            cell(figures.tokenP99, .seconds, base?.tokenP99),
            cell(figures.generatedTokensPerSecond, .perSecond, base?.generatedTokensPerSecond),
            count(figures.preemptionCount),
        ]
    }

    /// A value, and its change in percent.
    private static func cell(_ value: Double?, _ unit: Quantity.Unit, _ base: Double?) -> String {
        guard let value else { return "–" }
        let text = Quantity(value, unit).text
        guard let base, base > 0, let percent = Int(exactly: ((value / base - 1) * 100).rounded()) else { return text }
        return "\(text) \(percent < 0 ? "-" : "+")\(percent.magnitude) %"
    }

    private static func count(_ count: Int) -> String { Quantity(Double(count), .count).text }

    private mutating func add(_ text: String, hanging: Int = 0) {
        lines += TerminalText.wrapped(text, width: Self.width, hanging: hanging)
    }
}
