// The log's way out, which nobody who logs waits for.

import Dispatch
import Logging
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Writes lines to a file descriptor from a queue of its own.
///
/// A pipe that nobody reads, or a full disk, holds up that queue alone: lines wait in a buffer, and those for which it
/// has no room are dropped and counted. When there is room again, a line tells how many are missing.
public final class LogWriter: Sendable {
    private struct State {
        var pending: [UInt8] = []
        var isWriting = false
        var droppedCount = 0
        var unreportedCount = 0
    }

    private let format: LogFormat
    private let descriptor: Int32
    private let capacityBytes: Int
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "pagoda-log", qos: .utility)

    /// - Parameters:
    ///   - descriptor: Stays the caller's; by default standard error.
    ///   - capacityBytes: Of the lines that wait; as many again may be on their way out.
    public init(_ format: LogFormat, descriptor: Int32 = 2, capacityBytes: Int = 1 << 20) {
        self.format = format
        self.descriptor = descriptor
        self.capacityBytes = capacityBytes
    }

    /// Lines lost since the start.
    public var droppedLineCount: Int { state.withLock { $0.droppedCount } }

    func append(_ record: LogRecord) {
        let line = format.line(record)
        let mustBegin = state.withLock { state in
            guard line.count <= capacityBytes - state.pending.count else {
                state.droppedCount += 1
                state.unreportedCount += 1
                return false
            }
            state.pending += line
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if mustBegin { queue.async { self.drain() } }
    }

    /// Waits until all lines are out, but no longer than that; false if some are not. Blocks the caller.
    @discardableResult
    public func flush(within limit: Duration) -> Bool {
        let isDone = DispatchSemaphore(value: 0)
        queue.async { isDone.signal() }
        let seconds = Double(limit.components.seconds) + Double(limit.components.attoseconds) * 1e-18
        return isDone.wait(timeout: .now() + seconds) == .success
    }

    // MARK: - On the queue

    private func drain() {
        while true {
            let (lines, missingCount) = state.withLock { state in
                let lines = state.pending
                let missingCount = state.unreportedCount
                state.pending = []
                state.unreportedCount = 0
                state.isWriting = !lines.isEmpty
                return (lines, missingCount)
            }
            if !lines.isEmpty { send(lines) }
            if missingCount > 0 { send(format.line(Self.gap(missingCount))) }
            if lines.isEmpty { return }
        }
    }

    private static func gap(_ count: Int) -> LogRecord {
        LogRecord(
            time: .now(), level: .warning, logger: "pagoda",
            message: "\(count) log lines are missing here: they came faster than they could be written")
    }

    private func send(_ lines: [UInt8]) {
        var rest = lines[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN || errno == EWOULDBLOCK {
                var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&request, 1, 1000)
            } else if errno != EINTR {
                // Nobody is there any more, or the disk is full: what can't be written is lost.
                let lostCount = rest.count(where: { $0 == UInt8(ascii: "\n") })
                return state.withLock { $0.droppedCount += lostCount }
            }
        }
    }
}
