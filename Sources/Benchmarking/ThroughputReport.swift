// The result of `pagoda bench throughput`: vLLM's lines and keys, and where the time went.

public import JSON
import LoadTesting

/// One run of many requests.
public struct ThroughputReport: Sendable {
    public let run: BenchmarkRun
    public let requestCount: Int

    public init(run: BenchmarkRun, requestCount: Int) {
        self.run = run
        self.requestCount = requestCount
    }

    private var tokenCount: Int { run.promptTokenCount + run.outputTokenCount }

    private func perSecond(_ count: Int) -> Double {
        run.elapsedSeconds > 0 ? Double(count) / run.elapsedSeconds : 0
    }

    /// What a terminal shows.
    public var lines: [String] {
        let rates = [requestCount, tokenCount, run.outputTokenCount].map {
            FixedDecimal.text(perSecond($0), fractionDigits: 2)
        }
        var lines = [
            "Throughput: \(rates[0]) requests/s, \(rates[1]) total tokens/s, \(rates[2]) output tokens/s",
            "Total num prompt tokens:  \(run.promptTokenCount)",
            "Total num output tokens:  \(run.outputTokenCount)",
        ]
        lines += Self.line("Prefill", run.prefillSteps, of: "prompt tokens", "steps with prompts")
        lines += Self.line("Decode", run.decodeSteps, of: "tokens", "steps that only decode")
        if run.preemptionCount > 0 { lines.append("Preemptions: \(run.preemptionCount)") }
        return lines
    }

    private static func line(_ name: String, _ rate: Rate, of unit: String, _ steps: String) -> [String] {
        guard let perSecond = rate.tokensPerSecond else { return [] }
        let seconds = FixedDecimal.text(rate.seconds, fractionDigits: 2)
        return [
            "\(name): \(FixedDecimal.text(perSecond, fractionDigits: 1)) tokens/s "
                + "(\(rate.tokenCount) \(unit) in \(seconds) s of \(steps))"
        ]
    }

    public var json: JSONObject {
        var object = JSONObject()
        object["elapsed_time"] = .number(run.elapsedSeconds)
        object["num_requests"] = .integer(Int64(requestCount))
        object["total_num_tokens"] = .integer(Int64(tokenCount))
        object["requests_per_second"] = .number(perSecond(requestCount))
        object["tokens_per_second"] = .number(perSecond(tokenCount))
        object["output_tokens_per_second"] = .number(perSecond(run.outputTokenCount))
        for (name, rate) in [("prefill", run.prefillSteps), ("decode", run.decodeSteps)] {
            object["\(name)_tokens"] = .integer(Int64(rate.tokenCount))
            object["\(name)_seconds"] = .number(rate.seconds)
            object["\(name)_tokens_per_second"] = .number(rate.tokensPerSecond)
        }
        object["preemptions"] = .integer(Int64(run.preemptionCount))
        return object
    }
}
