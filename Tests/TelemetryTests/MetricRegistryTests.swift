// Series are registered once, change together and come out as Python's client writes them.

import Telemetry
import Testing

@Suite("MetricRegistry")
struct MetricRegistryTests {
    private let trace = ExemplarTrace(high: 0x0AF7_6519_16CD_43DD, low: 0x8448_EB21_1C80_319C)

    /// The same metrics and values that tools/exposition-golden.py gives to Python's client.
    private func goldenRegistry() throws(MetricError) -> MetricRegistry {
        let registry = MetricRegistry(wallClock: { 1_718_000_000_123 })
        let help = "Requests, \"quoted\" \\ and\nbroken."
        let plain = try registry.counter(
            "requests_total", help: help, labels: [MetricLabel("method", "get"), MetricLabel("code", "200")])
        let odd = try registry.counter(
            "requests_total", help: help, labels: [MetricLabel("code", "ü"), MetricLabel("method", "p\"o\\s\nt")])
        let temperature = try registry.gauge("zone:temperature", help: "Degrees.")
        let wait = try registry.histogram(
            "wait_seconds", help: "Waiting.", labels: [MetricLabel("model_name", "m"), MetricLabel("engine", "0")],
            buckets: [0.001, 0.5, 1, 10_000_000])
        let tokens = try registry.histogram("tokens_total", help: "Ends as a counter.", buckets: [1, 8])
        let balance = try registry.histogram("balance", help: "May be negative.", buckets: [-1, 1])
        _ = try registry.histogram("unused", help: "Not observed.", buckets: [2])
        let size = try registry.summary("size_bytes", help: "Sizes.", labels: [MetricLabel("handler", "/v1")])
        let empty = try registry.summary("size_bytes", help: "Sizes.", labels: [MetricLabel("handler", "/")])
        let other = ExemplarTrace(high: 0, low: 7)
        registry.update { values in
            values.increment(plain, by: 3, trace: trace)
            values.increment(odd)
            values.set(temperature, to: -1_234_567.5)
            let waits = [
                (0.0005, nil), (0.001, trace), (0.0010001, nil), (0.75, trace), (1, other), (5e6, nil), (2e7, nil),
            ]
            for (seconds, trace) in waits { values.observe(seconds, in: wait, trace: trace) }
            for count in [0, 1, 2, 3, 3, 3.0000001, 7, 1e9] { values.observe(count, in: tokens) }
            for value in [-2, 0.5] { values.observe(value, in: balance) }
            for bytes in [100, 23.5] { values.observe(bytes, in: size) }
            values.observe(0, in: empty)
        }
        return registry
    }

    private func text(_ registry: MetricRegistry, _ format: ExpositionFormat = .text) -> String {
        String(decoding: registry.exposition(as: format), as: UTF8.self)
    }

    @Test("both text formats equal Python's to the byte, and protobuf Google's encoding of the same")
    func goldenExposition() throws {
        let registry = try goldenRegistry()
        #expect(text(registry) == fixture("exposition.txt"))
        #expect(text(registry, .openMetrics) == fixture("openmetrics.txt"))
        #expect(registry.exposition(as: .protobuf) == fixtureBytes("exposition.protobuf"))
    }

