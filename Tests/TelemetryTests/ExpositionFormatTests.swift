// Numbers and content negotiation.

import Telemetry
import Testing

@Suite("Exposition")
struct ExpositionFormatTests {
    @Test("numbers are written as Python's client writes them")
    func numbers() throws {
        let lines = fixture("numbers.txt").split(separator: "\n")
        #expect(lines.count > 300)
        let registry = MetricRegistry()
        let gauge = try registry.gauge("g", help: "")
        for line in lines {
            let parts = line.split(separator: " ")
            let value = Double(bitPattern: UInt64(parts[0], radix: 16) ?? 0)
            registry.update { $0.set(gauge, to: value) }
            let text = String(decoding: registry.exposition(), as: UTF8.self)
            #expect(text.split(separator: "\n").last ?? "" == "g \(parts[1])")
        }
    }

    private static let protobuf =
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

    private static let negotiations: [(accept: String?, format: ExpositionFormat)] = [
        (nil, .text),
        ("", .text),
        ("*/*", .text),
        ("nonsense", .text),
        ("text/html", .text),
        ("application/json;q=0.9, */*;q=0.1", .text),
        ("text/plain", .text),
        ("text/plain;version=0.0.4", .text),
        ("application/openmetrics-text", .openMetrics),
        ("application/openmetrics-text; version=1.0.0", .openMetrics),
        ("application/openmetrics-text; version=\"1.0.0\"", .openMetrics),
        ("APPLICATION/OpenMetrics-Text ; Version=0.0.1", .openMetrics),
        ("application/openmetrics-text;version=2.0.0", .text),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.6", .text),
        ("application/openmetrics-text;q=0.6,text/plain;q=0.5", .openMetrics),
        ("application/openmetrics-text,text/plain", .openMetrics),
        ("text/plain,application/openmetrics-text", .text),
        ("application/openmetrics-text;q=0", .text),
        ("text/plain;q=0,*/*", .openMetrics),
        ("application/openmetrics-text;q=2,text/plain;q=0.1", .text),
        ("application/openmetrics-text;q=abc", .text),
        ("text/html;x=\"application/openmetrics-text,\"", .text),
        ("application/*", .openMetrics),
        ("application/vnd.google.protobuf", .text),
        ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", .text),
        ("application/vnd.google.protobuf;proto=other.MetricFamily;encoding=delimited", .text),
        ("application/vnd.google.protobuf;encoding=delimited;proto=io.prometheus.client.MetricFamily", .protobuf),
        ("application/vnd.google.protobuf; proto=\"io.prometheus.client.MetricFamily\"; encoding=delimited", .protobuf),
        ("\(protobuf);q=0.3,text/plain;q=0.2", .protobuf),
        ("\(protobuf);q=0.2,text/plain;q=0.3", .text),
        ("\(protobuf);q=0,text/plain;q=0.2", .text),
    ]

    /// What real servers send.
    private static let servers: [(accept: String, format: ExpositionFormat)] = [
        // Prometheus 2.
        (
            """
            application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
            text/plain;version=0.0.4;q=0.5,*/*;q=0.1
            """, .openMetrics
        ),
        // With native histograms.
        (
            """
            application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,\
            application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,\
            text/plain;version=0.0.4;q=0.5,*/*;q=0.1
            """, .protobuf
        ),
        // Prometheus 3.
        (
            """
            application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,\
            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2
            """, .openMetrics
        ),
        (
            """
            application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;\
            escaping=allow-utf-8;q=0.7,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            text/plain;version=0.0.4;q=0.3,*/*;q=0.2
            """, .protobuf
        ),
    ]

    @Test(
        "the Accept header decides the format; protobuf only for who names the message and its delimiting",
        arguments: negotiations)
    func negotiation(accept: String?, format: ExpositionFormat) {
        #expect(ExpositionFormat(accept: accept) == format)
    }

    @Test("Prometheus gets the richest format of those that it asks for", arguments: servers)
    func realServers(accept: String, format: ExpositionFormat) {
        #expect(ExpositionFormat(accept: accept) == format)
    }

    @Test("content types are those that Prometheus accepts")
    func contentTypes() {
        #expect(ExpositionFormat.text.contentType == "text/plain; version=0.0.4; charset=utf-8")
        #expect(
            ExpositionFormat.openMetrics.contentType == "application/openmetrics-text; version=1.0.0; charset=utf-8")
        #expect(
            ExpositionFormat.protobuf.contentType
                == "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited")
    }
}
