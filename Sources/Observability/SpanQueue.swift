// Spans that wait to be sent.

import Synchronization

/// Holds ended spans until the exporter takes them; drops and counts those for which it has no room, so that a
/// collector that is slow or gone costs nothing but spans.
public final class SpanQueue: Sendable {
    private struct State {
        var waiting: [SpanRecord] = []
        var droppedCount = 0
        var exportedCount = 0
    }

    private let capacity: Int
    private let state = Mutex(State())

    public init(capacity: Int = 2048) {
        self.capacity = capacity
    }

    /// Lost since the start: no room, or refused by the collector.
    public var droppedCount: Int { state.withLock { $0.droppedCount } }
    /// Accepted by the collector.
    public var exportedCount: Int { state.withLock { $0.exportedCount } }

    func append(_ span: SpanRecord) {
        state.withLock { state in
            if state.waiting.count < capacity { state.waiting.append(span) } else { state.droppedCount += 1 }
        }
    }

    /// Takes the oldest ones, so many at most.
    func take(_ limit: Int) -> [SpanRecord] {
        state.withLock { state in
            let taken = Array(state.waiting.prefix(limit))
            state.waiting.removeFirst(taken.count)
            return taken
        }
    }

    /// Counts what is left as lost.
    func dropAll() {
        state.withLock { state in
            state.droppedCount += state.waiting.count
            state.waiting = []
        }
    }

    func noteSent(accepted: Int, lost: Int) {
        state.withLock { state in
            state.exportedCount += accepted
            state.droppedCount += lost
        }
    }
}
