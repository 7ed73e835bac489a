import JSON
import LoadTesting
import Testing

@Suite("Report")
struct ReportTests {
    @Test("the console has vLLM's lines, blanks and all")
    func consoleLines() throws {
        let lines = try Self.lines(concurrency: 2, rate: 4, goodput: ["ttft:500"])
        #expect(
            lines == [
                "============ Serving Benchmark Result ============",
                "Successful requests:                     3         ",
                "Failed requests:                         1         ",
                "Maximum request concurrency:             2         ",
                "Request rate configured (RPS):           4.00      ",
                "Benchmark duration (s):                  4.00      ",
                "Total input tokens:                      60        ",
                "Total generated tokens:                  9         ",
                "Request throughput (req/s):              0.75      ",
                "Request goodput (req/s):                 0.50      ",
                "Output token throughput (tok/s):         2.25      ",
                "Peak output token throughput (tok/s):    5.00      ",
                "Peak concurrent requests:                2.00      ",
                "Total token throughput (tok/s):          17.25     ",
                "---------------Time to First Token----------------",
                "Mean TTFT (ms):                          583.33    ",
                "Median TTFT (ms):                        500.00    ",
                "P99 TTFT (ms):                           990.00    ",
                "-----Time per Output Token (excl. 1st token)------",
                "Mean TPOT (ms):                          375.00    ",
                "Median TPOT (ms):                        375.00    ",
                "P99 TPOT (ms):                           497.50    ",
                "---------------Inter-token Latency----------------",
                "Mean ITL (ms):                           333.33    ",
                "Median ITL (ms):                         250.00    ",
                "P99 ITL (ms):                            500.00    ",
                "==================================================",
            ])
    }

    @Test("what was not asked for is not said")
    func fewerLines() throws {
        let lines = try Self.lines(concurrency: nil, rate: .infinity, goodput: [])
        #expect(!lines.contains { $0.hasPrefix("Maximum request") || $0.hasPrefix("Request rate") })
        #expect(!lines.contains { $0.hasPrefix("Request goodput") })
    }

    @Test("chosen latencies and percentiles have their sections, in vLLM's order")
    func sections() throws {
        let lines = try Self.lines(
            concurrency: 2, rate: 4, goodput: [], metrics: "e2el, ttft,client_queue_time,e2el_including_client_queue",
            percentiles: "50,99.9")
        #expect(
            lines.filter { $0.hasPrefix("-") } == [
                "---------------Time to First Token----------------",
                "----------------End-to-end Latency----------------",
                "---------------Client-side Queueing---------------",
                "--------Queue-inclusive End-to-end Latency--------",
            ])
        #expect(lines.contains("P50 E2EL (ms):                           1250.00   "))
        #expect(lines.contains("P99.9 E2EL (ms):                         1499.50   "))
        #expect(lines.contains("Mean Client Queue Time (ms):             250.00    "))
    }

    @Test("queues have no section where nothing queues")
    func noQueueSections() throws {
        let metrics = "client_queue_time,e2el_including_client_queue"
        let unbounded = try Self.lines(concurrency: nil, rate: 4, goodput: [], metrics: metrics)
        #expect(!unbounded.contains { $0.hasPrefix("-") })
        let atOnce = try Self.lines(concurrency: 2, rate: .infinity, goodput: [], metrics: metrics)
        #expect(atOnce.filter { $0.hasPrefix("-") } == ["---------------Client-side Queueing---------------"])
    }

    @Test("metrics and percentiles that nobody knows are refused")
    func selection() {
        #expect(throws: LoadTestError.self) { try LatencySelection(metrics: "ttft,tpt") }
        #expect(throws: LoadTestError.self) { try LatencySelection(percentiles: "99,x") }
        #expect(throws: LoadTestError.self) { try LatencySelection(percentiles: "101") }
    }

    @Test("the traffic is told before the run")
    func opening() throws {
        #expect(
            ConsoleReport.opening(arrivals: try ArrivalProcess(), maximumConcurrency: nil) == [
                "Traffic request rate: inf", "Burstiness factor: 1.0 (Poisson process)",
                "Maximum request concurrency: None",
            ])
        let rampUp = try ArrivalProcess.RampUp(strategy: "linear", startRate: 1, endRate: 5)
        #expect(
            ConsoleReport.opening(
                arrivals: try ArrivalProcess(burstiness: 2, rampUp: rampUp), maximumConcurrency: 3) == [
                    "Traffic ramp-up strategy: linear.",
                    "Will increase RPS from 1 to 5 RPS over the duration of the benchmark.",
                    "Burstiness factor: 2.0 (Gamma distribution)", "Maximum request concurrency: 3",
                ])
    }

    @Test("failures are told with their reasons, ten at most")
    func failures() {
        #expect(
            ConsoleReport.failures(Examples.run.records) == [
                "Failed requests during benchmark run detected (capping to 10):",
                "Error 0: 500 Internal Server Error",
            ])
        let failed = Examples.run.records[2]
        #expect(ConsoleReport.failures(Array(repeating: failed, count: 30)).count == 11)
        #expect(ConsoleReport.failures([Examples.run.records[0]]).isEmpty)
    }

    @Test("the result has vLLM's keys in vLLM's order")
    func keys() throws {
        let object = try #require(try Self.document().json(Self.statistics(), run: Examples.run).objectValue)
        #expect(
            object.keys == [
                "date", "endpoint_type", "backend", "label", "model_id", "tokenizer_id", "num_prompts", "commit",
                "request_rate", "burstiness", "max_concurrency", "duration", "completed", "failed",
                "total_input_tokens", "total_output_tokens", "request_throughput", "request_goodput",
                "output_throughput", "total_token_throughput", "max_output_tokens_per_s", "max_concurrent_requests",
                "rtfx", "mean_ttft_ms", "median_ttft_ms", "std_ttft_ms", "p99_ttft_ms", "mean_tpot_ms",
                "median_tpot_ms", "std_tpot_ms", "p99_tpot_ms", "mean_itl_ms", "median_itl_ms", "std_itl_ms",
                "p99_itl_ms",
            ])
        #expect(object["request_rate"] == "inf")
        #expect(object["endpoint_type"] == "openai-chat")
        #expect(object["label"] == .null && object["tokenizer_id"] == .null && object["request_goodput"] == .null)
        #expect(object["completed"] == 3 && object["failed"] == 1)
        #expect(object["commit"] == "abc")
    }

    @Test("a detailed result lists every request, failed ones too")
    func detailedKeys() throws {
        var document = try Self.document()
        document.isDetailed = true
        let json = document.json(try Self.statistics(), run: Examples.run)
        let object = try #require(json.objectValue)
        let start = try #require(object.keys.firstIndex(of: "total_token_throughput"))
        #expect(
            object.keys[(start + 1)...].prefix(9) == [
                "input_lens", "output_lens", "ttfts", "itls", "latencies", "start_times", "queue_times",
                "generated_texts", "errors",
            ])
        #expect(json["output_lens"] == [5, 3, 0, 1])
        #expect(json["itls"]?.arrayValue?.first == [0.25, 0.25, 0.25, 0.25])
        #expect(json["start_times"] == [1000.0, 1000.5, 1001.0, 1002.0])
        #expect(json["errors"] == ["", "", "500 Internal Server Error", ""])
        #expect(json["generated_texts"]?.arrayValue?.first == "Grüße")
    }

    @Test("a ramp is told in the result and in the file's name")
    func rampUp() throws {
        var document = try Self.document()
        document.arrivals = try ArrivalProcess(
            rampUp: try .init(strategy: "exponential", startRate: 1, endRate: 8))
        let json = document.json(try Self.statistics(), run: Examples.run)
        #expect(json["ramp_up_strategy"] == "exponential")
        #expect(json["ramp_up_start_rps"] == 1 && json["ramp_up_end_rps"] == 8)
        #expect(document.fileName == "openai-chat-ramp-up-exponential-1qps-8qps-SmolLM2-\(document.date.stamp).json")
    }

    @Test("the file is named after label, rate, concurrency, model and time")
    func fileName() throws {
        var document = try Self.document()
        #expect(document.fileName == "openai-chat-infqps-SmolLM2-\(document.date.stamp).json")
        document.label = "mine"
        document.arrivals = try ArrivalProcess(requestRate: 4)
        document.settings.maximumConcurrency = 16
        #expect(document.fileName == "mine-4.0qps-concurrency16-SmolLM2-\(document.date.stamp).json")
    }

    @Test("moments are written as a stamp and as ISO 8601, of the same local time")
    func wallTime() throws {
        let time = WallTime(microseconds: 1_790_000_000_000_042)
        #expect(time.stamp.count == 15 && time.stamp.hasPrefix("2026"))
        #expect(time.iso8601.hasSuffix(".000042"))
        let digits = time.iso8601.prefix(19).filter(\.isNumber)
        #expect(digits == time.stamp.filter(\.isNumber))
    }

    // MARK: - Examples

    private static func statistics() throws -> RunStatistics {
        RunStatistics(Examples.run, ranks: [99], objectives: try ServiceObjectives())
    }

    private static func document() throws -> ResultDocument {
        ResultDocument(
            date: WallTime(microseconds: 1_790_000_000_000_000), backend: .openAIChat, label: nil,
            modelID: "HuggingFaceTB/SmolLM2", tokenizerID: nil, promptCount: 4, arrivals: try ArrivalProcess(),
            settings: ReportSettings(
                maximumConcurrency: nil, requestRate: .infinity, showsGoodput: false, latencies: try LatencySelection()),
            metadata: [("commit", "abc")])
    }

    private static func lines(
        concurrency: Int?, rate: Double, goodput: [String], metrics: String = "ttft,tpot,itl",
        percentiles: String = "99"
    ) throws -> [String] {
        let selection = try LatencySelection(metrics: metrics, percentiles: percentiles)
        let statistics = RunStatistics(
            Examples.run, ranks: selection.ranks, objectives: try ServiceObjectives(goodput))
        return ConsoleReport.lines(
            statistics,
            settings: ReportSettings(
                maximumConcurrency: concurrency, requestRate: rate, showsGoodput: !goodput.isEmpty,
                latencies: selection))
    }
}
