// Requests as clients see them, the process, and the statistics line.

import Observability
import Primitives
import Telemetry
import Testing

@Suite("ServiceMetrics")
struct ServiceMetricsTests {
    @Test("a client's request is counted once, and only successful ones leave their latency")
    func clientRequests() throws {
        let metrics = try serviceMetrics()
        metrics.requests.requestFinished(.success(latencySeconds: 0.3), endpoint: .completions)
        metrics.requests.requestFinished(.success(latencySeconds: 200), endpoint: .chatCompletions)
        metrics.requests.requestFinished(.failed, endpoint: .chatCompletions)
        metrics.requests.requestFinished(.rejected(.queueFull, sequenceCount: 4), endpoint: .completions)
        let scrape = metrics.scrape
        #expect(scrape["vllm_request_count{status=\"SUCCESS\"}"] == 2)
        #expect(scrape["vllm_request_count{status=\"FAILED\"}"] == 2)
        #expect(scrape["pagoda_requests_rejected_total{reason=\"queue_full\"}"] == 4)
        #expect(scrape["pagoda_requests_received_total"] == 4)
        #expect(scrape["vllm_request_latency_seconds_bucket{le=\"0.1\"}"] == 0)
        #expect(scrape["vllm_request_latency_seconds_bucket{le=\"0.5\"}"] == 1)
        #expect(scrape["vllm_request_latency_seconds_bucket{le=\"120.0\"}"] == 1)
        #expect(scrape["vllm_request_latency_seconds_count"] == 2)
        #expect(scrape["vllm_request_latency_seconds_sum"] == 200.3)
    }

