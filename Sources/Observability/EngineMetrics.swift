// Metrics of what the engine reports.

public import Engine
public import Primitives
import Synchronization
public import Telemetry

/// Turns an engine's reports into metrics; each report is one update of the registry, seen as a whole or not at all.
///
/// What is observed when is vLLM's (vllm/v1/metrics/stats.py), except that ended sequences are always counted, also
/// those whose client went away. Times of requests are observed for those alone that came to their natural end.
public final class EngineMetrics: EngineObserver {
    /// Requests whose samples have not all ended: how many are left, and the longest so far.
    private struct OpenRequest {
        var openCount: Int
        var longest = 0
        var isWhole = true
    }

    private struct State {
        var throughput = ThroughputWindow()
        var openRequests: [RequestID: OpenRequest] = [:]
    }

    private let registry: MetricRegistry
    private let series: EngineSeries
    private let blockSize: Int
    private let state = Mutex(State())

    /// - Parameter clock: what a scrape takes for now.
    public init(
        _ configuration: MetricsConfiguration, in registry: MetricRegistry,
        clock: @escaping @Sendable () -> Instant = { .now() }
    ) throws(MetricError) {
        self.registry = registry
        series = try EngineSeries(configuration, in: registry)
        blockSize = configuration.blockSize
        let series = series
        registry.update { values in
            values.set(series.freeBlocks, to: Double(configuration.blockCount))
            values.set(series.cacheUtilisation, to: 1)
        }
        registry.beforeScrape { [weak self] registry in
            guard let self else { return }
            let tokenCount = state.withLock { $0.throughput.lastFullSecond(at: clock()) }
            registry.update { $0.set(series.generationThroughput, to: Double(tokenCount)) }
        }
    }

    // MARK: - EngineObserver

    public func stepEnded(_ step: borrowing StepStatistics) {
        let step = copy step
        let endedRequests = state.withLock { state in
            state.throughput.add(step.generatedTokenCount, at: step.endedAt)
            return step.finished.compactMap { Self.note($0, in: &state.openRequests) }
        }
        registry.update { values in
            setGauges(step, &values)
            count(step, &values)
            for sequence in step.finished {
                if let reason = sequence.reason, let counter = series.finished(reason) { values.increment(counter) }
                if Self.isNatural(sequence.reason) { observe(sequence, &values) }
            }
            for request in endedRequests {
                values.observe(Double(request.sampleCount), in: series.requestSampleCount)
                values.observe(Double(request.longest), in: series.requestMaxGenerationTokens)
            }
        }
    }

    private func setGauges(_ step: StepStatistics, _ values: inout MetricValues) {
        let usage = step.blockCount > 0 ? Double(step.usedBlockCount) / Double(step.blockCount) : 0
        let slots = Double(step.usedBlockCount) * Double(blockSize)
        for gauge in [series.running, series.requestsRunning] { values.set(gauge, to: Double(step.runningCount)) }
        for gauge in [series.waiting, series.requestsWaiting] { values.set(gauge, to: Double(step.waitingCount)) }
        for gauge in [series.cacheUsageRatio, series.cacheUsage] { values.set(gauge, to: usage) }
        values.set(series.usedBlocks, to: Double(step.usedBlockCount))
        values.set(series.freeBlocks, to: Double(step.blockCount - step.usedBlockCount))
        values.set(series.cacheUtilisation, to: slots > 0 ? Double(step.cachedTokenCount) / slots : 1)
        let largestChunk = max(values.value(of: series.largestPrefillChunk), Double(step.largestPrefillChunk))
        values.set(series.largestPrefillChunk, to: largestChunk)
    }

