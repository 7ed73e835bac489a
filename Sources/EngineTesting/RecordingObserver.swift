// Keeps what an engine reports.

public import Engine
import Synchronization

/// Every report of an engine, for tests to add up.
public final class RecordingObserver: EngineObserver {
    private let reports = Mutex<[StepStatistics]>([])

    public init() {}

    public func stepEnded(_ step: borrowing StepStatistics) {
        let copy = copy step
        reports.withLock { $0.append(copy) }
    }

    public var steps: [StepStatistics] { reports.withLock { $0 } }
    public var finished: [SequenceStatistics] { steps.flatMap(\.finished) }
}