    @Test("a counter without _total keeps its name in all formats, and is unknown to OpenMetrics, without exemplars")
    func counterWithoutTotal() throws {
        let registry = MetricRegistry()
        let counter = try registry.counter("vllm_request_count", help: "h", labels: [MetricLabel("status", "SUCCESS")])
        registry.update { $0.increment(counter, trace: trace) }
        let sample = "vllm_request_count{status=\"SUCCESS\"} 1.0\n"
        #expect(text(registry) == "# HELP vllm_request_count h\n# TYPE vllm_request_count counter\n" + sample)
        #expect(
            text(registry, .openMetrics)
                == "# HELP vllm_request_count h\n# TYPE vllm_request_count unknown\n" + sample + "# EOF\n")
        let family = try #require(ProtobufReader.families(registry.exposition(as: .protobuf)).first)
        #expect(family.string(1) == "vllm_request_count")
        #expect(family.number(3) == 0)
        #expect(family.message(4)?.message(3)?.double(1) == 1)
    }

    @Test("counters never fall, and what is no number changes nothing")
    func hostileValues() throws {
        let registry = MetricRegistry()
        let counter = try registry.counter("c_total", help: "")
        let histogram = try registry.histogram("h", help: "", buckets: [1])
        let summary = try registry.summary("s", help: "")
        registry.update { values in
            values.increment(counter, by: 2)
            values.increment(counter, by: -1)
            values.increment(counter, by: .nan)
            values.increment(counter, by: .infinity)
            values.raise(counter, to: 1)
            values.raise(counter, to: .nan)
            values.observe(.nan, in: histogram)
            values.observe(.infinity, in: histogram)
            values.observe(-3, in: histogram)
            values.observe(-3, in: summary)
            values.observe(.nan, in: summary)
        }
        #expect(registry.read { $0.value(of: counter) } == 2)
        let lines = "h_bucket{le=\"1.0\"} 1.0\nh_bucket{le=\"+Inf\"} 2.0\nh_count 2.0\nh_sum +Inf\n"
        #expect(text(registry).contains(lines))
        #expect(text(registry).hasSuffix("s_count 0.0\ns_sum 0.0\n"))
    }

    // MARK: - Registration

    @Test("names that Prometheus does not know are refused", arguments: ["", "1a", "a-b", "ä", "a b", "a\n"])
    func invalidNames(name: String) {
        let registry = MetricRegistry()
        #expect(throws: MetricError.invalidName(name)) { try registry.gauge(name, help: "") }
        #expect(throws: MetricError.invalidLabelName(name, metric: "ok")) {
            try registry.gauge("ok", help: "", labels: [MetricLabel(name, "")])
        }
    }

    @Test("label names that are reserved are refused", arguments: ["le", "quantile", "__name__", "a:b"])
    func reservedLabels(name: String) {
        #expect(throws: MetricError.invalidLabelName(name, metric: "ok")) {
            try MetricRegistry().gauge("ok", help: "", labels: [MetricLabel(name, "")])
        }
    }

    @Test("a name that another metric has, or is exposed under, is refused")
    func takenNames() throws {
        let registry = MetricRegistry()
        _ = try registry.counter("a_total", help: "")
        _ = try registry.histogram("h", help: "", buckets: [1])
        _ = try registry.counter("vllm_request_count", help: "")
        for name in ["a", "a_created", "h_sum", "h_bucket"] {
            #expect(throws: MetricError.nameTaken(name)) { try registry.gauge(name, help: "") }
        }
        #expect(throws: MetricError.nameTaken("vllm_request_count")) {
            try registry.histogram("vllm_request", help: "", buckets: [1])
        }
        #expect(throws: MetricError.inconsistentFamily("h")) { try registry.gauge("h", help: "") }
    }

    @Test("a family has one type, help text, set of label names and of buckets, and each series once")
    func inconsistentFamilies() throws {
        let registry = MetricRegistry()
        let labels = [MetricLabel("a", "1")]
        _ = try registry.gauge("g", help: "h", labels: labels)
        #expect(throws: MetricError.duplicateLabels(metric: "g")) { try registry.gauge("g", help: "h", labels: labels) }
        #expect(throws: MetricError.inconsistentFamily("g")) { try registry.gauge("g", help: "other", labels: labels) }
        #expect(throws: MetricError.inconsistentFamily("g")) { try registry.gauge("g", help: "h") }
        #expect(throws: MetricError.inconsistentFamily("g")) { try registry.counter("g", help: "h", labels: labels) }
        #expect(throws: MetricError.inconsistentFamily("twice")) {
            try registry.gauge("twice", help: "", labels: labels + labels)
        }
        for buckets in [[], [1, 1], [2, 1], [1, .infinity], [.nan]] {
            #expect(throws: MetricError.invalidBuckets(metric: "b")) {
                try registry.histogram("b", help: "", buckets: buckets)
            }
        }
        #expect(text(registry) == "# HELP g h\n# TYPE g gauge\ng{a=\"1\"} 0.0\n")
    }

    @Test("when there is no room left, series are refused and those before it go on")
    func fullRegistry() throws {
        let registry = MetricRegistry()
        let counter = try registry.counter("c_total", help: "")
        let buckets = (0..<5000).map { Double($0) }
        let error = #expect(throws: MetricError.self) {
            for number in 0..<100 { _ = try registry.histogram("h\(number)", help: "", buckets: buckets) }
        }
        guard case .registryFull = error else {
            Issue.record("another error: \(String(describing: error))")
            return
        }
        registry.update { $0.increment(counter) }
        #expect(text(registry).contains("c_total 1.0\n"))
        _ = try registry.gauge("small", help: "")
    }

    // MARK: - Reading

    @Test("what is read of a metric is what was recorded")
    func reading() throws {
        let registry = MetricRegistry()
        let gauge = try registry.gauge("g", help: "")
        let histogram = try registry.histogram("h", help: "", buckets: [1, 2])
        let summary = try registry.summary("s", help: "")
        registry.update { values in
            values.set(gauge, to: -0.5)
            for value in [1, 1.5, 2, 9] { values.observe(value, in: histogram) }
            for value in [3, 4.5] { values.observe(value, in: summary) }
        }
        let snapshot = registry.snapshot()
        let later = try registry.counter("later_total", help: "")
        registry.update { values in
            values.set(gauge, to: 7)
            values.increment(later)
        }
        #expect(snapshot.value(of: gauge) == -0.5)
        #expect(histogram.bounds == [1, 2])
        #expect(snapshot.bucketCounts(of: histogram) == [1, 2, 1])
        #expect(snapshot.count(of: histogram) == 4)
        #expect(snapshot.sum(of: histogram) == 13.5)
        #expect(snapshot.count(of: summary) == 2)
        #expect(snapshot.sum(of: summary) == 7.5)
        #expect(snapshot.value(of: later) == 0)
        #expect(registry.snapshot().value(of: later) == 1)
    }

    @Test("collectors run before every scrape")
    func collectors() throws {
        let registry = MetricRegistry()
        let scrapes = try registry.gauge("scrapes", help: "")
        registry.beforeScrape { registry in
            registry.update { $0.set(scrapes, to: $0.value(of: scrapes) + 1) }
        }
        for count in 1...3 { #expect(text(registry).hasSuffix("scrapes \(count).0\n")) }
    }
}
