// The latencies that are reported, and how they are called.

/// In the order in which reports have them; raw values are the names in options and JSON keys.
public enum LatencyMetric: String, CaseIterable, Sendable {
    case timeToFirstToken = "ttft"
    case timePerOutputToken = "tpot"
    case interTokenLatency = "itl"
    case endToEndLatency = "e2el"
    /// Only with `--max-concurrency`.
    case clientQueueTime = "client_queue_time"
    /// Only with `--max-concurrency` and a request rate.
    case endToEndWithQueue = "e2el_including_client_queue"

    /// In lines such as `Mean TTFT (ms):`.
    var label: String {
        switch self {
        case .timeToFirstToken: "TTFT"
        case .timePerOutputToken: "TPOT"
        case .interTokenLatency: "ITL"
        case .endToEndLatency: "E2EL"
        case .clientQueueTime: "Client Queue Time"
        case .endToEndWithQueue: "E2EL incl. Client Queue"
        }
    }

    /// Of its section in the report.
    var title: String {
        switch self {
        case .timeToFirstToken: "Time to First Token"
        case .timePerOutputToken: "Time per Output Token (excl. 1st token)"
        case .interTokenLatency: "Inter-token Latency"
        case .endToEndLatency: "End-to-end Latency"
        case .clientQueueTime: "Client-side Queueing"
        case .endToEndWithQueue: "Queue-inclusive End-to-end Latency"
        }
    }
}

/// Which latencies are reported, and which of their percentiles.
public struct LatencySelection: Sendable, Equatable {
    public let metrics: Set<LatencyMetric>
    /// 0 to 100, in the order asked for.
    public let ranks: [Double]

    /// - Parameters:
    ///   - metrics: As `--percentile-metrics` gives them: names with commas.
    ///   - percentiles: As `--metric-percentiles` gives them: numbers with commas.
    public init(metrics: String = "ttft,tpot,itl", percentiles: String = "99") throws(LoadTestError) {
        var chosen: Set<LatencyMetric> = []
        for name in metrics.split(separator: ",").map({ Self.trimmed($0) }) {
            guard let metric = LatencyMetric(rawValue: name) else {
                throw .unsupported(
                    option: "percentile-metrics", value: name, supported: LatencyMetric.allCases.map(\.rawValue))
            }
            chosen.insert(metric)
        }
        var ranks: [Double] = []
        for text in percentiles.split(separator: ",").map({ Self.trimmed($0) }) {
            guard let rank = Double(text), (0...100).contains(rank) else {
                throw .invalidOption(
                    name: "metric-percentiles", value: text, allowed: "numbers from 0 to 100, with commas")
            }
            ranks.append(rank)
        }
        self.metrics = chosen
        self.ranks = ranks
    }

    private static func trimmed(_ text: Substring) -> String {
        String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
