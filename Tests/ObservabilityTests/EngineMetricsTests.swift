// What the engine reports comes out under the promised names.

import Engine
import EngineTesting
import Observability
import Primitives
import Telemetry
import Testing

@Suite("EngineMetrics")
struct EngineMetricsTests {
    // MARK: - Declarations

    @Test("every vllm: metric has the type, labels, help text and buckets that vLLM gives it")
    func matchesVLLM() throws {
        let scrape = try serviceMetrics().scrape
        var expected: [String: Scrape.Family] = [:]
        var last = ""
        for line in fixture("vllm-metrics.txt").split(separator: "\n") {
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            if fields[0].isEmpty {
                expected[last]?.bounds = fields[1].split(separator: " ").map(String.init)
            } else {
                last = fields[0]
                let labels = Set(fields[2].split(separator: ",").map(String.init))
                expected[last] = Scrape.Family(type: fields[1], help: fields[3], labelNames: labels)
            }
        }
        let ours = scrape.familyNames.filter { $0.hasPrefix("vllm:") && $0 != "vllm:cache_config_info" }
        #expect(ours.count == 38)
        for name in ours {
            #expect(scrape.families[name]?.type == expected[name]?.type, "\(name)")
            #expect(scrape.families[name]?.help == expected[name]?.help, "\(name)")
            #expect(scrape.families[name]?.labelNames == expected[name]?.labelNames, "\(name)")
            #expect(scrape.families[name]?.bounds == expected[name]?.bounds, "\(name)")
        }
    }

    @Test("before the first request the promised and vLLM's metrics are there, to the byte, every series at 0")
    func initialExposition() throws {
        let text = String(decoding: try serviceMetrics().registry.exposition(), as: UTF8.self)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let theirs = lines.filter { line in
            ["vllm", "# HELP vllm", "# TYPE vllm"].contains { line.hasPrefix($0) }
        }
        #expect(theirs.joined(separator: "\n") + "\n" == fixture("initial-exposition.txt"))
    }

    @Test(
        "token buckets go up to the model's length", arguments: [(1, 1), (9, 3), (10, 4), (4_096, 11), (131_072, 16)])
    func tokenBuckets(length: Int, count: Int) throws {
        let configuration = MetricsConfiguration(
            modelName: "m", version: "", instructionSet: "", maxModelLength: length, blockSize: 16, blockCount: 1,
            cacheDataType: "")
        let scrape = try ServiceMetrics(configuration).scrape
        #expect(scrape.families["vllm:request_prompt_tokens"]?.bounds.count == count + 1)
    }

    @Test("the cache's description says whether prefixes are kept", arguments: [(true, "True"), (false, "False")])
    func cacheDescription(isOn: Bool, word: String) throws {
        let metrics = try serviceMetrics { $0.cachesPrefixes = isOn }
        let text = String(decoding: metrics.registry.exposition(), as: UTF8.self)
        #expect(text.contains("enable_prefix_caching=\"\(word)\""))
    }

    @Test("a model name with quotes and newlines stays inside its label")
    func hostileModelName() throws {
        let configuration = MetricsConfiguration(
            modelName: "a\"}\n\\", version: "", instructionSet: "", maxModelLength: 16, blockSize: 16, blockCount: 1,
            cacheDataType: "")
        let text = String(decoding: try ServiceMetrics(configuration).registry.exposition(), as: UTF8.self)
        #expect(text.contains("vllm:num_requests_running{engine=\"0\",model_name=\"a\\\"}\\n\\\\\"} 0.0\n"))
    }

    // MARK: - Steps

