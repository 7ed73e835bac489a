// The same readings from a Prometheus server that has scraped for a while.

import JSON

/// A question to Prometheus' HTTP API (`/api/v1/query_range`) and how its answer becomes a window.
public struct PrometheusRange: Sendable {
    /// Of the range, in seconds.
    public let length: Double
    /// Which of the scraped servers; nil: the only one.
    public let instance: String?

    /// As many samples as show what happened in between.
    private static let sampleCount = 30.0

    public init(length: Double, instance: String?) {
        self.length = length
        self.instance = instance
    }

    /// Reads `30s`, `5m`, `2h` or `1d`.
    public init(_ text: String, instance: String?) throws(DiagnosisError) {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let unit = text.last.flatMap({ units[$0] }), let count = Double(text.dropLast()),
            count > 0, count * unit <= 366 * 86_400
        else { throw .unknownRange(text) }
        self.init(length: count * unit, instance: instance)
    }

    /// Seconds between samples.
    public var step: Double { max(1, (length / Self.sampleCount).rounded(.up)) }

    /// Everything that a diagnosis looks at.
    public var query: String {
        let names = #"__name__=~"(vllm|pagoda)[:_].+|process_start_time_seconds""#
        guard let instance else { return "{\(names)}" }
        let escaped = instance.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined()
        return "{\(names),instance=\"\(escaped)\"}"
    }

    /// The window in an answer to `query`.
    public func window(_ answer: [UInt8]) throws(DiagnosisError) -> MetricsWindow {
        var samples: [Double: [SeriesValue]] = [:]
        var instances: [String] = []
        for result in try Self.results(answer) {
            guard let members = result["metric"]?.objectValue?.members else { continue }
            let labels = members.compactMap { member in
                member.value.stringValue.map { SeriesLabel(member.key, $0) }
            }
            guard let name = labels.first(where: { $0.name == "__name__" })?.value else { continue }
            if let instance = labels.first(where: { $0.name == "instance" })?.value, !instances.contains(instance) {
                instances.append(instance)
            }
            let own = labels.filter { !["__name__", "instance", "job"].contains($0.name) }
            for point in result["values"]?.arrayValue ?? [] {
                guard let pair = point.arrayValue, pair.count == 2, let moment = pair[0].doubleValue,
                    let value = pair[1].stringValue.flatMap(ExpositionParser.number)
                else { continue }
                samples[moment, default: []].append(SeriesValue(name: name, labels: own, value: value))
            }
        }
        guard instances.count <= 1 else { throw .severalServers(instances.sorted()) }
        guard let window = MetricsWindow(samples.map { MetricsSample($0.value, seconds: $0.key) }) else {
            throw .noSamples
        }
        return window
    }

    /// The server's time, in an answer to the query `time()`.
    public static func time(_ answer: [UInt8]) throws(DiagnosisError) -> Double {
        guard let time = try data(answer)["result"]?.arrayValue?.first?.doubleValue, time.isFinite else {
            throw .notPrometheus(reason: "no time")
        }
        return time
    }

    private static func results(_ answer: [UInt8]) throws(DiagnosisError) -> [JSONValue] {
        let data = try data(answer)
        guard data["resultType"]?.stringValue == "matrix", let results = data["result"]?.arrayValue else {
            throw .notPrometheus(reason: "no matrix")
        }
        return results
    }

    private static func data(_ answer: [UInt8]) throws(DiagnosisError) -> JSONValue {
        let document: JSONValue
        do throws(JSONError) {
            document = try JSONParser.parse(
                answer, limits: JSONLimits(valueCount: 4_000_000, sizeBytes: Self.maximumAnswerBytes))
        } catch {
            throw .notPrometheus(reason: "\(error)")
        }
        if let message = document["error"]?.stringValue { throw .notPrometheus(reason: message) }
        guard let data = document["data"] else { throw .notPrometheus(reason: "no data") }
        return data
    }

    /// What is read of an answer at most.
    public static let maximumAnswerBytes = 64 << 20
}
