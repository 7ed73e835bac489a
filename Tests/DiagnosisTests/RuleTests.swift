import Diagnosis
import Testing

@Suite("Rules")
struct RuleTests {
    @Test("a server without requests is limited by nothing")
    func idle() throws {
        let verdict = try Scrapes().verdict
        #expect(verdict.main.limit == .nothing && verdict.severity == .healthy)
        #expect(verdict.headline == "Nothing limits it. The server is idle.")
    }

    @Test("a server that works half of the time is told from an idle one, and the load is what to raise")
    func lightLoad() throws {
        var scrapes = Scrapes()
        scrapes.busy(steps: 100, sequences: 2, multiplyAdds: 30e9, bytes: 10e9)
        scrapes.counter("pagoda_step_seconds_total{phase=\"forward\"}", 4.5)
        let main = try scrapes.verdict.main
        #expect(main.limit == .nothing && main.sentence.contains("49.5 %"))
        #expect(main.advice.map(\.setting) == ["the load"])
    }

    @Test("one stream is limited by memory bandwidth, and more at a time would share it")
    func memoryBandwidth() throws {
        var scrapes = Scrapes()
        scrapes.busy(steps: 1000, sequences: 1, multiplyAdds: 134e9, bytes: 95e9)
        let main = try scrapes.verdict.main
        #expect(main.limit == .memoryBandwidth && main.severity == .limit)
        #expect(main.sentence == "Each step reads all weights from memory for a single sequence.")
        #expect(main.evidence.contains { $0.quantity.text == "10 GB/s" })
        #expect(main.advice.first?.setting == "the number of requests at a time")
    }

    @Test("many streams are limited by compute")
    func compute() throws {
        var scrapes = Scrapes()
        scrapes.busy(steps: 200, sequences: 32, multiplyAdds: 860e9, bytes: 19e9)
        let verdict = try scrapes.verdict
        #expect(verdict.main.limit == .compute && verdict.severity == .limit)
        #expect(verdict.findings.count == 1)
    }

    @Test("until the machine is measured, the size of the batch tells bandwidth from compute", arguments: [1.0, 32.0])
    func unmeasuredMachine(sequences: Double) throws {
        var scrapes = Scrapes()
        scrapes.busy(steps: 200, sequences: sequences, multiplyAdds: 860e9, bytes: 19e9)
        scrapes.gauge("pagoda_machine_multiply_adds_per_second", 0)
        scrapes.gauge("pagoda_machine_read_bytes_per_second", 0)
        let limit = try scrapes.verdict.main.limit
        #expect(limit == (sequences == 1 ? .memoryBandwidth : .compute))
    }

    @Test("waiting requests and a full cache with free slots mean KV space")
    func kvSpace() throws {
        var scrapes = Scrapes()
        scrapes.busy(steps: 300, sequences: 10, multiplyAdds: 400e9, bytes: 30e9)
        scrapes.gauge("vllm:kv_cache_usage_perc", 0.97)
        scrapes.gauge("vllm:num_requests_waiting", 14)
        scrapes.counter("vllm:num_preemptions_total", 6)
        let main = try scrapes.verdict.main
        #expect(main.limit == .kvSpace && main.severity == .trouble)
        #expect(main.sentence.hasPrefix("14 requests wait for KV blocks"))
        #expect(main.advice.map(\.setting).contains("--kv-cache-memory-bytes"))
        #expect(main.advice.contains { $0.setting == "--max-num-seqs" && $0.direction == .lower })
        #expect(main.advice.contains { $0.reason.contains("11.2 GiB") })
    }

    @Test("a nearly full cache that nobody waits for is a limit, and no trouble")
    func nearlyFullCache() throws {
        var scrapes = Scrapes()
        scrapes.gauge("vllm:kv_cache_usage_perc", 0.96)
        let main = try scrapes.verdict.main
        #expect(main.limit == .kvSpace && main.severity == .limit)
    }

    @Test("the alert's own case, late answers beside a full cache and a growing queue, names the latency")
    func firstScenario() throws {
        var scrapes = Scrapes()
        scrapes.busy(steps: 300, sequences: 10, multiplyAdds: 400e9, bytes: 30e9)
        scrapes.gauge("vllm:kv_cache_usage_perc", 0.98)
        scrapes.counter("vllm:num_requests_waiting", 12)
        scrapes.histogram(
            "vllm_request_latency_seconds", bounds: [1, 5, 10], each: [(0.8, 10), (7, 10)])
        let main = try scrapes.verdict.main
        #expect(main.limit == .kvSpace)
        #expect(main.evidence.contains { $0.meaning == "growth of the queue" && $0.quantity.value == 12 })
        #expect(main.evidence.contains { $0.meaning == "request latency, P99" && $0.quantity.value > 5 })
    }