    @Test("gauges show the queues and the cache after the step")
    func gauges() throws {
        let metrics = try serviceMetrics()
        metrics.engine.stepEnded(
            reportedStep {
                $0.runningCount = 3
                $0.waitingCount = 4
                $0.usedBlockCount = 25
                $0.cachedTokenCount = 396
                $0.largestPrefillChunk = 64
            })
        metrics.engine.stepEnded(
            reportedStep {
                $0.runningCount = 2
                $0.waitingCount = 1
                $0.usedBlockCount = 50
                $0.cachedTokenCount = 792
                $0.largestPrefillChunk = 0
            })
        let scrape = metrics.scrape
        for (name, value) in [
            ("vllm_running_requests", 2.0), ("vllm_waiting_requests", 1), ("vllm_gpu_cache_usage_ratio", 0.5),
            ("pagoda_kv_blocks{state=\"used\"}", 50), ("pagoda_kv_blocks{state=\"free\"}", 50),
            ("pagoda_kv_utilisation_ratio", 0.99), ("pagoda_prefill_chunk_tokens_max", 64),
        ] {
            #expect(scrape[name] == value, "\(name)")
        }
        #expect(scrape.vllm("num_requests_running") == 2)
        #expect(scrape.vllm("num_requests_waiting") == 1)
        #expect(scrape["vllm:num_requests_waiting_by_reason{engine=\"0\",model_name=\"m\",reason=\"capacity\"}"] == 1)
        #expect(scrape["vllm:num_requests_waiting_by_reason{engine=\"0\",model_name=\"m\",reason=\"deferred\"}"] == 0)
        #expect(scrape.vllm("kv_cache_usage_perc") == 0.5)
    }

    @Test("prompt tokens are split into computed and cached ones")
    func promptTokenSources() throws {
        let metrics = try serviceMetrics()
        metrics.engine.stepEnded(
            reportedStep {
                $0.generatedTokenCount = 2
                $0.promptTokenCount = 100
                $0.cachedPromptTokenCount = 64
                $0.prefixQueryTokenCount = 100
                $0.prefixHitTokenCount = 64
            })
        let scrape = metrics.scrape
        func source(_ name: String, _ source: String) -> Double? {
            scrape["vllm:\(name){engine=\"0\",model_name=\"m\",source=\"\(source)\"}"]
        }
        #expect(scrape.vllm("prompt_tokens_total") == 100)
        #expect(source("prompt_tokens_by_source_total", "local_compute") == 36)
        #expect(source("prompt_tokens_by_source_total", "local_cache_hit") == 64)
        #expect(source("prompt_tokens_by_source_total", "external_kv_transfer") == 0)
        #expect(source("prompt_tokens_cached_by_source_total", "device") == 64)
        #expect(scrape.vllm("prompt_tokens_cached_total") == 64)
        #expect(scrape.vllm("prefix_cache_queries_total") == 100)
        #expect(scrape.vllm("prefix_cache_hits_total") == 64)
        #expect(scrape.vllm("iteration_tokens_total_sum") == 38)
    }

    @Test("a step's phases, its size and its work are counted, a report without a step only its time")
    func stepWork() throws {
        let metrics = try serviceMetrics()
        var costs = CostModel()
        costs.multiplyAddsPerRow = 1_000
        costs.multiplyAddsPerLogitRow = 100
        costs.multiplyAddsPerAttendedToken = 10
        costs.weightBytes = 5_000
        costs.headBytes = 500
        costs.cacheBytesPerToken = 2
        metrics.engine.setCosts(costs)
        metrics.engine.setMachineRates(MachineRates(multiplyAddsPerSecond: 3e9, readBytesPerSecond: 2e9))
        let busy = reportedStep {
            $0.startedAt = Instant(seconds: 1)
            $0.endedAt = Instant(seconds: 1.25)
            $0.scheduleSeconds = 0.03125
            $0.forwardSeconds = 0.125
            $0.sampleSeconds = 0.0625
            $0.publishSeconds = 0.5
            $0.sequenceCount = 3
            $0.prefillTokenCount = 8
            $0.decodeTokenCount = 2
            $0.logitRowCount = 3
            $0.attendedTokenCount = 50
            $0.contextTokenCount = 40
        }
        metrics.engine.stepEnded(busy)
        metrics.engine.stepEnded(reportedStep { $0.publishSeconds = 0.5 })
        let scrape = metrics.scrape
        for (name, value) in [
            ("pagoda_steps_total", 1.0), ("pagoda_step_seconds_total{phase=\"schedule\"}", 0.03125),
            ("pagoda_step_seconds_total{phase=\"forward\"}", 0.125),
            ("pagoda_step_seconds_total{phase=\"sample\"}", 0.0625),
            ("pagoda_step_seconds_total{phase=\"publish\"}", 1), ("pagoda_step_duration_seconds_sum", 0.25),
            ("pagoda_step_duration_seconds_count", 1), ("pagoda_step_sequences_sum", 3),
            ("pagoda_step_tokens_total{kind=\"prefill\"}", 8), ("pagoda_step_tokens_total{kind=\"decode\"}", 2),
            ("pagoda_multiply_adds_total", 10_800), ("pagoda_memory_read_bytes_total", 5_580),
            ("pagoda_machine_multiply_adds_per_second", 3e9), ("pagoda_machine_read_bytes_per_second", 2e9),
        ] {
            #expect(scrape[name] == value, "\(name)")
        }
        #expect(scrape.vllm("estimated_flops_per_gpu_total") == 21_600)
        #expect(scrape.vllm("estimated_read_bytes_per_gpu_total") == 5_580)
        #expect(scrape.vllm("estimated_write_bytes_per_gpu_total") == 20)
    }

