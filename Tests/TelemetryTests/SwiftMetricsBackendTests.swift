// Metrics of libraries in our exposition.

import CoreMetrics
import Telemetry
import Testing

@Suite("SwiftMetricsBackend")
struct SwiftMetricsBackendTests {
    private let registry = MetricRegistry()
    private let backend: SwiftMetricsBackend

    init() throws {
        let dropped = try registry.counter("dropped_total", help: "d")
        backend = SwiftMetricsBackend(registry: registry, maximumSeries: 5, dropped: dropped)
    }

    /// Lines of samples, without the first one, which counts drops.
    private var samples: [String] {
        let text = String(decoding: registry.exposition(), as: UTF8.self)
        return text.split(separator: "\n").filter { !$0.hasPrefix("#") }.dropFirst().map(String.init)
    }

    private var dropped: String? {
        let text = String(decoding: registry.exposition(), as: UTF8.self)
        return text.split(separator: "\n").first { $0.hasPrefix("dropped_total ") }.map(String.init)
    }

    @Test("each kind of a library's metrics has its kind here, in base units")
    func kinds() {
        CoreMetrics.Counter(label: "http.requests", factory: backend).increment(by: 3)
        FloatingPointCounter(label: "cost_total", factory: backend).increment(by: 0.5)
        let meter = Meter(label: "pool-size", factory: backend)
        meter.set(4)
        meter.increment(by: 2)
        meter.decrement(by: 0.5)
        Recorder(label: "batch", dimensions: [("le", "x"), ("0th", "y")], aggregate: true, factory: backend).record(7)
        CoreMetrics.Timer(label: "wait", factory: backend).recordNanoseconds(1_500_000_000)
        #expect(
            samples == [
                "swift_http_requests_total 3.0", "swift_cost_total 0.5", "swift_pool_size 5.5",
                "swift_batch_count{label_0th=\"y\",label_le=\"x\"} 1.0",
                "swift_batch_sum{label_0th=\"y\",label_le=\"x\"} 7.0",
                "swift_wait_seconds_count 1.0", "swift_wait_seconds_sum 1.5",
            ])
        #expect(dropped == "dropped_total 0.0")
    }

    @Test("a gauge is what was recorded last, and two of one name are one series")
    func sameSeries() {
        CoreMetrics.Gauge(label: "g", dimensions: [("a", "1")], factory: backend).record(1)
        CoreMetrics.Gauge(label: "g", dimensions: [("a", "1")], factory: backend).record(2)
        CoreMetrics.Counter(label: "c", factory: backend).increment()
        FloatingPointCounter(label: "c", factory: backend).increment(by: 0.25)
        #expect(samples == ["swift_g{a=\"1\"} 2.0", "swift_c_total 1.25"])
    }

    @Test("a counter goes on rising after a reset, and a destroyed one stays")
    func resets() {
        let counter = CoreMetrics.Counter(label: "c", factory: backend)
        counter.increment(by: 2)
        counter.reset()
        counter.increment()
        counter.destroy()
        #expect(samples == ["swift_c_total 3.0"])
    }

    @Test("series beyond the limit are dropped and counted, known ones go on")
    func limit() {
        let known = CoreMetrics.Counter(label: "c", dimensions: [("path", "0")], factory: backend)
        for number in 0..<100 {
            CoreMetrics.Counter(label: "c", dimensions: [("path", "\(number)")], factory: backend).increment()
        }
        known.increment()
        #expect(samples.count == 5)
        #expect(samples.first == "swift_c_total{path=\"0\"} 2.0")
        #expect(dropped == "dropped_total 95.0")
    }

    @Test("a series that does not fit its family is dropped: other labels, another kind, labels twice")
    func misfits() {
        CoreMetrics.Counter(label: "a.b", dimensions: [("x", "1")], factory: backend).increment()
        CoreMetrics.Counter(label: "a.b", dimensions: [("y", "1")], factory: backend).increment()
        Meter(label: "a_b_total", factory: backend).set(1)
        Meter(label: "twice", dimensions: [("a.b", "1"), ("a_b", "2")], factory: backend).set(1)
        #expect(samples == ["swift_a_b_total{x=\"1\"} 1.0"])
        #expect(dropped == "dropped_total 3.0")
    }

    @Test("a name, a label or a value that is too long is dropped, and so are too many labels")
    func sizes() {
        let long = String(repeating: "a", count: 129)
        CoreMetrics.Counter(label: long, factory: backend).increment()
        Meter(label: "m", dimensions: [(long, "1")], factory: backend).set(1)
        Meter(label: "m", dimensions: [("x", long)], factory: backend).set(1)
        Meter(label: "m", dimensions: (0..<9).map { ("x\($0)", "1") }, factory: backend).set(1)
        #expect(samples.isEmpty)
        #expect(dropped == "dropped_total 4.0")
    }

    @Test("whatever characters a library chooses, the exposition stays one sample a line")
    func characters() {
        let counter = CoreMetrics.Counter(
            label: "a b\n{}\"é", dimensions: [("p q", "1\n2\"\\é")], factory: backend)
        counter.increment()
        #expect(samples == [#"swift_a_b______total{p_q="1\n2\"\\é"} 1.0"#])
    }
}