    @Test("a full batch of few slots means --max-num-seqs; one of many slots on busy cores means another machine")
    func slots() throws {
        var scrapes = Scrapes()
        scrapes.busy(steps: 1000, sequences: 2, multiplyAdds: 268e9, bytes: 95e9)
        scrapes.gauge("pagoda_max_running_sequences", 2)
        scrapes.gauge("vllm:num_requests_waiting", 30)
        let few = try scrapes.verdict.main
        #expect(few.limit == .slots && few.severity == .trouble)
        #expect(few.advice.first?.setting == "--max-num-seqs" && few.advice.first?.direction == .raise)
        scrapes.busy(steps: 40, sequences: 128, multiplyAdds: 690e9, bytes: 4e9)
        scrapes.gauge("pagoda_max_running_sequences", 128)
        let many = try scrapes.verdict.main
        #expect(many.limit == .slots)
        #expect(many.advice.map(\.setting).starts(with: ["more cores or another replica", "--max-num-queued-reqs"]))
    }

    @Test("a slot that was free at a scrape, between two sequences, is a taken one if the steps were full")
    func slotBetweenSequences() throws {
        var scrapes = Scrapes()
        scrapes.busy(steps: 200, sequences: 1, multiplyAdds: 38e9, bytes: 27e9)
        scrapes.gauge("pagoda_max_running_sequences", 1)
        scrapes.gauge("vllm:num_requests_running", 0.5)
        scrapes.gauge("vllm:num_requests_waiting", 3)
        #expect(try scrapes.verdict.main.limit == .slots)
        scrapes.gauge("pagoda_max_running_sequences", 2)
        #expect(try !scrapes.verdict.findings.map(\.limit).contains(.slots))
    }

    @Test("prompts that wait beside free slots and blocks, with full steps, mean the token budget")
    func tokenBudget() throws {
        var scrapes = Scrapes()
        scrapes.busy(steps: 20, sequences: 5, multiplyAdds: 690e9, bytes: 4e9)
        scrapes.counter("pagoda_step_tokens_total{kind=\"prefill\"}", 38_000)
        scrapes.gauge("vllm:num_requests_waiting", 7)
        let main = try scrapes.verdict.main
        #expect(main.limit == .tokenBudget && main.advice.first?.setting == "--max-num-batched-tokens")
    }

    @Test("requests that are turned away come first")
    func admission() throws {
        var scrapes = Scrapes()
        scrapes.busy(steps: 1000, sequences: 2, multiplyAdds: 268e9, bytes: 95e9)
        scrapes.gauge("pagoda_max_running_sequences", 2)
        scrapes.gauge("vllm:num_requests_waiting", 2)
        scrapes.counter("pagoda_requests_rejected_total{reason=\"queue_full\"}", 40)
        scrapes.counter("vllm:request_success_total{finished_reason=\"length\"}", 10)
        let verdict = try scrapes.verdict
        #expect(verdict.main.limit == .admission && verdict.main.impact == 0.8)
        #expect(verdict.main.sentence.hasPrefix("4/s requests are turned away"))
        #expect(verdict.findings.map(\.limit).contains(.slots))
    }