    @Test("the engine's age and sleep are those of the scrape, not of the last report")
    func engineStatus() async throws {
        let metrics = try serviceMetrics()
        #expect(metrics.scrape["pagoda_engine_heartbeat_age_seconds"] == 0)
        let executor = ScriptedExecutor()
        let engine = try InferenceEngine(
            configuration: EngineConfiguration(maxModelLength: 64), observer: metrics.engine, executor: executor)
        metrics.engine.watch { engine.status }
        #expect(metrics.scrape["pagoda_engine_heartbeat_age_seconds"] == 0)
        var last = 0.0
        while last == 0 { last = metrics.scrape["pagoda_engine_idle_seconds_total"] ?? .nan }
        try await Task.sleep(for: .milliseconds(2))
        #expect(metrics.scrape["pagoda_engine_idle_seconds_total"] ?? 0 > last)
        await engine.shutdown(draining: .zero)
    }

    @Test("the parts of ended sequences and their delivery sum to the whole in every scrape")
    func parts() throws {
        let metrics = try serviceMetrics()
        var random = SplitMix64(state: 5)
        var whole: Int64 = 0
        for request in 0..<200 {
            var ended = endedSequence(
                FinishReason.allCases.randomElement(using: &random) ?? .stop, request: UInt64(request))
            for part in LatencyPart.allCases where part != .client {
                ended.parts[part] = Int64.random(in: 0...5_000_000_000, using: &random)
            }
            whole += ended.parts.total
            metrics.engine.stepEnded(
                reportedStep {
                    $0.finished = [ended]
                    $0.firstTokens = [FirstToken(seconds: Double(ended.parts[.ownPrefill]) * 1e-9)]
                    $0.firstTokenParts[.ownPrefill] = ended.parts[.ownPrefill]
                })
            let delivery = Int64.random(in: 0...1_000_000_000, using: &random)
            whole += delivery
            metrics.requests.requestFinished(
                .success(latencySeconds: 1), endpoint: .completions, deliveryNanoseconds: delivery)
            let scrape = metrics.scrape
            func sum(_ name: String) -> Double {
                LatencyPart.allCases.reduce(0) { $0 + (scrape["\(name){part=\"\($1.name)\"}"] ?? .nan) }
            }
            let counted = scrape["pagoda_request_whole_seconds_total"] ?? .nan
            #expect(abs(sum("pagoda_request_seconds_total") - counted) < 1e-6)
            #expect(abs(counted - Double(whole) * 1e-9) < 1e-6)
            let firstTokens = scrape.vllm("time_to_first_token_seconds_sum") ?? .nan
            #expect(abs(sum("pagoda_ttft_seconds_total") - firstTokens) < 1e-6)
        }
    }

    @Test("exemplars of first tokens and of whole requests lead to their traces")
    func exemplars() throws {
        let metrics = try serviceMetrics()
        let trace = try #require(TraceID(high: 0xA, low: 0xB))
        var ended = endedSequence(.stop)
        ended.origin.trace = trace
        metrics.engine.stepEnded(
            reportedStep {
                $0.firstTokens = [FirstToken(seconds: 0.03, trace: trace)]
                $0.finished = [ended]
            })
        let text = String(decoding: metrics.registry.exposition(as: .openMetrics), as: UTF8.self)
        let lines = text.split(separator: "\n").filter { $0.contains("# {trace_id=\"\(trace)\"}") }
        #expect(lines.count == 2)
        #expect(lines.contains { $0.hasPrefix("vllm:time_to_first_token_seconds_bucket") })
        #expect(lines.contains { $0.hasPrefix("vllm:e2e_request_latency_seconds_bucket") })
    }

