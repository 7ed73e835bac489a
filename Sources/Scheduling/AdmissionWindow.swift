// The scheduler's delay: when waiting a moment for more arrivals is worth it.

public import Primitives

/// Decides whether arrivals wait for others, so that their prompts are computed in one step rather than in several
/// that each slow the running sequences down. A pure function of what it is told.
public struct AdmissionWindow: Sendable, Equatable {
    /// The queue as one step finds it.
    public struct Queue: Sendable, Equatable {
        public var runningCount: Int
        public var waitingCount: Int
        /// Pending tokens of the waiting sequences.
        public var waitingTokenCount: Int
        /// When the oldest waiting sequence came; nil if it has run before and was preempted.
        public var oldestArrival: Instant?
        /// The two latest arrivals of all.
        public var latestArrival: Instant?
        public var arrivalBefore: Instant?

        public init(
            runningCount: Int, waitingCount: Int, waitingTokenCount: Int, oldestArrival: Instant?,
            latestArrival: Instant?, arrivalBefore: Instant?
        ) {
            self.runningCount = runningCount
            self.waitingCount = waitingCount
            self.waitingTokenCount = waitingTokenCount
            self.oldestArrival = oldestArrival
            self.latestArrival = latestArrival
            self.arrivalBefore = arrivalBefore
        }
    }

    /// 0: admit at once, always.
    public var delay: Duration

    public init(delay: Duration) {
        self.delay = delay
    }

    /// True while arrivals should be gathered, which is never longer than `delay` after the oldest came.
    ///
    /// Not where it could only cost: on an idle engine, for a sequence that was preempted, with as much waiting as a
    /// step or the machine can take, or when arrivals come further apart than the window is long.
    public func holds(_ queue: Queue, now: Instant, maxRunningSequences: Int, maxBatchedTokens: Int) -> Bool {
        guard delay > .zero, queue.runningCount > 0, let oldest = queue.oldestArrival else { return false }
        guard now < oldest.advanced(by: delay) else { return false }
        guard queue.runningCount + queue.waitingCount < maxRunningSequences else { return false }
        guard queue.runningCount + queue.waitingTokenCount < maxBatchedTokens else { return false }
        guard let latest = queue.latestArrival, let before = queue.arrivalBefore else { return false }
        return latest < before.advanced(by: delay)
    }
}
