// All findings together, ranked, and what they come to.

public import JSON

/// What limits a server, in the order in which it matters.
public struct Verdict: Sendable, Equatable {
    public let figures: ServerFigures
    /// Never empty.
    public let findings: [Finding]

    /// Applies all rules.
    public init(_ figures: ServerFigures) {
        self.figures = figures
        let found = Rule.all.compactMap { $0.examine(figures) }
        // Sorting is stable, so that rules keep their order within the same weight.
        let ranked = found.sorted { left, right in
            left.severity != right.severity ? left.severity > right.severity : left.impact > right.impact
        }
        findings = ranked.contains { $0.severity > .note } ? ranked : [Self.unclear(figures)] + ranked
    }

    /// The finding that matters most.
    public var main: Finding { findings.first ?? Self.unclear(figures) }

    public var severity: Severity { main.severity }

    /// One line: the limit, and the sentence that explains it.
    public var headline: String {
        let limit = main.limit == .nothing ? "Nothing limits it." : "Limited by \(main.limit.title)."
        return "\(limit) \(main.sentence)"
    }

    /// Requests wait, and the figures don't tell for what.
    private static func unclear(_ figures: ServerFigures) -> Finding {
        Finding(
            .nothing, .healthy, impact: 0, "No limit stands out in these \(Quantity(figures.seconds, .seconds).text).",
            evidence: [figures.busyEvidence, figures.runningEvidence, figures.waitingEvidence, figures.cacheEvidence],
            advice: [Advice(.raise, "the time that is looked at", "a longer --interval may show more")])
    }
}

// MARK: - JSON

extension Verdict {
    /// Writes an object: headline, severity, and findings with evidence and advice.
    public func write(to json: inout JSONWriter) {
        json.beginObject()
        json.key("headline")
        json.value(headline)
        json.key("limit")
        json.value(main.limit.rawValue)
        json.key("severity")
        json.value(severity.rawValue)
        json.key("seconds")
        json.value(figures.seconds)
        json.key("findings")
        json.beginArray()
        for finding in findings { Self.write(finding, to: &json) }
        json.endArray()
        json.endObject()
    }

    private static func write(_ finding: Finding, to json: inout JSONWriter) {
        json.beginObject()
        let members = [
            ("limit", finding.limit.rawValue), ("title", finding.limit.title), ("severity", finding.severity.rawValue),
            ("sentence", finding.sentence),
        ]
        for (key, value) in members {
            json.key(key)
            json.value(value)
        }
        json.key("impact")
        json.value(finding.impact)
        json.key("evidence")
        json.beginArray()
        for evidence in finding.evidence {
            json.beginObject()
            let members = [
                ("meaning", evidence.meaning), ("text", evidence.quantity.text),
                ("unit", evidence.quantity.unit.rawValue), ("metric", evidence.metric),
            ]
            for (key, value) in members {
                json.key(key)
                json.value(value)
            }
            json.key("value")
            json.value(evidence.quantity.value)
            json.endObject()
        }
        json.endArray()
        json.key("advice")
        json.beginArray()
        for advice in finding.advice {
            json.beginObject()
            let members = [
                ("direction", advice.direction.rawValue), ("setting", advice.setting), ("reason", advice.reason),
            ]
            for (key, value) in members {
                json.key(key)
                json.value(value)
            }
            json.endObject()
        }
        json.endArray()
        json.endObject()
    }
}
