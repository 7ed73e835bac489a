// Series are registered once, change together and come out as Python's client writes them.

import Synchronization
import Telemetry
import Testing

@Suite("MetricRegistry")
struct MetricRegistryTests {
    /// The same metrics and values that tools/metrics-golden.py gives to Python's client.
    private func goldenRegistry() throws(MetricError) -> MetricRegistry {
        let registry = MetricRegistry()
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
        registry.update { values in
            values.increment(plain, by: 3)
            values.increment(odd)
            values.set(temperature, to: -1_234_567.5)
            for value in [0.0005, 0.001, 0.0010001, 0.75, 1, 5e6, 2e7] {
                values.observe(value, in: wait)
            }
            values.observe(3, in: tokens)
        }
        return registry
    }

    private func text(_ registry: MetricRegistry, _ format: ExpositionFormat = .text) -> String {
        String(decoding: registry.exposition(as: format), as: UTF8.self)
    }

    @Test("both text formats equal Python's to the byte")
    func goldenExposition() throws {
        let registry = try goldenRegistry()
        #expect(text(registry) == fixture("exposition.txt"))
        #expect(text(registry, .openMetrics) == fixture("openmetrics.txt"))
    }

    @Test("a counter without _total keeps its name, and is unknown to OpenMetrics")
    func counterWithoutTotal() throws {
        let registry = MetricRegistry()
        _ = try registry.counter("vllm_request_count", help: "h", labels: [MetricLabel("status", "SUCCESS")])
        let sample = "vllm_request_count{status=\"SUCCESS\"} 0.0\n"
        #expect(text(registry) == "# HELP vllm_request_count h\n# TYPE vllm_request_count counter\n" + sample)
        #expect(
            text(registry, .openMetrics)
                == "# HELP vllm_request_count h\n# TYPE vllm_request_count unknown\n" + sample + "# EOF\n")
    }

    @Test("counters never fall, and what is no number changes nothing")
    func hostileValues() throws {
        let registry = MetricRegistry()
        let counter = try registry.counter("c_total", help: "")
        let histogram = try registry.histogram("h", help: "", buckets: [1])
        registry.update { values in
            values.increment(counter, by: 2)
            values.increment(counter, by: -1)
            values.increment(counter, by: .nan)
            values.increment(counter, by: .infinity)
            values.raise(counter, to: 1)
            values.raise(counter, to: .nan)
            values.observe(.nan, in: histogram)
            values.observe(.infinity, in: histogram)
        }
        #expect(registry.read { $0.value(of: counter) } == 2)
        let lines = "h_bucket{le=\"1.0\"} 0.0\nh_bucket{le=\"+Inf\"} 1.0\nh_count 1.0\nh_sum +Inf\n"
        #expect(text(registry).hasSuffix(lines))
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

    @Test("label names that are reserved are refused", arguments: ["le", "__name__", "a:b"])
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

    // MARK: - Scrapes

    @Test("a scrape sees an update as a whole, and collectors run before it")
    func consistentScrapes() async throws {
        let registry = MetricRegistry()
        let left = try registry.counter("left_total", help: "")
        let right = try registry.counter("right_total", help: "")
        let scrapes = try registry.gauge("scrapes", help: "")
        registry.beforeScrape { registry in
            registry.update { $0.set(scrapes, to: $0.value(of: scrapes) + 1) }
        }
        await withTaskGroup { group in
            group.addTask {
                for _ in 0..<20_000 {
                    registry.update { values in
                        values.increment(left)
                        values.increment(right)
                    }
                }
            }
            group.addTask {
                for count in 1...200 {
                    let lines = text(registry).split(separator: "\n").filter { !$0.hasPrefix("#") }
                    let values = lines.compactMap { $0.split(separator: " ").last }
                    #expect(values[0] == values[1])
                    #expect(values[2] == "\(count).0")
                }
            }
        }
        #expect(registry.read { $0.value(of: left) } == 20_000)
    }
}
