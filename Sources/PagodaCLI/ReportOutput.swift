// What the measuring commands share: progress on standard error, results as text or as JSON, numbers in few digits.

internal import JSON

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

extension Console {
    /// Writes a line to standard error.
    static func report(_ line: String) {
        _ = write([UInt8]((line + "\n").utf8)[...], to: STDERR_FILENO)
    }

    /// Writes all of `bytes`; false if that fails.
    fileprivate static func write(_ bytes: ArraySlice<UInt8>, to file: Int32) -> Bool {
        var left = bytes
        while !left.isEmpty {
            let count = left.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            left = left.dropFirst(count)
        }
        return true
    }
}

/// Where `--json` puts a result: a file, or standard output instead of the text.
struct JSONOutput {
    let path: String?

    /// Whether standard output belongs to the JSON.
    var replacesText: Bool { path == "-" }

    /// Opens the file before the work begins, so that a wrong path is known at once.
    func check() throws(CommandError) {
        guard let path, !replacesText else { return }
        close(try open(path))
    }

    func write(_ value: JSONValue) throws(CommandError) {
        guard let path else { return }
        let bytes = value.serializedBytes(style: .python(indentation: 2)) + [UInt8(ascii: "\n")]
        let file = replacesText ? STDOUT_FILENO : try open(path)
        defer { if !replacesText { close(file) } }
        guard Console.write(bytes[...], to: file) else { throw refusal(path) }
    }

    private func open(_ path: String) throws(CommandError) -> Int32 {
        let file = Glibc.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw refusal(path) }
        return file
    }

    private func refusal(_ path: String) -> CommandError {
        .invalidOption(name: "json", value: path, allowed: "- or a file that can be written")
    }
}

/// A number with so many digits after the point.
func decimal(_ value: Double, places: Int) -> String {
    let factor = (0..<max(0, places)).reduce(1.0) { power, _ in power * 10 }
    guard let scaled = Int64(exactly: (value.magnitude * factor).rounded()) else { return value.description }
    let digits = String(scaled)
    let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
    let sign = value < 0 && scaled > 0 ? "-" : ""
    return sign + padded.dropLast(places) + (places > 0 ? "." + padded.suffix(places) : "")
}
