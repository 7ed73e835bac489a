// How far a run is: a bar where a person looks on, a line now and then where a log does.

internal import Primitives
internal import Synchronization

/// Counts finished requests and writes about them. Any thread may call it.
public final class ProgressMeter: Sendable {
    private struct State {
        var finishedCount = 0
        var failedCount = 0
        var lastWrite: Instant
    }

    private let total: Int
    private let isTerminal: Bool
    private let start: Instant
    private let write: @Sendable (String) -> Void
    private let state: Mutex<State>

    /// - Parameters:
    ///   - isTerminal: Whether the line can be drawn over.
    ///   - write: Takes text as it is, without adding a line's end.
    public init(total: Int, isTerminal: Bool, write: @escaping @Sendable (String) -> Void) {
        let now = Instant.now()
        self.total = total
        self.isTerminal = isTerminal
        self.write = write
        start = now
        state = Mutex(State(lastWrite: now))
    }

    public func finish(_ record: RequestRecord) {
        state.withLock { state in
            state.finishedCount += 1
            if !record.hasSucceeded { state.failedCount += 1 }
            update(&state, interval: isTerminal ? 0.1 : 5)
        }
    }

    /// Writes as time goes by until the task is cancelled.
    public func watch() async {
        while (try? await Task.sleep(for: .seconds(1))) != nil {
            state.withLock { update(&$0, interval: isTerminal ? 0.9 : 5) }
        }
    }

    /// Writes the last state, and ends the line.
    public func close() {
        state.withLock { state in
            update(&state, interval: 0)
            if isTerminal { write("\n") }
        }
    }

    private func update(_ state: inout State, interval: Double) {
        let now = Instant.now()
        guard now.seconds(since: state.lastWrite) >= interval else { return }
        state.lastWrite = now
        let elapsed = now.seconds(since: start)
        let text = Self.text(
            finished: state.finishedCount, failed: state.failedCount, total: total, seconds: elapsed, hasBar: isTerminal
        )
        write(isTerminal ? "\r\(text)\u{1B}[K" : "\(text)\n")
    }

    /// ` 45% |█████████░░░░░░░░░░░| 45/100 [00:12<00:15, 3.60 req/s, 2 failed]`, without the bar if it is for a log.
    static func text(finished: Int, failed: Int, total: Int, seconds: Double, hasBar: Bool) -> String {
        let share = total > 0 ? Double(finished) / Double(total) : 1
        let rate = seconds > 0 ? Double(finished) / seconds : 0
        let left = rate > 0 ? ProgressBar.clock(Double(total - finished) / rate) : "?"
        let failures = failed > 0 ? ", \(failed) failed" : ""
        let figures =
            "\(finished)/\(total) [\(ProgressBar.clock(seconds))<\(left), "
            + "\(FixedDecimal.text(rate, fractionDigits: 2)) req/s\(failures)]"
        return hasBar ? "\(ProgressBar.text(share: share)) \(figures)" : figures
    }
}
