// The metrics of libraries, which report them through swift-metrics.

public import CoreMetrics
import Synchronization

/// Puts what libraries count into a registry: a counter called `a.b` becomes `swift_a_b_total`, a meter, or a recorder
/// that does not aggregate, a gauge, any other recorder a summary, a timer a summary in seconds.
///
/// Names and labels are a library's to choose, and perhaps its clients': beyond a number of series, of labels or of
/// bytes, or where a family has other labels already, a new series is dropped and counted. Series stay once they are
/// there; a counter that is reset goes on rising.
public final class SwiftMetricsBackend: MetricsFactory {
    private struct Key: Hashable {
        let name: String
        let labels: Set<MetricLabel>
    }

    private static let maximumLabels = 8
    private static let maximumTextBytes = 128
    /// Whether a backend is swift-metrics' own, which can be said once in a process.
    private static let isInstalled = Mutex(false)

    private let registry: MetricRegistry
    private let maximumSeries: Int
    private let dropped: Counter
    private let handlers = Mutex<[Key: any Sendable]>([:])

    /// - Parameter dropped: counts the series that were asked for and refused.
    public init(registry: MetricRegistry, maximumSeries: Int = 200, dropped: Counter) {
        self.registry = registry
        self.maximumSeries = maximumSeries
        self.dropped = dropped
    }

    /// Has all libraries of this process report here. The first backend stays: swift-metrics would end a process that
    /// names a second one.
    ///
    /// - Returns: Whether this one was the first.
    @discardableResult
    public func install() -> Bool {
        Self.isInstalled.withLock { isInstalled in
            guard !isInstalled else { return false }
            MetricsSystem.bootstrap(self)
            isInstalled = true
            return true
        }
    }

    // MARK: - MetricsFactory

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        counter(label, dimensions) ?? NOOPMetricsHandler.instance
    }

    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        counter(label, dimensions) ?? NOOPMetricsHandler.instance
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        gauge(label, dimensions) ?? NOOPMetricsHandler.instance
    }

    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        if aggregate { return summary(label, suffix: "", dimensions) ?? NOOPMetricsHandler.instance }
        return gauge(label, dimensions) ?? NOOPMetricsHandler.instance
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        summary(label, suffix: "_seconds", dimensions) ?? NOOPMetricsHandler.instance
    }

    public func destroyCounter(_ handler: any CounterHandler) {}
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    public func destroyMeter(_ handler: any MeterHandler) {}
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    public func destroyTimer(_ handler: any TimerHandler) {}

    // MARK: - Series

    private static let help = "A library's metric, reported through swift-metrics."

    private func counter(_ label: String, _ dimensions: [(String, String)]) -> CounterSeries? {
        series(label, suffix: "_total", dimensions) { [registry] name, labels throws(MetricError) in
            let counter = try registry.counter(name, help: Self.help, labels: labels)
            return CounterSeries(registry: registry, counter: counter)
        }
    }

    private func gauge(_ label: String, _ dimensions: [(String, String)]) -> GaugeSeries? {
        series(label, suffix: "", dimensions) { [registry] name, labels throws(MetricError) in
            let gauge = try registry.gauge(name, help: Self.help, labels: labels)
            return GaugeSeries(registry: registry, gauge: gauge)
        }
    }

    private func summary(_ label: String, suffix: String, _ dimensions: [(String, String)]) -> SummarySeries? {
        series(label, suffix: suffix, dimensions) { [registry] name, labels throws(MetricError) in
            let summary = try registry.summary(name, help: Self.help, labels: labels)
            return SummarySeries(registry: registry, summary: summary)
        }
    }

    /// The series of these names, made if there is none; nil if it had to be dropped.
    private func series<Series: Sendable>(
        _ label: String, suffix: String, _ dimensions: [(String, String)],
        make: (String, [MetricLabel]) throws(MetricError) -> Series
    ) -> Series? {
        let plain = "swift_" + Self.sanitized(label)
        let name = plain.hasSuffix(suffix) ? plain : plain + suffix
        let labels = dimensions.map { MetricLabel(Self.labelName($0.0), $0.1) }
        let key = Key(name: name, labels: Set(labels))
        let found = handlers.withLock { handlers -> Series? in
            if let handler = handlers[key] { return handler as? Series }
            guard handlers.count < maximumSeries, Self.isShort(name, dimensions) else { return nil }
            guard let new = try? make(name, labels) else { return nil }
            handlers[key] = new
            return new
        }
        if found == nil { registry.update { $0.increment(dropped) } }
        return found
    }

    private static func isShort(_ name: String, _ dimensions: [(String, String)]) -> Bool {
        dimensions.count <= maximumLabels && name.utf8.count <= maximumTextBytes
            && dimensions.allSatisfy { max($0.0.utf8.count, $0.1.utf8.count) <= maximumTextBytes }
    }

    private static func sanitized(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.isASCIIAlphanumeric ? $0 : "_" }))
    }

    /// A name that the registry takes, whatever the dimension is called.
    private static func labelName(_ dimension: String) -> String {
        let name = sanitized(dimension)
        let isTaken = name.isEmpty || name.hasPrefix("__") || ["le", "quantile"].contains(name)
        let startsWithDigit = name.utf8.first.map { (48...57).contains($0) } ?? false
        return isTaken || startsWithDigit ? "label_" + name : name
    }
}

extension Unicode.Scalar {
    fileprivate var isASCIIAlphanumeric: Bool {
        ("a"..."z").contains(self) || ("A"..."Z").contains(self) || ("0"..."9").contains(self)
    }
}

// MARK: - Handlers

private final class CounterSeries: CounterHandler, FloatingPointCounterHandler {
    private let registry: MetricRegistry
    private let counter: Counter

    init(registry: MetricRegistry, counter: Counter) {
        self.registry = registry
        self.counter = counter
    }

    func increment(by amount: Int64) { increment(by: Double(amount)) }
    func increment(by amount: Double) { registry.update { $0.increment(counter, by: amount) } }
    func reset() {}
}

private final class GaugeSeries: MeterHandler, RecorderHandler {
    private let registry: MetricRegistry
    private let gauge: Gauge

    init(registry: MetricRegistry, gauge: Gauge) {
        self.registry = registry
        self.gauge = gauge
    }

    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { registry.update { $0.set(gauge, to: value) } }
    func record(_ value: Int64) { set(Double(value)) }
    func record(_ value: Double) { set(value) }
    func increment(by amount: Double) { registry.update { $0.set(gauge, to: $0.value(of: gauge) + amount) } }
    func decrement(by amount: Double) { increment(by: -amount) }
}

private final class SummarySeries: RecorderHandler, TimerHandler {
    private let registry: MetricRegistry
    private let summary: Summary

    init(registry: MetricRegistry, summary: Summary) {
        self.registry = registry
        self.summary = summary
    }

    func record(_ value: Int64) { record(Double(value)) }
    func record(_ value: Double) { registry.update { $0.observe(value, in: summary) } }
    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1_000_000_000) }
}