    @Test("tokens that usually come fast and sometimes late, beside prompts, mean long prompts")
    func longPrompts() throws {
        var scrapes = Scrapes()
        scrapes.busy(steps: 200, sequences: 4, multiplyAdds: 860e9, bytes: 19e9)
        scrapes.counter("pagoda_step_tokens_total{kind=\"prefill\"}", 12_000)
        scrapes.histogram(
            "vllm:inter_token_latency_seconds", bounds: [0.01, 0.025, 0.1, 1, 2.5], each: [(0.02, 760), (2, 40)])
        let main = try scrapes.verdict.main
        #expect(main.limit == .longPrompts && main.severity == .trouble)
        #expect(
            main.advice.map { "\($0.direction.rawValue) \($0.setting)" } == [
                "lower --max-decode-slowdown", "lower --max-num-batched-tokens", "set --long-prefill-token-threshold",
            ])
    }

    @Test("tokens that are always late, since every step has a prompt in it, mean long prompts too")
    func endlessPrompts() throws {
        var scrapes = Scrapes()
        scrapes.busy(steps: 5, sequences: 4, multiplyAdds: 860e9, bytes: 1e9)
        scrapes.counter("pagoda_step_tokens_total{kind=\"prefill\"}", 10_000)
        scrapes.histogram("vllm:inter_token_latency_seconds", bounds: [0.1, 1, 2.5], each: [(2, 20)])
        let main = try scrapes.verdict.main
        #expect(main.limit == .longPrompts && main.sentence.contains("in nearly every step"))
    }

    @Test("even tokens beside prompts are no trouble")
    func evenTokens() throws {
        var scrapes = Scrapes()
        scrapes.busy(steps: 200, sequences: 4, multiplyAdds: 860e9, bytes: 19e9)
        scrapes.counter("pagoda_step_tokens_total{kind=\"prefill\"}", 12_000)
        scrapes.histogram("vllm:inter_token_latency_seconds", bounds: [0.01, 0.1, 1], each: [(0.05, 800)])
        #expect(try scrapes.verdict.main.limit == .compute)
    }

    @Test("streams that stand still because nobody reads them mean slow clients")
    func slowClients() throws {
        var scrapes = Scrapes()
        scrapes.counter("pagoda_slow_reader_seconds_total", 20)
        let main = try scrapes.verdict.main
        #expect(main.limit == .slowClients && main.sentence.contains("on average 2 answers"))
    }

    @Test("failing requests are told from those of two unlucky clients")
    func failures() throws {
        var scrapes = Scrapes()
        scrapes.counter("vllm_request_count{status=\"SUCCESS\"}", 30)
        scrapes.counter("vllm_request_count{status=\"FAILED\"}", 2)
        #expect(try scrapes.verdict.main.limit == .nothing)
        scrapes.counter("vllm_request_count{status=\"FAILED\"}", 10)
        scrapes.counter("vllm:request_success_total{finished_reason=\"abort\"}", 10)
        let main = try scrapes.verdict.main
        #expect(main.limit == .failures && main.sentence.contains("clients go away"))
    }

    @Test("a kill for memory in the past is a note beside the verdict, one just now is trouble")
    func memory() throws {
        var scrapes = Scrapes()
        scrapes.gauge("pagoda_memory_oom_kills", 1)
        let before = try scrapes.verdict
        #expect(before.main.limit == .nothing && before.findings.last?.limit == .memory)
        scrapes.gauge("pagoda_memory_available_bytes", 0.5e9)
        #expect(try scrapes.verdict.main.limit == .memory)
    }

    @Test("an engine that has work and gives no sign of life is stuck")
    func stuck() throws {
        var scrapes = Scrapes()
        scrapes.gauge("vllm:num_requests_running", 3)
        scrapes.gauge("pagoda_engine_heartbeat_age_seconds", 45)
        scrapes.counter("pagoda_steps_total", 0)
        #expect(try scrapes.verdict.main.limit == .engineStuck)
        scrapes.gauge("vllm:num_requests_running", 0)
        #expect(try scrapes.verdict.main.limit == .nothing)
    }

    @Test("steps whose time goes to sampling are told from those of the model")
    func overhead() throws {
        var scrapes = Scrapes()
        scrapes.busy(steps: 200, sequences: 32, multiplyAdds: 400e9, bytes: 9e9)
        scrapes.counter("pagoda_step_seconds_total{phase=\"forward\"}", 4)
        scrapes.counter("pagoda_step_seconds_total{phase=\"sample\"}", 5.5)
        let finding = try #require(try scrapes.verdict.findings.first { $0.limit == .overhead })
        #expect(finding.sentence.hasSuffix("most of that is the phase sample."))
    }

    @Test("a vLLM server without Pagoda's metrics is diagnosed by what it has")
    func plainVLLM() throws {
        let texts = ["", "vllm:generation_tokens_total 900\n"].map { more in
            """
            vllm:num_requests_running{engine="0",model_name="m"} 12
            vllm:num_requests_waiting{engine="0",model_name="m"} 5
            vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.99
            vllm:num_preemptions_total{engine="0",model_name="m"} 3\n
            """ + more
        }
        let samples = try texts.enumerated().map { index, text in
            MetricsSample(try ExpositionParser.parse(Array(text.utf8)), seconds: Double(index))
        }
        let figures = try ServerFigures(#require(MetricsWindow(samples)))
        #expect(figures.model == "m" && figures.steps.busyShare == nil)
        #expect(Verdict(figures).main.limit == .kvSpace)
    }

    @Test("what is no LLM server is said to be none")
    func otherServer() throws {
        let samples = [0.0, 1.0].map { MetricsSample([SeriesValue(name: "up", value: 1)], seconds: $0) }
        let window = try #require(MetricsWindow(samples))
        #expect(throws: DiagnosisError.notAnLLMServer) { try ServerFigures(window) }
    }
}
