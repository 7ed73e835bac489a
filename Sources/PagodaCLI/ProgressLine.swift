// A benchmark's progress on standard error.

internal import Primitives

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// How far a benchmark is: one line drawn over and over on a terminal, a line now and then in a log.
struct ProgressLine {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var lastWrite: Instant?

    /// - Parameter isLast: Written even if the line before is recent, and not drawn over.
    mutating func show(_ text: String, isLast: Bool = false) {
        let now = Instant.now()
        let pause = isTerminal ? 0.1 : 5
        if !isLast, let lastWrite, now.seconds(since: lastWrite) < pause { return }
        lastWrite = now
        let end = isTerminal && !isLast ? "\u{1B}[K\r" : "\(isTerminal ? "\u{1B}[K" : "")\n"
        Console.note(text + end)
    }
}