    @Test("tokens, preemptions and latencies are counted in the step that reports them")
    func counters() throws {
        let metrics = try serviceMetrics()
        let busy = reportedStep {
            $0.arrivedCount = 2
            $0.promptTokenCount = 30
            $0.generatedTokenCount = 3
            $0.preemptionCount = 1
            $0.firstTokens = [FirstToken(seconds: 0.03)]
            $0.interTokenLatencies = [0.01, 0.3]
        }
        metrics.engine.stepEnded(busy)
        metrics.engine.stepEnded(busy)
        metrics.engine.stepEnded(reportedStep { $0.prefillTokenCount = 512 })
        let scrape = metrics.scrape
        #expect(scrape["pagoda_requests_received_total"] == 4)
        #expect(scrape.vllm("prompt_tokens_total") == 60)
        #expect(scrape.vllm("generation_tokens_total") == 6)
        #expect(scrape.vllm("num_preemptions_total") == 2)
        #expect(scrape.vllm("iteration_tokens_total_count") == 2)
        #expect(scrape.vllm("iteration_tokens_total_sum") == 66)
        #expect(scrape.vllm("time_to_first_token_seconds_bucket", "le=\"0.02\",") == 0)
        #expect(scrape.vllm("time_to_first_token_seconds_bucket", "le=\"0.04\",") == 2)
        #expect(scrape.vllm("inter_token_latency_seconds_bucket", "le=\"0.01\",") == 2)
        #expect(scrape.vllm("inter_token_latency_seconds_count") == 4)
    }

    @Test("the times of a finished sequence are taken between vLLM's moments")
    func finishedTimes() throws {
        let metrics = try serviceMetrics()
        metrics.engine.stepEnded(reportedStep { $0.finished = [endedSequence(.length)] })
        let scrape = metrics.scrape
        for (name, sum) in [
            ("e2e_request_latency_seconds", 3.5), ("request_queue_time_seconds", 0.25),
            ("request_prefill_time_seconds", 0.5), ("request_decode_time_seconds", 2),
            ("request_inference_time_seconds", 2.5), ("request_time_per_output_token_seconds", 0.5),
            ("request_prompt_tokens", 30), ("request_generation_tokens", 5), ("request_params_max_tokens", 100),
            ("request_num_preemptions", 2), ("request_params_n", 1), ("request_max_num_generation_tokens", 5),
            ("request_prefill_kv_computed_tokens", 30),
        ] {
            #expect(scrape.vllm(name + "_sum") == sum, "\(name)")
            #expect(scrape.vllm(name + "_count") == 1, "\(name)")
        }
    }

    @Test("a single token has a time per output token of 0, and it is observed")
    func singleToken() throws {
        let metrics = try serviceMetrics()
        metrics.engine.stepEnded(reportedStep { $0.finished = [endedSequence(.stop, generated: 1)] })
        #expect(metrics.scrape.vllm("request_time_per_output_token_seconds_bucket", "le=\"0.01\",") == 1)
    }

    @Test("every end is counted under its reason, but aborted and failed ones leave no times")
    func reasons() throws {
        let metrics = try serviceMetrics()
        for (index, reason) in FinishReason.allCases.enumerated() {
            let ended = (0...UInt64(index)).map { endedSequence(reason, request: UInt64(index) * 10 + $0) }
            metrics.engine.stepEnded(reportedStep { $0.finished = ended })
        }
        let scrape = metrics.scrape
        for (index, reason) in FinishReason.allCases.enumerated() {
            #expect(scrape.finishedCount(reason) == Double(index + 1), "\(reason)")
        }
        #expect(scrape.vllm("e2e_request_latency_seconds_count") == 3)
        #expect(scrape.vllm("request_params_n_count") == 3)
    }

