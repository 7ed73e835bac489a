// What libraries count through swift-metrics' own interface, in a scrape of the server.

import CoreMetrics
import Observability
import Server
import Telemetry
import Testing

@Suite("Metrics of libraries", .timeLimit(.minutes(1)))
struct LibraryMetricsTests {
    private static let connections = #"swift_some_library_connections_total{pool="a"}"#

    /// Installs a backend for all tests of this process, which can be done once.
    @Test("a library's counter, gauge and timer show in live scrapes of every format; later backends change nothing")
    func liveScrape() async throws {
        try await TestServer.run { test in
            #expect(test.metrics.libraries.install())
            CoreMetrics.Counter(label: "some.library.connections", dimensions: [("pool", "a")]).increment(by: 3)
            CoreMetrics.Gauge(label: "some-library-depth").record(7)
            CoreMetrics.Timer(label: "some.library.wait").recordMilliseconds(250)
            let scrape = try await test.scrape()
            #expect(scrape[Self.connections] == 3)
            #expect(scrape["swift_some_library_depth"] == 7)
            #expect(scrape["swift_some_library_wait_seconds_count"] == 1)
            #expect(scrape["swift_some_library_wait_seconds_sum"] == 0.25)
            for format in [
                "application/openmetrics-text;version=1.0.0",
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
            ] {
                let body = try await test.request("GET", "/metrics", headers: ["Accept: \(format)"]).body
                #expect(body.contains("swift_some_library_connections"))
            }

            try await TestServer.run { other in
                #expect(!other.metrics.libraries.install())
                CoreMetrics.Counter(label: "some.library.connections", dimensions: [("pool", "a")]).increment()
                let elsewhere = try await other.scrape()
                #expect(elsewhere[Self.connections] == nil)
            }
            #expect(try await test.scrape()[Self.connections] == 4)

            // As many series as anybody likes to make: those that are kept are few, and the rest is counted.
            for number in 0..<1000 {
                CoreMetrics.Counter(label: "some.library.paths", dimensions: [("path", "\(number)")]).increment()
            }
            let full = try await test.scrape()
            #expect(full.keys.filter { $0.hasPrefix("swift_") }.count <= 201)
            #expect(full["pagoda_series_dropped_total"] ?? 0 >= 800)
        }
    }
}
