// One engine, several who watch it.

public import Engine

/// Tells each of several observers, in their order.
public final class EngineObservers: EngineObserver {
    private let observers: [any EngineObserver]

    public init(_ observers: [any EngineObserver]) {
        self.observers = observers
    }

    public func stepEnded(_ step: borrowing StepStatistics) {
        for observer in observers { observer.stepEnded(step) }
    }
}
