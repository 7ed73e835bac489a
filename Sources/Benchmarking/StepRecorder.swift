// What a benchmark keeps of the engine's reports.

public import Engine
public import Primitives
import Synchronization

/// One step as a benchmark needs it: when it was over, and what it computed.
public struct StepTiming: Sendable, Equatable {
    public var endedAt: Instant
    /// Rows of prompts (recomputed ones too) and of decoding sequences.
    public var prefillTokenCount: Int
    public var decodeTokenCount: Int
    /// Tokens sampled.
    public var generatedTokenCount: Int
    /// Sequences that got their first token.
    public var firstTokenCount: Int
    public var preemptionCount: Int
    /// Sequences computed, and the sums over their rows and contexts that a step's cost depends on.
    public var sequenceCount = 0
    public var logitRowCount = 0
    public var attendedTokenCount = 0
    public var contextTokenCount = 0

    public init(
        endedAt: Instant, prefillTokenCount: Int, decodeTokenCount: Int, generatedTokenCount: Int,
        firstTokenCount: Int = 0, preemptionCount: Int = 0
    ) {
        self.endedAt = endedAt
        self.prefillTokenCount = prefillTokenCount
        self.decodeTokenCount = decodeTokenCount
        self.generatedTokenCount = generatedTokenCount
        self.firstTokenCount = firstTokenCount
        self.preemptionCount = preemptionCount
    }
}

/// Collects the steps of one run and wakes who waits for its end.
///
/// A benchmark waits here rather than on the requests' streams: a reader for every stream would take the cores from the
/// engine that is being measured.
public final class StepRecorder: EngineObserver {
    private struct State {
        var steps: [StepTiming] = []
        var expectedCount = 0
        var finishedCount = 0
        var failedCount = 0
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    public init() {}

    public func stepEnded(_ step: borrowing StepStatistics) {
        var timing = StepTiming(
            endedAt: step.endedAt, prefillTokenCount: step.prefillTokenCount, decodeTokenCount: step.decodeTokenCount,
            generatedTokenCount: step.generatedTokenCount, firstTokenCount: step.firstTokens.count,
            preemptionCount: step.preemptionCount)
        timing.sequenceCount = step.sequenceCount
        timing.logitRowCount = step.logitRowCount
        timing.attendedTokenCount = step.attendedTokenCount
        timing.contextTokenCount = step.contextTokenCount
        let report = timing
        let finishedCount = step.finished.count
        let failedCount = step.finished.count { $0.reason != .length }
        let waiter = state.withLock { state in
            state.steps.append(report)
            state.finishedCount += finishedCount
            state.failedCount += failedCount
            return Self.takeWaiter(&state)
        }
        waiter?.resume()
    }

    /// Sequences of this run that have ended.
    public var finishedCount: Int { state.withLock { $0.finishedCount } }

    /// Forgets the run before and expects so many sequences.
    func begin(expecting count: Int) {
        state.withLock { $0 = State(expectedCount: count) }
    }

    /// The steps of the run, once all its sequences have ended, and how many ended otherwise than by their length.
    func end() async -> (steps: [StepTiming], failedCount: Int) {
        await withCheckedContinuation { continuation in
            let waiter = state.withLock { state in
                state.waiter = continuation
                return Self.takeWaiter(&state)
            }
            waiter?.resume()
        }
        return state.withLock { ($0.steps, $0.failedCount) }
    }

    private static func takeWaiter(_ state: inout State) -> CheckedContinuation<Void, Never>? {
        guard state.finishedCount >= state.expectedCount else { return nil }
        defer { state.waiter = nil }
        return state.waiter
    }
}
