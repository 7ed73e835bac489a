// The line that says every ten seconds how the engine does.

public import Logging
public import Primitives

/// Composes vLLM's statistics line from snapshots of an engine's metrics.
public struct StatisticsLine: Sendable {
    private var last: EngineSnapshot
    private var lastMoment: Instant
    private var wasBusy = false
    /// Of the last interval in which anything was looked up; nil as long as nothing ever was.
    private var hitRate: Double?

    public init(from snapshot: EngineSnapshot, at moment: Instant) {
        last = snapshot
        lastMoment = moment
    }

    /// The line for the time since the one before; nil if nothing was computed in this interval nor in the last one.
    public mutating func next(_ snapshot: EngineSnapshot, at moment: Instant) -> String? {
        let seconds = moment.seconds(since: lastMoment)
        let promptCount = snapshot.computedPromptTokenCount - last.computedPromptTokenCount
        let generatedCount = snapshot.generatedTokenCount - last.generatedTokenCount
        let preemptionCount = snapshot.preemptionCount - last.preemptionCount
        let isBusy = promptCount > 0 || generatedCount > 0
        let queryCount = snapshot.prefixQueryTokenCount - last.prefixQueryTokenCount
        if queryCount > 0 { hitRate = (snapshot.prefixHitTokenCount - last.prefixHitTokenCount) / queryCount }
        defer {
            last = snapshot
            lastMoment = moment
            wasBusy = isBusy
        }
        guard isBusy || wasBusy, seconds > 0 else { return nil }
        var parts = [
            "Avg prompt throughput: \(Self.tenths(promptCount / seconds)) tokens/s",
            "Avg generation throughput: \(Self.tenths(generatedCount / seconds)) tokens/s",
            "Running: \(snapshot.runningCount) reqs",
            "Waiting: \(snapshot.waitingCount) reqs",
        ]
        if preemptionCount > 0 { parts.append("Preemptions: \(Int(preemptionCount))") }
        parts.append("CPU KV cache usage: \(Self.tenths(snapshot.cacheUsage * 100))%")
        if let hitRate { parts.append("Prefix cache hit rate: \(Self.tenths(hitRate * 100))%") }
        return "Engine 000: " + parts.joined(separator: ", ")
    }

    private static func tenths(_ value: Double) -> String {
        "\((value * 10).rounded(.toNearestOrEven) / 10)"
    }
}

extension EngineMetrics {
    /// Logs the statistics line, if there is one to log; to be called every ten seconds.
    public func log(_ line: inout StatisticsLine, to logger: Logger, at moment: Instant = .now()) {
        guard let text = line.next(snapshot(), at: moment) else { return }
        logger.info("\(text)")
    }
}
