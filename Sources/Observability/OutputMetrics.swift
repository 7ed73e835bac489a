// What became of log lines and spans on their way out of the process.

import Telemetry

/// Counts of the log's writer and the spans' queue, 0 where there is none; brought up to date at every scrape.
struct OutputMetrics: Sendable {
    private let lostLines: Counter
    private let lostSpans: Counter
    private let sentSpans: Counter

    @discardableResult
    init(log: LogWriter?, spans: SpanQueue?, in registry: MetricRegistry) throws(MetricError) {
        lostLines = try registry.counter(
            "pagoda_log_lines_dropped_total", help: "Log lines lost, since standard error did not take them in time.")
        lostSpans = try registry.counter(
            "pagoda_spans_dropped_total", help: "Spans lost: no room for them, or the collector did not take them.")
        sentSpans = try registry.counter(
            "pagoda_spans_exported_total", help: "Spans that the collector took.")
        let metrics = self
        registry.beforeScrape { registry in
            let (lineCount, lostCount, sentCount) = (
                log?.droppedLineCount ?? 0, spans?.droppedCount ?? 0, spans?.exportedCount ?? 0
            )
            registry.update { values in
                values.raise(metrics.lostLines, to: Double(lineCount))
                values.raise(metrics.lostSpans, to: Double(lostCount))
                values.raise(metrics.sentSpans, to: Double(sentCount))
            }
        }
    }
}
