import Benchmarking
import JSON
import Primitives
import Testing

@Suite("Benchmark run")
struct BenchmarkRunTests {
    /// Two prompts of 100 tokens, three tokens each; the second prompt is computed while the first sequence decodes.
    private let run = BenchmarkRun(
        startedAt: at(1000),
        steps: [
            StepTiming(
                endedAt: at(1200), prefillTokenCount: 100, decodeTokenCount: 0, generatedTokenCount: 1,
                firstTokenCount: 1),
            StepTiming(
                endedAt: at(1500), prefillTokenCount: 100, decodeTokenCount: 1, generatedTokenCount: 2,
                firstTokenCount: 1, preemptionCount: 1),
            StepTiming(endedAt: at(1530), prefillTokenCount: 0, decodeTokenCount: 2, generatedTokenCount: 2),
            StepTiming(endedAt: at(1540), prefillTokenCount: 0, decodeTokenCount: 1, generatedTokenCount: 1),
        ], promptTokenCount: 200, outputTokenCount: 6)

    private static func at(_ milliseconds: Int64) -> Instant {
        Instant(nanoseconds: milliseconds * 1_000_000)
    }

    @Test("prefill is all prompts' tokens over the time until the last prompt has its first token")
    func prefill() throws {
        #expect(run.untilLastFirstToken == Rate(tokenCount: 200, seconds: 0.5))
        #expect(run.untilLastFirstToken.tokensPerSecond == 400)
    }

    @Test("decode is what the steps without prompts generate, over their time from step to step")
    func decode() throws {
        #expect(run.decodeSteps.tokenCount == 3)
        #expect(abs(run.decodeSteps.seconds - 0.04) < 1e-12)
        #expect(run.prefillSteps.tokenCount == 200)
        #expect(abs(run.prefillSteps.seconds - 0.5) < 1e-12)
        #expect(run.elapsedSeconds == 0.54 && run.preemptionCount == 1)
    }

    @Test("a single token a prompt leaves no decode rate rather than a rate of 0")
    func noDecode() {
        var single = run
        single.steps.removeLast(2)
        #expect(single.decodeSteps.tokensPerSecond == nil)
        #expect(LatencyReport(single).lines.allSatisfy { !$0.hasPrefix("Decode") })
        #expect(LatencyReport(single).json["median_decode_tokens_per_second"]?.isNull == true)
    }

    @Test("the latency report has vLLM's lines and keys in vLLM's order, then the rates")
    func latencyReport() throws {
        let report = LatencyReport(run)
        #expect(
            report.lines == [
                "Avg latency: 0.54 seconds", "10% percentile latency: 0.54 seconds",
                "25% percentile latency: 0.54 seconds", "50% percentile latency: 0.54 seconds",
                "75% percentile latency: 0.54 seconds", "90% percentile latency: 0.54 seconds",
                "99% percentile latency: 0.54 seconds", "Prefill: 400.0 tokens/s median (400.0 to 400.0)",
                "Decode: 75.0 tokens/s median (75.0 to 75.0)", "Preemptions: 1",
            ])
        let json = report.json
        #expect(
            json.keys == [
                "avg_latency", "latencies", "percentiles", "prefill_tokens_per_second",
                "median_prefill_tokens_per_second", "min_prefill_tokens_per_second", "max_prefill_tokens_per_second",
                "decode_tokens_per_second", "median_decode_tokens_per_second", "min_decode_tokens_per_second",
                "max_decode_tokens_per_second", "preemptions",
            ])
        #expect(json["percentiles"]?.objectValue?.keys == ["10", "25", "50", "75", "90", "99"])
        #expect(json["latencies"] == [0.54] && json["prefill_tokens_per_second"] == [400.0])
    }

    @Test("the throughput report has vLLM's line and keys, then where the time went")
    func throughputReport() {
        let report = ThroughputReport(run: run, requestCount: 2)
        #expect(
            report.lines == [
                "Throughput: 3.70 requests/s, 381.48 total tokens/s, 11.11 output tokens/s",
                "Total num prompt tokens:  200", "Total num output tokens:  6",
                "Prefill: 400.0 tokens/s (200 prompt tokens in 0.50 s of steps with prompts)",
                "Decode: 75.0 tokens/s (3 tokens in 0.04 s of steps that only decode)", "Preemptions: 1",
            ])
        #expect(
            report.json.keys == [
                "elapsed_time", "num_requests", "total_num_tokens", "requests_per_second", "tokens_per_second",
                "output_tokens_per_second", "prefill_tokens", "prefill_seconds", "prefill_tokens_per_second",
                "decode_tokens", "decode_seconds", "decode_tokens_per_second", "preemptions",
            ])
        #expect(report.json["num_requests"] == 2 && report.json["total_num_tokens"] == 206)
    }
}

extension LatencyReport {
    fileprivate init(_ run: BenchmarkRun) {
        self.init()
        add(run)
    }
}
