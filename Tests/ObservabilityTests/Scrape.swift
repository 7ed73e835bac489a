// Reads exposition text back.

import Engine
import Observability
import Primitives
import Synchronization
import Telemetry

/// A scrape: values by series, as written, and what the families are.
struct Scrape {
    struct Family {
        var type = ""
        var help = ""
        var labelNames: Set<String> = []
        var bounds: [String] = []
    }

    private(set) var values: [String: String] = [:]
    private(set) var families: [String: Family] = [:]
    /// In order of appearance.
    private(set) var familyNames: [String] = []

    init(_ bytes: [UInt8]) {
        var current = ""
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 3).map(String.init)
            if line.hasPrefix("# HELP") {
                current = words[2]
                familyNames.append(current)
                families[current, default: Family()].help = words.count > 3 ? words[3] : ""
            } else if line.hasPrefix("# TYPE") {
                families[current, default: Family()].type = words[3]
            } else if !line.hasPrefix("#"), let space = line.lastIndex(of: " ") {
                values[String(line[..<space])] = String(line[line.index(after: space)...])
                note(String(line[..<space]), in: current)
            }
        }
    }

    private mutating func note(_ series: String, in family: String) {
        guard let open = series.firstIndex(of: "{") else { return }
        for pair in series[series.index(after: open)...].dropLast().split(separator: ",") {
            let parts = pair.split(separator: "=")
            if parts[0] != "le" {
                families[family]?.labelNames.insert(String(parts[0]))
            } else if let bounds = families[family]?.bounds, bounds.last != "+Inf" {
                families[family]?.bounds.append(String(parts[1].dropFirst().dropLast()))
            }
        }
    }

    /// The number of a series, named with all its labels; nil if there is none.
    subscript(_ name: String) -> Double? {
        values[name].flatMap(Double.init)
    }

    /// Of a metric with the labels that all of vLLM's have, and perhaps `more` that come before `model_name`.
    func vllm(_ name: String, _ more: String = "") -> Double? {
        self["vllm:\(name){engine=\"0\",\(more)model_name=\"m\"}"]
    }

    func finishedCount(_ reason: FinishReason) -> Double? {
        vllm("request_success_total", "finished_reason=\"\(reason.rawValue)\",")
    }
}

/// A clock that tests set.
final class ManualClock: Sendable {
    private let moment = Mutex(Instant(nanoseconds: 0))

    var now: Instant { moment.withLock { $0 } }

    func set(seconds: Double) {
        moment.withLock { $0 = Instant(seconds: seconds) }
    }
}

extension Instant {
    init(seconds: Double) {
        self.init(nanoseconds: Int64((seconds * 1e9).rounded()))
    }
}

func serviceMetrics(
    _ clock: ManualClock = ManualClock(), _ configure: (inout MetricsConfiguration) -> Void = { _ in }
) throws -> ServiceMetrics {
    var configuration = MetricsConfiguration(
        modelName: "m", version: "1.2.3", instructionSet: "avx2", maxModelLength: 4_096, blockSize: 16,
        blockCount: 100, cacheDataType: "float16")
    configure(&configuration)
    return try ServiceMetrics(configuration, clock: { clock.now })
}

extension ServiceMetrics {
    var scrape: Scrape { Scrape(registry.exposition()) }
}
