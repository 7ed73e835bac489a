// docs/metrics.md against what a server really shows.

import Foundation
import Testing

@Suite("The reference of metrics")
struct MetricsReferenceTests {
    /// A row of the page, and what a scrape says in its place.
    private struct Entry: Hashable, CustomStringConvertible {
        var name: String
        var type: String
        var labels: Set<String>
        var meaning: String

        var description: String { "\(name), \(type), \(labels.sorted()): \(meaning)" }
    }

    @Test("the page has every metric of a live scrape with its type, labels and meaning, and no other")
    func pageMatchesScrape() async throws {
        let server = try await RunningServer()
        let shown = Set(Self.entries(ofScrape: try await server.get("/metrics")))
        let page = TestFiles.root.appending(path: "docs/metrics.md")
        let written = Self.entries(ofPage: try String(contentsOf: page, encoding: .utf8))
        #expect(Set(written).count == written.count, "a metric is there twice")
        #expect(shown.count > 90)
        for entry in shown.subtracting(written).sorted(by: { $0.name < $1.name }) {
            Issue.record("not in docs/metrics.md: \(entry); run tools/metrics-reference.py")
        }
        for entry in Set(written).subtracting(shown).sorted(by: { $0.name < $1.name }) {
            Issue.record("only in docs/metrics.md: \(entry); run tools/metrics-reference.py")
        }
    }

    private static func entries(ofScrape text: String) -> [Entry] {
        var entries: [Entry] = []
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
            if line.hasPrefix("# HELP ") {
                let meaning = (words.count > 3 ? words[3] : "").trimmingCharacters(in: .whitespaces)
                entries.append(Entry(name: words[2], type: "", labels: [], meaning: meaning))
            } else if line.hasPrefix("# TYPE ") {
                entries[entries.count - 1].type = words[3]
            } else {
                for match in line.matches(of: /(\w+)="/) where match.1 != "le" {
                    entries[entries.count - 1].labels.insert(String(match.1))
                }
            }
        }
        return entries
    }

    /// Rows of four columns whose first is a name and whose second is a type.
    private static func entries(ofPage text: String) -> [Entry] {
        let types: Set<String> = ["counter", "gauge", "histogram", "summary"]
        return text.split(separator: "\n").compactMap { line in
            let cells = line.replacing("\\|", with: "\u{1}").split(separator: "|", omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespaces).replacing("\u{1}", with: "|") }
            guard cells.count == 6, types.contains(cells[2]) else { return nil }
            // `label` = `value`, `value`; `label`
            let labels = cells[3].split(separator: ";").compactMap { $0.firstMatch(of: /`(\w+)`/).map { String($0.1) } }
            return Entry(
                name: cells[1].filter { $0 != "`" }, type: cells[2], labels: Set(labels), meaning: cells[4])
        }
    }
}