    @Test("the samples of a request are one observation of n and of the longest, when the last has ended")
    func samples() throws {
        let metrics = try serviceMetrics()
        metrics.engine.stepEnded(
            reportedStep {
                $0.finished = [
                    endedSequence(.stop, choice: 1, of: 3, generated: 9), endedSequence(.stop, choice: 0, of: 3),
                ]
            })
        #expect(metrics.scrape.vllm("request_params_n_count") == 0)
        metrics.engine.stepEnded(
            reportedStep {
                $0.finished = [
                    endedSequence(.length, choice: 2, of: 3), endedSequence(.abort, request: 2, choice: 0, of: 2),
                ]
            })
        metrics.engine.stepEnded(reportedStep { $0.finished = [endedSequence(.stop, request: 2, choice: 1, of: 2)] })
        let scrape = metrics.scrape
        #expect(scrape.vllm("request_params_n_count") == 1)
        #expect(scrape.vllm("request_params_n_sum") == 3)
        #expect(scrape.vllm("request_max_num_generation_tokens_sum") == 9)
        #expect(scrape.vllm("request_generation_tokens_count") == 4)
    }

    @Test("throughput is that of the last full second, and 0 after an idle one")
    func throughput() throws {
        let clock = ManualClock()
        let metrics = try serviceMetrics(clock)
        for (second, tokenCount) in [(10.1, 5), (10.9, 7), (11.2, 100)] {
            metrics.engine.stepEnded(
                reportedStep {
                    $0.endedAt = Instant(seconds: second)
                    $0.generatedTokenCount = tokenCount
                })
        }
        for (second, expected) in [(11.5, 12.0), (11.99, 12), (12, 100), (12.9, 100), (13, 0), (20, 0)] {
            clock.set(seconds: second)
            #expect(metrics.scrape["vllm_generation_throughput"] == expected, "at \(second) s")
        }
    }

    // MARK: - Sums

    @Test("in every scrape, received = finished + running + waiting + rejected, and histograms add up")
    func identity() async throws {
        let metrics = try serviceMetrics()
        await withTaskGroup { group in
            group.addTask { feed(metrics.engine) }
            group.addTask {
                for count in 0..<2_000 {
                    for reason in RequestMetrics.Rejection.allCases {
                        metrics.requests.requestFinished(
                            .rejected(reason, sequenceCount: 1 + count % 3), endpoint: .completions)
                    }
                    metrics.requests.sequencesRefused(1)
                }
            }
            group.addTask {
                for _ in 0..<150 { check(metrics.scrape) }
            }
        }
        check(metrics.scrape)
        #expect(metrics.scrape["pagoda_requests_received_total"] ?? 0 > 10_000)
        #expect(
            metrics.scrape["vllm:admission_rejections_total{model_name=\"m\",reason=\"max_num_queued_reqs\"}"] == 2_000)
    }

    /// Steps of an engine whose sequences come, run and end at random.
    private func feed(_ engine: EngineMetrics) {
        var random = SplitMix64(state: 3)
        var waiting = 0
        var running = 0
        for _ in 0..<3_000 {
            let arrived = Int.random(in: 0...3, using: &random)
            let started = Int.random(in: 0...(waiting + arrived), using: &random)
            let ended = Int.random(in: 0...(running + started), using: &random)
            waiting += arrived - started
            running += started - ended
            let finished = (0..<ended).map { _ in
                endedSequence(FinishReason.allCases.randomElement(using: &random) ?? .stop, request: random.next())
            }
            engine.stepEnded(
                reportedStep {
                    $0.arrivedCount = arrived
                    $0.runningCount = running
                    $0.waitingCount = waiting
                    $0.finished = finished
                })
        }
    }

    private func check(_ scrape: Scrape) {
        func sum<Label: RawRepresentable<String>>(_ name: String, _ values: [Label]) -> Double {
            values.reduce(0) { $0 + (scrape["\(name){reason=\"\($1.rawValue)\"}"] ?? .nan) }
        }
        let finished = FinishReason.allCases.reduce(0.0) { $0 + (scrape.finishedCount($1) ?? .nan) }
        #expect(sum("pagoda_requests_finished_total", FinishReason.allCases) == finished)
        let rejected = sum("pagoda_requests_rejected_total", RequestMetrics.Rejection.allCases)
        let open = (scrape["vllm_running_requests"] ?? .nan) + (scrape["vllm_waiting_requests"] ?? .nan)
        #expect(scrape["pagoda_requests_received_total"] == finished + open + rejected)
        let counted = scrape.vllm("e2e_request_latency_seconds_count")
        #expect(counted == scrape.vllm("e2e_request_latency_seconds_bucket", "le=\"+Inf\","))
        #expect(counted == scrape.vllm("request_decode_time_seconds_count"))
    }
}
