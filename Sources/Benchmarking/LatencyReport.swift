// The result of `pagoda bench latency`: vLLM's lines and keys, and the rates that other programs report.

public import JSON
import LoadTesting

/// Latencies and rates of equal runs.
public struct LatencyReport: Sendable {
    private static let ranks = [10.0, 25, 50, 75, 90, 99]

    /// Seconds from the arrival of a batch to its last token.
    public private(set) var latencies = [Double]()
    /// Prompt tokens a second until the last prompt had its first token.
    public private(set) var prefillRates = [Double]()
    /// Tokens a second of all sequences together, in steps that only decode.
    public private(set) var decodeRates = [Double]()
    public private(set) var preemptionCount = 0

    public init() {}

    public mutating func add(_ run: BenchmarkRun) {
        latencies.append(run.elapsedSeconds)
        if let rate = run.untilLastFirstToken.tokensPerSecond { prefillRates.append(rate) }
        if let rate = run.decodeSteps.tokensPerSecond { decodeRates.append(rate) }
        preemptionCount += run.preemptionCount
    }

    /// What a terminal shows.
    public var lines: [String] {
        let distribution = Distribution(latencies, ranks: Self.ranks)
        var lines = ["Avg latency: \(distribution.mean) seconds"]
        for percentile in distribution.percentiles {
            lines.append("\(Int(percentile.rank))% percentile latency: \(percentile.value) seconds")
        }
        lines += Self.line("Prefill", prefillRates) + Self.line("Decode", decodeRates)
        if preemptionCount > 0 { lines.append("Preemptions: \(preemptionCount)") }
        return lines
    }

    private static func line(_ name: String, _ rates: [Double]) -> [String] {
        guard let least = rates.min(), let most = rates.max() else { return [] }
        let texts = [Distribution(rates, ranks: []).median, least, most].map {
            FixedDecimal.text($0, fractionDigits: 1)
        }
        return ["\(name): \(texts[0]) tokens/s median (\(texts[1]) to \(texts[2]))"]
    }

    public var json: JSONObject {
        let distribution = Distribution(latencies, ranks: Self.ranks)
        var object = JSONObject()
        object["avg_latency"] = .number(distribution.mean)
        object["latencies"] = .array(latencies.map(JSONValue.number))
        var percentiles = JSONObject()
        for percentile in distribution.percentiles {
            percentiles["\(Int(percentile.rank))"] = .number(percentile.value)
        }
        object["percentiles"] = .object(percentiles)
        for (key, rates) in [
            ("prefill_tokens_per_second", prefillRates), ("decode_tokens_per_second", decodeRates),
        ] {
            object[key] = .array(rates.map(JSONValue.number))
            object["median_" + key] = .number(rates.isEmpty ? nil : Distribution(rates, ranks: []).median)
            object["min_" + key] = .number(rates.min())
            object["max_" + key] = .number(rates.max())
        }
        object["preemptions"] = .integer(Int64(preemptionCount))
        return object
    }
}

extension JSONValue {
    /// A number, or null where there is none.
    static func number(_ value: Double?) -> JSONValue {
        value.map(JSONValue.number) ?? .null
    }
}