    private func count(_ step: StepStatistics, _ values: inout MetricValues) {
        values.increment(series.received, by: Double(step.arrivedCount))
        values.increment(series.promptTokens, by: Double(step.promptTokenCount))
        values.increment(series.generationTokens, by: Double(step.generatedTokenCount))
        values.increment(series.preemptions, by: Double(step.preemptionCount))
        // A prompt's tokens count in the step of its first output token, however many chunks it took.
        if step.generatedTokenCount > 0 {
            values.observe(Double(step.promptTokenCount + step.generatedTokenCount), in: series.iterationTokens)
        }
        for token in step.firstTokens { values.observe(token.seconds, in: series.timeToFirstToken) }
        for seconds in step.interTokenLatencies { values.observe(seconds, in: series.interTokenLatency) }
    }

    // MARK: - Ended sequences

    private static func isNatural(_ reason: FinishReason?) -> Bool {
        switch reason {
        case .stop, .length: true
        case .abort, .error, nil: false
        }
    }

    private func observe(_ sequence: SequenceStatistics, _ values: inout MetricValues) {
        values.observe(Double(sequence.promptTokenCount), in: series.requestPromptTokens)
        values.observe(Double(sequence.generatedTokenCount), in: series.requestGenerationTokens)
        values.observe(Double(sequence.maximumTokens), in: series.requestMaximumTokens)
        values.observe(Double(sequence.preemptionCount), in: series.requestPreemptions)
        values.observe(sequence.finished.seconds(since: sequence.arrival), in: series.endToEndLatency)
        guard let scheduled = sequence.scheduled, let first = sequence.firstToken, let last = sequence.lastToken else {
            return
        }
        let decodeTime = last.seconds(since: first)
        values.observe(scheduled.seconds(since: sequence.queued), in: series.queueTime)
        values.observe(first.seconds(since: scheduled), in: series.prefillTime)
        values.observe(decodeTime, in: series.decodeTime)
        values.observe(last.seconds(since: scheduled), in: series.inferenceTime)
        // vLLM observes the 0 of single tokens as well.
        let laterCount = sequence.generatedTokenCount - 1
        values.observe(laterCount > 0 ? decodeTime / Double(laterCount) : 0, in: series.timePerOutputToken)
    }

    /// What a client's request came to, if `sequence` was the last of its samples and all ended naturally.
    private static func note(
        _ sequence: SequenceStatistics, in openRequests: inout [RequestID: OpenRequest]
    ) -> (sampleCount: Int, longest: Int)? {
        var request =
            openRequests.removeValue(forKey: sequence.request)
            ?? OpenRequest(openCount: sequence.sampleCount)
        request.openCount -= 1
        request.longest = max(request.longest, sequence.generatedTokenCount)
        request.isWhole = request.isWhole && isNatural(sequence.reason)
        guard request.openCount <= 0 else {
            openRequests[sequence.request] = request
            return nil
        }
        return request.isWhole ? (sequence.sampleCount, request.longest) : nil
    }

    // MARK: - Reading

    /// Where the engine stands; values belong together.
    public func snapshot() -> EngineSnapshot {
        registry.read { values in
            EngineSnapshot(
                runningCount: Int(values.value(of: series.running)),
                waitingCount: Int(values.value(of: series.waiting)),
                cacheUsage: values.value(of: series.cacheUsage),
                promptTokenCount: values.value(of: series.promptTokens),
                generatedTokenCount: values.value(of: series.generationTokens),
                preemptionCount: values.value(of: series.preemptions))
        }
    }
}

/// The engine's queues, its cache and its totals since the start, at one moment.
public struct EngineSnapshot: Sendable, Equatable {
    public var runningCount: Int
    public var waitingCount: Int
    /// Used share of the KV cache, 0 to 1.
    public var cacheUsage: Double
    public var promptTokenCount: Double
    public var generatedTokenCount: Double
    public var preemptionCount: Double

    public init(
        runningCount: Int = 0, waitingCount: Int = 0, cacheUsage: Double = 0, promptTokenCount: Double = 0,
        generatedTokenCount: Double = 0, preemptionCount: Double = 0
    ) {
        self.runningCount = runningCount
        self.waitingCount = waitingCount
        self.cacheUsage = cacheUsage
        self.promptTokenCount = promptTokenCount
        self.generatedTokenCount = generatedTokenCount
        self.preemptionCount = preemptionCount
    }
}
