// Options of `pagoda serve` about log lines, traces and timelines.

internal import ArgumentParser
internal import Logging
internal import Observability

struct LogOptions: ParsableArguments {
    @Option(help: "Form of log lines: \(LogFormat.allCases.map(\.rawValue).joined(separator: ", ")).")
    var logFormat = LogFormat.text.rawValue

    @Option(help: "Least level that is logged: \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")).")
    var logLevel = Logger.Level.info.rawValue

    @Flag(
        inversion: .prefixedNo,
        help: "Log a line for each finished request: ids, tokens, times, never what was said. (always at level debug)")
    var enableLogRequests = false

    @Flag(inversion: .prefixedNo, help: "Send X-Request-Id back. (always on)")
    var enableRequestIdHeaders: Bool?

    func validate() throws {
        _ = try format()
        _ = try level()
        try checkRequestIDs()
    }

    func format() throws(CommandError) -> LogFormat {
        guard let format = LogFormat(rawValue: logFormat.lowercased()) else {
            throw .invalidOption(
                name: "log-format", value: logFormat,
                allowed: LogFormat.allCases.map(\.rawValue).joined(separator: " or "))
        }
        return format
    }

    /// Any spelling of case, as vLLM's levels are in capitals.
    func level() throws(CommandError) -> Logger.Level {
        guard let level = Logger.Level(rawValue: logLevel.lowercased()) else {
            throw .invalidOption(
                name: "log-level", value: logLevel,
                allowed: Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return level
    }

    private func checkRequestIDs() throws(CommandError) {
        guard enableRequestIdHeaders == false else { return }
        throw .notYet(option: "no-enable-request-id-headers", detail: "every answer carries X-Request-Id")
    }
}

struct TraceOptions: ParsableArguments {
    @Option(help: "Send a span for each request to this OTLP/HTTP receiver, such as http://localhost:4318/v1/traces.")
    var otlpTracesEndpoint: String?

    @Option(help: "Share of traces to record, 0 to 1, of those that begin here; a caller's decision stands.")
    var otlpTracesSampleRatio = 1.0

    @Flag(help: "Serve /debug/requests: the requests in flight and the last finished ones, each with its timeline.")
    var enableDebugEndpoints = false

    func validate() throws {
        _ = try endpoint()
        guard (0...1).contains(otlpTracesSampleRatio) else {
            throw CommandError.invalidOption(
                name: "otlp-traces-sample-ratio", value: "\(otlpTracesSampleRatio)", allowed: "0 to 1")
        }
    }

    private func endpoint() throws(CommandError) -> OTLPEndpoint? {
        guard let otlpTracesEndpoint else { return nil }
        guard let endpoint = OTLPEndpoint(otlpTracesEndpoint) else {
            throw .invalidOption(
                name: "otlp-traces-endpoint", value: otlpTracesEndpoint,
                allowed: "http://HOST:PORT/PATH or https://HOST:PORT/PATH, with keys in OTEL_EXPORTER_OTLP_HEADERS")
        }
        return endpoint
    }

    var sampler: TraceSampler { TraceSampler(ratio: otlpTracesSampleRatio) }

    /// Nil: no traces.
    ///
    /// - Parameter environment: Gives variables of the environment; the ones that OpenTelemetry defines for exporters
    ///   are heeded.
    func exporter(environment: (String) -> String?) throws(CommandError) -> SpanExporter.Configuration? {
        guard let endpoint = try endpoint() else { return nil }
        let transport =
            environment("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") ?? environment("OTEL_EXPORTER_OTLP_PROTOCOL")
        if let transport, transport != "http/protobuf" {
            throw .notYet(
                option: "otlp-traces-endpoint with the protocol \(transport)",
                detail: "spans go out as http/protobuf; set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL to that")
        }
        var configuration = SpanExporter.Configuration(endpoint: endpoint, version: PagodaVersion.current)
        if let name = environment("OTEL_SERVICE_NAME"), !name.isEmpty { configuration.serviceName = name }
        let headers = environment("OTEL_EXPORTER_OTLP_TRACES_HEADERS") ?? environment("OTEL_EXPORTER_OTLP_HEADERS")
        configuration.headers = try Self.headers(headers ?? "")
        return configuration
    }

    /// `name=value,name=value`; values are percent-encoded.
    private static func headers(_ text: String) throws(CommandError) -> [(name: String, value: String)] {
        var headers: [(name: String, value: String)] = []
        for pair in text.split(separator: ",") {
            let parts = pair.split(separator: "=", maxSplits: 1).map { $0.trimmingBlanks() }
            // What is wrong is not said with the value: it may be a key.
            guard parts.count == 2, let value = parts[1].percentDecoded(), !parts[0].isEmpty,
                parts[0].utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: ":") })
            else {
                throw CommandError.server("OTEL_EXPORTER_OTLP_HEADERS must be NAME=VALUE, with commas between pairs.")
            }
            headers.append((parts[0], value))
        }
        return headers
    }
}

extension Substring {
    fileprivate func trimmingBlanks() -> String {
        var text = drop { $0 == " " || $0 == "\t" }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return String(text)
    }
}

extension String {
    /// Nil if what comes out is no visible ASCII, or `%` is not followed by two digits.
    fileprivate func percentDecoded() -> String? {
        var bytes: [UInt8] = []
        var rest = Array(utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
                return nil
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return bytes.allSatisfy { (0x20...0x7E).contains($0) } ? String(decoding: bytes, as: UTF8.self) : nil
    }
}
