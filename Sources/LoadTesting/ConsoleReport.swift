// The report on the terminal, line for line as `vllm bench serve` prints it.

/// What the report says beside the figures.
public struct ReportSettings: Sendable, Equatable {
    public var maximumConcurrency: Int?
    public var requestRate: Double
    /// Whether `--goodput` was given.
    public var showsGoodput: Bool
    public var latencies: LatencySelection

    public init(
        maximumConcurrency: Int?, requestRate: Double, showsGoodput: Bool, latencies: LatencySelection
    ) {
        self.maximumConcurrency = maximumConcurrency
        self.requestRate = requestRate
        self.showsGoodput = showsGoodput
        self.latencies = latencies
    }

    /// The metrics to show, in order: those asked for, as far as the traffic gives them a meaning.
    var metrics: [LatencyMetric] {
        LatencyMetric.allCases.filter { metric in
            guard latencies.metrics.contains(metric) else { return false }
            return switch metric {
            case .clientQueueTime: maximumConcurrency != nil
            case .endToEndWithQueue: maximumConcurrency != nil && requestRate.isFinite
            default: true
            }
        }
    }
}

public enum ConsoleReport {
    /// What is said before the run.
    public static func opening(arrivals: ArrivalProcess, maximumConcurrency: Int?) -> [String] {
        var lines: [String] = []
        if let rampUp = arrivals.rampUp {
            lines += [
                "Traffic ramp-up strategy: \(rampUp.strategy.rawValue).",
                "Will increase RPS from \(rampUp.startRate) to \(rampUp.endRate) RPS "
                    + "over the duration of the benchmark.",
            ]
        } else {
            lines.append("Traffic request rate: \(arrivals.requestRate)")
        }
        let distribution = arrivals.burstiness == 1 ? "Poisson process" : "Gamma distribution"
        return lines + [
            "Burstiness factor: \(arrivals.burstiness) (\(distribution))",
            "Maximum request concurrency: \(maximumConcurrency.map { "\($0)" } ?? "None")",
        ]
    }

    /// Why requests failed; nothing if none did.
    public static func failures(_ records: [RequestRecord]) -> [String] {
        let errors = records.compactMap(\.error)
        guard !errors.isEmpty else { return [] }
        return ["Failed requests during benchmark run detected (capping to 10):"]
            + errors.prefix(10).enumerated().map { "Error \($0.offset): \($0.element)" }
    }

    public static func lines(_ statistics: RunStatistics, settings: ReportSettings) -> [String] {
        var lines = [
            title(" Serving Benchmark Result ", fill: "="),
            line("Successful requests:", statistics.completedCount),
            line("Failed requests:", statistics.failedCount),
        ]
        if let limit = settings.maximumConcurrency { lines.append(line("Maximum request concurrency:", limit)) }
        if settings.requestRate.isFinite {
            lines.append(line("Request rate configured (RPS):", settings.requestRate))
        }
        lines += [
            line("Benchmark duration (s):", statistics.durationSeconds),
            line("Total input tokens:", statistics.inputTokenCount),
            line("Total generated tokens:", statistics.outputTokenCount),
            line("Request throughput (req/s):", statistics.requestThroughput),
        ]
        if settings.showsGoodput { lines.append(line("Request goodput (req/s):", statistics.requestGoodput)) }
        lines += [
            line("Output token throughput (tok/s):", statistics.outputThroughput),
            line("Peak output token throughput (tok/s):", statistics.peakOutputTokensPerSecond),
            line("Peak concurrent requests:", Double(statistics.peakConcurrentRequests)),
            line("Total token throughput (tok/s):", statistics.totalTokenThroughput),
        ]
        for metric in settings.metrics {
            guard let distribution = statistics.latencies[metric] else { continue }
            lines += section(metric, distribution)
        }
        if let speculation = statistics.speculation { lines += section(speculation) }
        return lines + [String(repeating: "=", count: width)]
    }

    // MARK: - Layout

    private static let width = 50

    private static func section(_ metric: LatencyMetric, _ distribution: Distribution) -> [String] {
        [
            title(metric.title, fill: "-"),
            line("Mean \(metric.label) (ms):", distribution.mean),
            line("Median \(metric.label) (ms):", distribution.median),
        ]
            + distribution.percentiles.map {
                line("P\(rankText($0.rank)) \(metric.label) (ms):", $0.value)
            }
    }

    private static func section(_ speculation: SpeculationStatistics) -> [String] {
        let lines = [
            title("Speculative Decoding", fill: "-"),
            line("Acceptance rate (%):", speculation.acceptancePercent),
            line("Acceptance length:", speculation.acceptanceLength),
            line("Drafts:", speculation.draftCount),
            line("Draft tokens:", speculation.draftTokenCount),
            line("Accepted tokens:", speculation.acceptedTokenCount),
        ]
        guard !speculation.positionRates.isEmpty else { return lines }
        return lines + ["Per-position acceptance (%):"]
            + speculation.positionRates.enumerated().map { position, rate in
                let text = rate.map { FixedDecimal.text($0 * 100, fractionDigits: 2) } ?? "-----"
                return padded("  Position \(position):", to: 40) + " " + padded(text, to: 10)
            }
    }

    /// `99`, but `99.9`.
    static func rankText(_ rank: Double) -> String {
        Int(exactly: rank).map { "\($0)" } ?? "\(rank)"
    }

    private static func line(_ label: String, _ value: Int) -> String {
        padded(label, to: 40) + " " + padded("\(value)", to: 10)
    }

    private static func line(_ label: String, _ value: Double) -> String {
        padded(label, to: 40) + " " + padded(FixedDecimal.text(value, fractionDigits: 2), to: 10)
    }

    private static func padded(_ text: String, to count: Int) -> String {
        text + String(repeating: " ", count: max(0, count - text.count))
    }

    /// Centred as Python does it: an odd blank goes to the right.
    private static func title(_ text: String, fill: Character) -> String {
        let blank = max(0, width - text.count)
        return String(repeating: fill, count: blank / 2) + text + String(repeating: fill, count: blank - blank / 2)
    }
}