    @Test("the six promised metrics come first, with the promised types and buckets")
    func promisedMetrics() throws {
        let scrape = try serviceMetrics().scrape
        let promised = [
            ("vllm_request_count", "counter"), ("vllm_request_latency_seconds", "histogram"),
            ("vllm_generation_throughput", "gauge"), ("vllm_gpu_cache_usage_ratio", "gauge"),
            ("vllm_running_requests", "gauge"), ("vllm_waiting_requests", "gauge"),
        ]
        #expect(Array(scrape.familyNames.prefix(6)) == promised.map(\.0))
        for (name, type) in promised { #expect(scrape.families[name]?.type == type) }
        #expect(
            scrape.families["vllm_request_latency_seconds"]?.bounds
                == ["0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "30.0", "60.0", "120.0", "+Inf"])
    }

    @Test("the model and the endpoint become labels of clients' requests where that is asked for")
    func requestLabels() throws {
        let metrics = try serviceMetrics { $0.requestLabels = [.model, .endpoint] }
        metrics.requests.requestFinished(.success(latencySeconds: 0.3), endpoint: .chatCompletions)
        let scrape = metrics.scrape
        let labels = "{endpoint=\"/v1/chat/completions\",model=\"m\""
        #expect(scrape["vllm_request_count\(labels),status=\"SUCCESS\"}"] == 1)
        #expect(scrape["vllm_request_latency_seconds_count\(labels)}"] == 1)
        #expect(scrape.values.keys.count { $0.hasPrefix("vllm_request_count") } == 4)
        let one = try serviceMetrics { $0.requestLabels = [.model] }.scrape
        #expect(one["vllm_request_count{model=\"m\",status=\"FAILED\"}"] == 0)
        #expect(one.values.keys.count { $0.hasPrefix("vllm_request_count") } == 2)
    }

    @Test("an answer is counted under its route, and what no route has under none")
    func httpAnswers() throws {
        let registry = MetricRegistry()
        let route = HTTPMetrics.Route(method: "POST", path: "/v1/completions")
        let metrics = try HTTPMetrics(
            routes: [route, HTTPMetrics.Route(method: "GET", path: "/metrics")], in: registry)
        let before = Scrape(registry.exposition()).values.count
        func answer(_ method: String?, _ path: String, _ status: Int, seconds: Double = 0.3) {
            let route = method.map { HTTPMetrics.Route(method: $0, path: path) }
            var answer = HTTPMetrics.Answer(route: route, status: status, seconds: seconds)
            answer.requestBytes = 10
            answer.responseBytes = 100
            metrics.answered(answer)
        }
        answer("POST", "/v1/completions", 200)
        answer("POST", "/v1/completions", 200, seconds: 3)
        answer("POST", "/v1/completions", 503)
        answer("GET", "/v1/completions", 405)
        answer("GET", "/nowhere", 404)
        answer("BREW", "/coffee", 404)
        answer(nil, "", 400)
        answer("GET", "/metrics", 200)
        answer("POST", "/health", 404)
        metrics.waitedForReader(seconds: 2)
        let scrape = Scrape(registry.exposition())
        #expect(scrape.values.count == before)
        func count(_ handler: String, _ method: String, _ status: String) -> Double? {
            scrape["http_requests_total{handler=\"\(handler)\",method=\"\(method)\",status=\"\(status)\"}"]
        }
        #expect(count("/v1/completions", "POST", "2xx") == 2)
        #expect(count("/v1/completions", "POST", "4xx") == 0)
        #expect(count("/v1/completions", "POST", "5xx") == 1)
        #expect(count("none", "GET", "4xx") == 2)
        #expect(count("none", "OTHER", "4xx") == 2)
        #expect(count("/metrics", "GET", "2xx") == nil)
        #expect(scrape["http_request_size_bytes_count{handler=\"/v1/completions\"}"] == 3)
        #expect(scrape["http_request_size_bytes_sum{handler=\"/v1/completions\"}"] == 30)
        #expect(scrape["http_response_size_bytes_sum{handler=\"none\"}"] == 400)
        #expect(scrape["http_request_duration_highr_seconds_count"] == 7)
        let labels = "{handler=\"/v1/completions\",le=\"0.5\",method=\"POST\"}"
        #expect(scrape["http_request_duration_seconds_bucket\(labels)"] == 2)
        #expect(scrape["pagoda_slow_reader_seconds_total"] == 2)
    }

    @Test("OpenMetrics has the same series under the same names")
    func openMetrics() throws {
        let metrics = try serviceMetrics()
        let text = metrics.scrape
        let bytes = metrics.registry.exposition(as: .openMetrics)
        let openMetrics = Scrape(bytes)
        #expect(Set(text.values.keys) == Set(openMetrics.values.keys))
        #expect(openMetrics.families["vllm_request_count"]?.type == "unknown")
        #expect(openMetrics.families["vllm:prompt_tokens"]?.type == "counter")
        #expect(String(decoding: bytes.suffix(6), as: UTF8.self) == "# EOF\n")
    }

    #if os(Linux)
        @Test("the process's memory, time and files are plausible")
        func process() throws {
            let scrape = try serviceMetrics().scrape
            func value(_ name: String) -> Double { scrape["process_" + name] ?? .nan }
            #expect(value("resident_memory_bytes") > 1e6)
            #expect(value("virtual_memory_bytes") > value("resident_memory_bytes"))
            #expect(value("start_time_seconds") > 1.5e9)
            #expect(value("cpu_seconds_total") >= 0)
            #expect(value("open_fds") >= 3)
            #expect(value("max_fds") >= value("open_fds"))
        }
    #endif

    @Test("the statistics line is vLLM's, and falls silent after two idle intervals")
    func statisticsLine() {
        var snapshot = EngineSnapshot()
        var line = StatisticsLine(from: snapshot, at: Instant(seconds: 0))
        #expect(line.next(snapshot, at: Instant(seconds: 10)) == nil)
        snapshot.runningCount = 2
        snapshot.waitingCount = 1
        snapshot.cacheUsage = 0.1234
        snapshot.computedPromptTokenCount = 125
        snapshot.generatedTokenCount = 1_000
        snapshot.preemptionCount = 3
        snapshot.prefixQueryTokenCount = 200
        snapshot.prefixHitTokenCount = 75
        let busy =
            "Engine 000: Avg prompt throughput: 12.5 tokens/s, Avg generation throughput: 100.0 tokens/s, "
            + "Running: 2 reqs, Waiting: 1 reqs, Preemptions: 3, CPU KV cache usage: 12.3%, Prefix cache hit rate: 37.5%"
        #expect(line.next(snapshot, at: Instant(seconds: 20)) == busy)
        snapshot.runningCount = 0
        let idle =
            "Engine 000: Avg prompt throughput: 0.0 tokens/s, Avg generation throughput: 0.0 tokens/s, "
            + "Running: 0 reqs, Waiting: 1 reqs, CPU KV cache usage: 12.3%, Prefix cache hit rate: 37.5%"
        #expect(line.next(snapshot, at: Instant(seconds: 30)) == idle)
        #expect(line.next(snapshot, at: Instant(seconds: 40)) == nil)
        snapshot.generatedTokenCount += 1
        #expect(line.next(snapshot, at: Instant(seconds: 40)) == nil)
        snapshot.generatedTokenCount += 5
        #expect(line.next(snapshot, at: Instant(seconds: 50))?.contains("generation throughput: 0.5 tokens/s") == true)
    }
}
