// Metrics of what the engine reports.

public import Engine
public import Primitives
import Synchronization
import Telemetry

/// Turns an engine's reports into metrics; each report is one update, which a scrape sees as a whole or not at all.
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

    /// What the engine's thread needs; nobody else takes the lock once there are steps.
    private struct State {
        var openRequests: [RequestID: OpenRequest] = [:]
        var costs = CostModel()
    }

    private let registry: MetricRegistry
    /// The engine's thread's own, so that it waits for nobody.
    private let recorder: MetricRecorder
    private let promised: PromisedGauges
    private let vllm: VLLMSeries
    let series: EngineSeries
    private let tenants: TenantSeries
    private let blockSize: Int
    private let state = Mutex(State())
    private let throughput = ThroughputWindow()
    /// Nil until there is an engine.
    private let status = Mutex<StatusSource?>(nil)

    /// A function in a structure of its own: one that stands in a generic container by itself gets wrapped once more
    /// whenever it is looked at in place, and calls through all of these in the end.
    private struct StatusSource: Sendable {
        let ask: @Sendable () -> EngineStatus
    }

    /// - Parameter clock: what a scrape takes for now.
    init(
        _ configuration: MetricsConfiguration, promised: PromisedGauges, tenants: TenantSeries,
        in registry: MetricRegistry, clock: @escaping @Sendable () -> Instant
    ) throws(MetricError) {
        self.registry = registry
        self.promised = promised
        self.tenants = tenants
        vllm = try VLLMSeries(configuration, in: registry)
        series = try EngineSeries(configuration, in: registry)
        blockSize = configuration.blockSize
        recorder = registry.makeRecorder()
        let series = series
        recorder.update { values in
            values.set(series.freeBlocks, to: Double(configuration.blockCount))
            values.set(series.cacheUtilisation, to: 1)
        }
        registry.beforeScrape { [weak self] registry in
            self?.refresh(registry, at: clock())
        }
    }

    /// What changes without a report.
    private func refresh(_ registry: MetricRegistry, at now: Instant) {
        let tokenCount = throughput.lastFullSecond(at: now)
        let source = status.withLock { $0 }
        let status = source?.ask()
        registry.update { values in
            values.set(promised.generationThroughput, to: Double(tokenCount))
            guard let status else { return }
            let age = status.hasWork ? Instant.now().seconds(since: status.heartbeat) : 0
            values.set(series.heartbeatAge, to: age)
            values.raise(series.idleSeconds, to: status.idleSeconds)
        }
    }

    // MARK: - What is known once the model is there

    /// How to tell a step's work from its batch; before the first step.
    public func setCosts(_ costs: CostModel) {
        state.withLock { $0.costs = costs }
    }

    public func setMachineRates(_ rates: MachineRates) {
        registry.update { values in
            values.set(series.machineMultiplyAdds, to: rates.multiplyAddsPerSecond)
            values.set(series.machineReadBytes, to: rates.readBytesPerSecond)
        }
    }

    /// - Parameter status: asked at every scrape; must not block.
    public func watch(_ status: @escaping @Sendable () -> EngineStatus) {
        self.status.withLock { $0 = StatusSource(ask: status) }
    }

    // MARK: - EngineObserver

    public func stepEnded(_ step: borrowing StepStatistics) {
        let step = copy step
        throughput.add(step.generatedTokenCount, at: step.endedAt)
        let (endedRequests, costs) = state.withLock { state in
            (step.finished.compactMap { Self.note($0, in: &state.openRequests) }, state.costs)
        }
        recorder.update { values in
            setGauges(step, &values)
            count(step, &values)
            if step.sequenceCount > 0 { countWork(step, costs, &values) }
            tenants.show(step.tenants, in: &values)
            for sequence in step.finished { count(sequence, &values) }
            for request in endedRequests {
                values.observe(Double(request.sampleCount), in: vllm.requestSampleCount)
                values.observe(Double(request.longest), in: vllm.requestMaxGenerationTokens)
            }
        }
    }

    private func setGauges(_ step: StepStatistics, _ values: inout MetricValues) {
        let usage = step.blockCount > 0 ? Double(step.usedBlockCount) / Double(step.blockCount) : 0
        let slots = Double(step.usedBlockCount) * Double(blockSize)
        values.set(promised.running, to: Double(step.runningCount))
        values.set(vllm.running, to: Double(step.runningCount))
        values.set(promised.waiting, to: Double(step.waitingCount))
        values.set(vllm.waiting, to: Double(step.waitingCount))
        values.set(vllm.waitingForCapacity, to: Double(step.waitingCount))
        values.set(promised.cacheUsageRatio, to: usage)
        values.set(vllm.cacheUsage, to: usage)
        values.set(series.usedBlocks, to: Double(step.usedBlockCount))
        values.set(series.freeBlocks, to: Double(step.blockCount - step.usedBlockCount))
        values.set(series.cacheUtilisation, to: slots > 0 ? Double(step.cachedTokenCount) / slots : 1)
        let largestChunk = max(values.value(of: series.largestPrefillChunk), Double(step.largestPrefillChunk))
        values.set(series.largestPrefillChunk, to: largestChunk)
    }

    private func count(_ step: StepStatistics, _ values: inout MetricValues) {
        let computedCount = step.promptTokenCount - step.cachedPromptTokenCount
        values.increment(series.received, by: Double(step.arrivedCount))
        values.increment(vllm.promptTokens, by: Double(step.promptTokenCount))
        values.increment(vllm.computedPromptTokens, by: Double(computedCount))
        for counter in vllm.cachedPromptTokens {
            values.increment(counter, by: Double(step.cachedPromptTokenCount))
        }
        values.increment(vllm.prefixQueries, by: Double(step.prefixQueryTokenCount))
        values.increment(vllm.prefixHits, by: Double(step.prefixHitTokenCount))
        values.increment(vllm.cachedTokensFromDevice, by: Double(step.prefixHitTokenCount))
        values.increment(vllm.generationTokens, by: Double(step.generatedTokenCount))
        values.increment(vllm.preemptions, by: Double(step.preemptionCount))
        // A prompt's tokens count in the step of its first output token, however many chunks it took.
        if step.generatedTokenCount > 0 {
            values.observe(Double(computedCount + step.generatedTokenCount), in: vllm.iterationTokens)
        }
        for token in step.firstTokens {
            values.observe(token.seconds, in: vllm.timeToFirstToken, trace: ExemplarTrace(token.trace))
            tenants.count(token, in: &values)
        }
        for seconds in step.interTokenLatencies { values.observe(seconds, in: vllm.interTokenLatency) }
        series.firstTokenParts.add(step.firstTokenParts, to: &values)
        series.add(step, to: &values)
    }

    private func countWork(_ step: StepStatistics, _ costs: CostModel, _ values: inout MetricValues) {
        values.increment(series.steps)
        values.observe(step.endedAt.seconds(since: step.startedAt), in: series.stepSeconds)
        values.observe(Double(step.sequenceCount), in: series.stepSequences)
        values.increment(series.prefillTokens, by: Double(step.prefillTokenCount))
        values.increment(series.decodeTokens, by: Double(step.decodeTokenCount))
        let multiplyAdds = costs.multiplyAdds(of: step), readBytes = costs.readBytes(of: step)
        values.increment(series.multiplyAdds, by: multiplyAdds)
        values.increment(series.memoryReadBytes, by: readBytes)
        values.increment(vllm.floatingPointOperations, by: 2 * multiplyAdds)
        values.increment(vllm.readBytes, by: readBytes)
        values.increment(vllm.writtenBytes, by: costs.writtenBytes(of: step))
    }

    // MARK: - Ended sequences

    private static func isNatural(_ reason: FinishReason?) -> Bool {
        switch reason {
        case .stop, .length: true
        case .abort, .error, nil: false
        }
    }

    private func count(_ sequence: SequenceStatistics, _ values: inout MetricValues) {
        if let reason = sequence.reason {
            for counter in [vllm.finished(reason), series.finished(reason)] {
                if let counter { values.increment(counter) }
            }
        }
        if let counter = sequence.expiry.flatMap({ series.expired($0) }) { values.increment(counter) }
        series.requestParts.add(sequence.parts, to: &values)
        values.increment(series.requestWhole, by: Double(sequence.parts.total) * 1e-9)
        tenants.count(
            promptTokens: sequence.promptTokenCount, generatedTokens: sequence.generatedTokenCount,
            of: sequence.origin.tenant, in: &values)
        if Self.isNatural(sequence.reason) { observe(sequence, &values) }
    }

    private func observe(_ sequence: SequenceStatistics, _ values: inout MetricValues) {
        let computedCount = sequence.promptTokenCount - sequence.cachedPromptTokenCount
        values.observe(Double(computedCount), in: vllm.requestComputedTokens)
        values.observe(Double(sequence.promptTokenCount), in: vllm.requestPromptTokens)
        values.observe(Double(sequence.generatedTokenCount), in: vllm.requestGenerationTokens)
        values.observe(Double(sequence.maximumTokens), in: vllm.requestMaximumTokens)
        values.observe(Double(sequence.preemptionCount), in: vllm.requestPreemptions)
        values.observe(
            sequence.finished.seconds(since: sequence.arrival), in: vllm.endToEndLatency,
            trace: ExemplarTrace(sequence.origin.trace))
        guard let scheduled = sequence.scheduled, let first = sequence.firstToken, let last = sequence.lastToken else {
            return
        }
        let decodeTime = last.seconds(since: first)
        values.observe(scheduled.seconds(since: sequence.queued), in: vllm.queueTime)
        values.observe(first.seconds(since: scheduled), in: vllm.prefillTime)
        values.observe(decodeTime, in: vllm.decodeTime)
        values.observe(last.seconds(since: scheduled), in: vllm.inferenceTime)
        // vLLM observes the 0 of single tokens as well.
        let laterCount = sequence.generatedTokenCount - 1
        values.observe(laterCount > 0 ? decodeTime / Double(laterCount) : 0, in: vllm.timePerOutputToken)
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
            var snapshot = EngineSnapshot()
            snapshot.runningCount = Int(values.value(of: vllm.running))
            snapshot.waitingCount = Int(values.value(of: vllm.waiting))
            snapshot.cacheUsage = values.value(of: vllm.cacheUsage)
            snapshot.computedPromptTokenCount = values.value(of: vllm.computedPromptTokens)
            snapshot.generatedTokenCount = values.value(of: vllm.generationTokens)
            snapshot.preemptionCount = values.value(of: vllm.preemptions)
            snapshot.prefixQueryTokenCount = values.value(of: vllm.prefixQueries)
            snapshot.prefixHitTokenCount = values.value(of: vllm.prefixHits)
            return snapshot
        }
    }
}

/// The engine's queues, its cache and its totals since the start, at one moment.
public struct EngineSnapshot: Sendable, Equatable {
    public var runningCount = 0
    public var waitingCount = 0
    /// Used share of the KV cache, 0 to 1.
    public var cacheUsage = 0.0
    /// Prompt tokens that were not in the cache.
    public var computedPromptTokenCount = 0.0
    public var generatedTokenCount = 0.0
    public var preemptionCount = 0.0
    public var prefixQueryTokenCount = 0.0
    public var prefixHitTokenCount = 0.0

    public init() {}
}

extension ExemplarTrace {
    init?(_ trace: TraceID?) {
        guard let trace else { return nil }
        self.init(high: trace.high, low: trace.low)
    }
}
