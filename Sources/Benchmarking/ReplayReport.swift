// The result of `pagoda bench scheduler replay`: arrangements beside each other.

public import JSON
import LoadTesting
internal import Primitives
public import Simulation

/// One trace under several arrangements.
public struct ReplayReport: Sendable {
    private static let header = [
        "", "output tokens/s", "ratio", "TTFT P50, s", "TTFT P99, s", "sequences", "KV used", "preemptions",
    ]

    private var rows: [(arrangement: Arrangement, outcome: ReplayOutcome)] = []

    public init() {}

    public mutating func add(_ arrangement: Arrangement, _ outcome: ReplayOutcome) {
        rows.append((arrangement, outcome))
    }

    /// Output tokens a second, over those of the first arrangement.
    public func ratio(of arrangement: Arrangement) -> Double {
        guard let first = rows.first?.outcome.outputTokensPerSecond, first > 0,
            let own = rows.first(where: { $0.arrangement == arrangement })
        else { return 0 }
        return own.outcome.outputTokensPerSecond / first
    }

    /// A table for a terminal.
    public var lines: [String] {
        let cells =
            [Self.header]
            + rows.map { row -> [String] in
                let outcome = row.outcome
                return [
                    row.arrangement.rawValue, Self.text(outcome.outputTokensPerSecond, 1),
                    Self.text(ratio(of: row.arrangement), 2),
                    Self.text(outcome.firstTokenLatencies.percentile(50) ?? 0, 2),
                    Self.text(outcome.firstTokenLatencies.percentile(99) ?? 0, 2),
                    Self.text(outcome.meanRunning, 1), Self.text(outcome.cacheUtilization * 100, 1) + " %",
                    "\(outcome.preemptionCount)",
                ]
            }
        let widths = Self.header.indices.map { column in cells.reduce(0) { max($0, $1[column].count) } }
        return cells.map { row in
            row.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return column == 0 ? row[column] + padding : padding + row[column]
            }
            .joined(separator: "  ")
        }
    }

    private static func text(_ value: Double, _ digits: Int) -> String {
        FixedDecimal.text(value, fractionDigits: digits)
    }

    public var json: JSONObject {
        var object = JSONObject()
        object["arrangements"] = .array(
            rows.map { row -> JSONValue in
                let outcome = row.outcome
                return [
                    "arrangement": .string(row.arrangement.rawValue),
                    "output_tokens_per_second": .number(outcome.outputTokensPerSecond),
                    "ratio": .number(ratio(of: row.arrangement)),
                    "ttft_p50": .number(outcome.firstTokenLatencies.percentile(50) ?? 0),
                    "ttft_p99": .number(outcome.firstTokenLatencies.percentile(99) ?? 0),
                    "itl_p50": .number(outcome.interTokenLatencies.percentile(50) ?? 0),
                    "itl_p99": .number(outcome.interTokenLatencies.percentile(99) ?? 0),
                    "mean_sequences": .number(outcome.meanRunning),
                    "kv_utilization": .number(outcome.cacheUtilization),
                    "makespan": .number(outcome.makespan),
                    "steps": .integer(Int64(outcome.stepCount)),
                    "preemptions": .integer(Int64(outcome.preemptionCount)),
                    "refused": .integer(Int64(outcome.refusedCount)),
                ]
            })
        return object
    }
}
