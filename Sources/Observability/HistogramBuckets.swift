// Bucket bounds of vLLM's histograms (vllm/v1/metrics/buckets.py) and of ours.

/// Families of inclusive upper bounds; several histograms share one. Times are in seconds.
enum HistogramBuckets {
    static let requestLatency: [Double] = [
        0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
    ]
    static let timeToFirstToken: [Double] = [
        0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640,
        2560,
    ]
    static let interTokenLatency: [Double] = [
        0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
    ]
    static let iterationTokens: [Double] = [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384]
    static let sampleCount: [Double] = [1, 2, 5, 10, 20]
    static let preemptionCount: [Double] = [1, 2, 3, 4, 5, 10, 20]
    /// Of `vllm_request_latency_seconds`, seen by the HTTP client.
    static let clientLatency: [Double] = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]

    /// Of `http_request_duration_highr_seconds` and `http_request_duration_seconds`.
    static let httpDuration: [Double] = [
        0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 7.5, 10, 30, 60,
    ]
    static let httpDurationByHandler: [Double] = [0.1, 0.5, 1]
    /// Of `pagoda_step_duration_seconds` and `pagoda_step_sequences`.
    static let stepTime: [Double] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
    static let batchSize: [Double] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]

    /// 1, 2 and 5 times the powers of ten that are no more than `maxModelLength`; 1 at least.
    static func requestTokens(maxModelLength: Int) -> [Double] {
        let limit = Double(maxModelLength)
        var bounds: [Double] = [1]
        var power = 1.0
        while power <= limit {
            bounds += [power, 2 * power, 5 * power].filter { $0 > 1 && $0 <= limit }
            power *= 10
        }
        return bounds
    }
}
