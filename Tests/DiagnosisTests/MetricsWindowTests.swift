import Diagnosis
import Testing

@Suite("Metrics window")
struct MetricsWindowTests {
    private func window(_ texts: String...) throws -> MetricsWindow {
        let samples = try texts.enumerated().map { index, text in
            MetricsSample(try ExpositionParser.parse(Array(text.utf8)), seconds: Double(index) * 2)
        }
        return try #require(MetricsWindow(samples))
    }

    @Test("counters grow by the sum of their series, and a restart does not make them shrink")
    func increases() throws {
        let window = try window(
            "a{x=\"1\"} 10\na{x=\"2\"} 5", "a{x=\"1\"} 14\na{x=\"2\"} 5", "a{x=\"1\"} 3\na{x=\"2\"} 6")
        #expect(window.increase(of: "a") == 8)
        #expect(window.increase(of: SeriesSelector("a", SeriesLabel("x", "1"))) == 7)
        #expect(window.rate(of: "a") == 2)
        #expect(window.increases(of: "a", by: "x").map(\.increase) == [7, 1])
        #expect(window.increase(of: "b") == nil)
    }

    @Test("a series that is missing in between is neither a restart nor growth")
    func gaps() throws {
        #expect(try window("a 10\nb 1", "b 1", "a 12\nb 1").increase(of: "a") == 2)
        #expect(try window("b 1", "a 10\nb 1", "a 12\nb 1").increase(of: "a") == 2)
    }

    @Test("gauges have a mean, a highest, a first and a last value")
    func gauges() throws {
        let window = try window("a 1", "a 6", "a NaN", "a 2")
        #expect(window.mean(of: "a") == 3 && window.maximum(of: "a") == 6)
        #expect(window.first(of: "a") == 1 && window.last(of: "a") == 2)
        #expect(window.mean(of: "b") == nil)
    }

    @Test("quantiles are interpolated as Prometheus does it, of what was observed in the window alone")
    func quantiles() throws {
        func text(_ first: Int, _ second: Int, _ all: Int, sum: Int) -> String {
            """
            h_bucket{le="1"} \(first)\nh_bucket{le="2"} \(second)\nh_bucket{le="+Inf"} \(all)
            h_count \(all)\nh_sum \(sum)
            """
        }
        let before = text(100, 100, 100, sum: 50), after = text(104, 108, 110, sum: 80)
        let histogram = try #require(try window(before, after).histogram("h"))
        #expect(histogram.count == 10 && histogram.mean == 3)
        #expect(histogram.quantile(0.2) == 0.5 && histogram.quantile(0.6) == 1.5)
        #expect(histogram.quantile(0.99) == 2)
        #expect(try window(before, before).histogram("h")?.quantile(0.5) == nil)
        #expect(try window(before, after).histogram("g") == nil)
    }

    @Test("one sample, or two of the same moment, are no window")
    func tooFew() {
        let sample = MetricsSample([], seconds: 1)
        #expect(MetricsWindow([]) == nil && MetricsWindow([sample, sample]) == nil)
    }
}
