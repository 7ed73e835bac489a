// The terminal: text as it comes, and a line at a time.

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

enum Console {
    /// Writes without a line break, at once.
    static func write(_ text: String) {
        write(text, to: STDOUT_FILENO)
    }

    /// Writes to standard error, where what is no result belongs.
    static func note(_ text: String) {
        write(text, to: STDERR_FILENO)
    }

    private static func write(_ text: String, to file: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }

    /// The next line of input; nil at its end. The prompt is shown to people, not to pipes.
    static func ask(_ prompt: String) -> String? {
        if isatty(STDIN_FILENO) == 1 { write(prompt) }
        return readLine()
    }
}
