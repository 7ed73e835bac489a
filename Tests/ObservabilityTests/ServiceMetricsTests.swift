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
        metrics.requests.clientRequestFinished(status: .success, latencySeconds: 0.3)
        metrics.requests.clientRequestFinished(status: .success, latencySeconds: 200)
        metrics.requests.clientRequestFinished(status: .failed, latencySeconds: 0.01)
        let scrape = metrics.scrape
        #expect(scrape["vllm_request_count{status=\"SUCCESS\"}"] == 2)
        #expect(scrape["vllm_request_count{status=\"FAILED\"}"] == 1)
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
        snapshot = EngineSnapshot(
            runningCount: 2, waitingCount: 1, cacheUsage: 0.1234, promptTokenCount: 125, generatedTokenCount: 1_000,
            preemptionCount: 3)
        let busy =
            "Engine 000: Avg prompt throughput: 12.5 tokens/s, Avg generation throughput: 100.0 tokens/s, "
            + "Running: 2 reqs, Waiting: 1 reqs, Preemptions: 3, CPU KV cache usage: 12.3%"
        #expect(line.next(snapshot, at: Instant(seconds: 20)) == busy)
        snapshot.runningCount = 0
        let idle =
            "Engine 000: Avg prompt throughput: 0.0 tokens/s, Avg generation throughput: 0.0 tokens/s, "
            + "Running: 0 reqs, Waiting: 1 reqs, CPU KV cache usage: 12.3%"
        #expect(line.next(snapshot, at: Instant(seconds: 30)) == idle)
        #expect(line.next(snapshot, at: Instant(seconds: 40)) == nil)
        snapshot.generatedTokenCount += 1
        #expect(line.next(snapshot, at: Instant(seconds: 40)) == nil)
        snapshot.generatedTokenCount += 5
        #expect(line.next(snapshot, at: Instant(seconds: 50))?.contains("generation throughput: 0.5 tokens/s") == true)
    }
}
