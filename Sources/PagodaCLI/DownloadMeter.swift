// How far a download is: a bar where a person looks on, a line now and then where a log does.

internal import Hub
internal import LoadTesting
internal import Primitives
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Writes about what a downloader reports. Any thread may call it.
final class DownloadMeter: Sendable {
    private struct State {
        var fileCount = 0
        var finishedCount = 0
        var totalBytes = 0
        var bytes = 0
        var start = Instant.now()
        var lastWrite = Instant.now()
        var hasOpenLine = false
    }

    private let name: String
    private let isTerminal: Bool
    private let write: @Sendable (String) -> Void
    private let state = Mutex(State())

    /// - Parameters:
    ///   - name: Of the model.
    ///   - isTerminal: Whether a line can be drawn over.
    ///   - write: Takes text as it is; without a terminal, one line with no end.
    init(_ name: String, isTerminal: Bool, write: @escaping @Sendable (String) -> Void) {
        self.name = name
        self.isTerminal = isTerminal
        self.write = write
    }

    /// On standard error.
    static func console(_ name: String) -> DownloadMeter {
        let isTerminal = isatty(STDERR_FILENO) == 1
        return DownloadMeter(name, isTerminal: isTerminal) { Console.note(isTerminal ? $0 : $0 + "\n") }
    }

    func report(_ event: HubEvent) {
        state.withLock { state in
            switch event {
            case .began(let fileCount, let bytes):
                let now = Instant.now()
                (state.fileCount, state.totalBytes, state.start, state.lastWrite) = (fileCount, bytes, now, now)
                let files = fileCount == 1 ? "1 file" : "\(fileCount) files"
                say("downloading \(name): \(files), \(ByteSize.text(Double(bytes)))", &state)
            case .received(let bytes):
                state.bytes += bytes
                draw(&state, interval: isTerminal ? 0.1 : 5)
            case .finished:
                state.finishedCount += 1
                let isLast = state.finishedCount == state.fileCount
                draw(&state, interval: isLast ? 0 : isTerminal ? 0.1 : 5)
                if isLast { endLine(&state) }
            case .waiting(let file):
                say("waiting for another download of \(file) to end", &state)
            case .retrying(let error, let pause):
                say("\(error) Trying again in \(pause.formattedSeconds) s.", &state)
            case .refused(let files):
                say("not downloaded, as they could run code: \(files.joined(separator: ", "))", &state)
            case .fellBack(let error):
                say("\(error) The cache has \(name) from an earlier time, which is taken.", &state)
            }
        }
    }

    private func draw(_ state: inout State, interval: Double) {
        let now = Instant.now()
        guard now.seconds(since: state.lastWrite) >= interval else { return }
        state.lastWrite = now
        let text = Self.text(
            bytes: state.bytes, total: state.totalBytes, seconds: now.seconds(since: state.start), hasBar: isTerminal)
        write(isTerminal ? "\r\(text)\u{1B}[K" : text)
        state.hasOpenLine = isTerminal
    }

    private func say(_ line: String, _ state: inout State) {
        endLine(&state)
        write(isTerminal ? line + "\n" : line)
    }

    private func endLine(_ state: inout State) {
        if state.hasOpenLine { write("\n") }
        state.hasOpenLine = false
    }

    /// ` 45% |█████████░░░░░░░░░░░| 121.1/269.1 MB, 54.2 MB/s, 00:03 left`, without the bar if it is for a log.
    static func text(bytes: Int, total: Int, seconds: Double, hasBar: Bool) -> String {
        let share = total > 0 ? Double(bytes) / Double(total) : 1
        let rate = seconds > 0 ? Double(bytes) / seconds : 0
        let left = rate > 0 ? ProgressBar.clock(Double(max(0, total - bytes)) / rate) : "?"
        let figures =
            "\(ByteSize.text(Double(bytes))) of \(ByteSize.text(Double(total))), \(ByteSize.text(rate))/s, \(left) left"
        return hasBar ? "\(ProgressBar.text(share: share)) \(figures)" : figures
    }
}

/// Bytes in decimal units, as disks and networks are measured.
enum ByteSize {
    static func text(_ bytes: Double) -> String {
        for (unit, name) in [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")] where bytes >= unit {
            return "\(FixedDecimal.text(bytes / unit, fractionDigits: 1)) \(name)"
        }
        return "\(FixedDecimal.text(bytes, fractionDigits: 0)) B"
    }
}

extension Duration {
    /// With one decimal.
    fileprivate var formattedSeconds: String {
        let (seconds, attoseconds) = components
        return FixedDecimal.text(Double(seconds) + Double(attoseconds) * 1e-18, fractionDigits: 1)
    }
}
