// What a replay came to.

/// Latencies and sums of a replayed workload. Seconds are simulated ones.
public struct ReplayOutcome: Sendable, Equatable {
    /// From arrival to first token and to the last sample's last token, of each request that its client did not leave.
    public var firstTokenLatencies: [Double] = []
    public var endLatencies: [Double] = []
    /// From a sequence's token to its next.
    public var interTokenLatencies: [Double] = []
    public var generatedTokenCount = 0
    /// Of requests that got a first token, and the part of it found in the prefix cache.
    public var promptTokenCount = 0
    public var cachedPromptTokenCount = 0
    /// Requests that the settings can't hold at all.
    public var refusedCount = 0
    /// From the first arrival to the last end.
    public var makespan = 0.0
    /// Of all replicas: spent on steps.
    public var busySeconds = 0.0
    public var stepCount = 0
    public var preemptionCount = 0
    /// Over all steps, by their time: tokens held for sequences that had not ended, and slots of the blocks in use,
    /// each times seconds; and sequences that had not ended, times seconds.
    public var heldTokenSeconds = 0.0
    public var usedSlotSeconds = 0.0
    public var runningSeconds = 0.0

    public init() {}

    /// Tokens held ÷ slots of the blocks in use, over the time of all steps; 1 if nothing was held.
    public var cacheUtilization: Double { usedSlotSeconds > 0 ? heldTokenSeconds / usedSlotSeconds : 1 }
    /// Sequences that run, over the time of all steps.
    public var meanRunning: Double { busySeconds > 0 ? runningSeconds / busySeconds : 0 }
    public var outputTokensPerSecond: Double { makespan > 0 ? Double(generatedTokenCount) / makespan : 0 }
    public var totalTokensPerSecond: Double {
        makespan > 0 ? Double(promptTokenCount + generatedTokenCount) / makespan : 0
    }

    /// Adds what another replica came to; `makespan` is not its matter.
    mutating func add(_ other: ReplayOutcome) {
        firstTokenLatencies += other.firstTokenLatencies
        endLatencies += other.endLatencies
        interTokenLatencies += other.interTokenLatencies
        generatedTokenCount += other.generatedTokenCount
        promptTokenCount += other.promptTokenCount
        cachedPromptTokenCount += other.cachedPromptTokenCount
        refusedCount += other.refusedCount
        busySeconds += other.busySeconds
        stepCount += other.stepCount
        preemptionCount += other.preemptionCount
        heldTokenSeconds += other.heldTokenSeconds
        usedSlotSeconds += other.usedSlotSeconds
        runningSeconds += other.runningSeconds
    }
}
