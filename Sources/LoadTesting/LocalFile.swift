// Reading datasets and writing results.

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

public enum LocalFile {
    /// Larger files are no lists of prompts.
    private static let longestTextBytes = 1 << 30

    /// - Parameter option: Which option named the file.
    public static func text(atPath path: String, option: String) throws(LoadTestError) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw refusal(path, option, "a file that can be read") }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count <= longestTextBytes {
            let count = read(file, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw refusal(path, option, "a file that can be read") }
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        guard bytes.count <= longestTextBytes, let text = String(validating: bytes, as: UTF8.self) else {
            throw refusal(path, option, "a file of UTF-8, of at most a gibibyte")
        }
        return text
    }

    /// Makes a folder and those above it; one that is there already is well.
    public static func makeFolder(_ path: String, option: String) throws(LoadTestError) {
        var prefix = path.hasPrefix("/") ? "/" : ""
        for component in path.split(separator: "/") {
            prefix += component + "/"
            guard mkdir(prefix, 0o755) == 0 || errno == EEXIST else {
                throw refusal(path, option, "a folder that can be made")
            }
        }
    }

    /// Writes a result, instead of what is there or, after a line's end, behind it.
    ///
    /// - Parameter option: Which option named the file.
    public static func write(
        _ bytes: [UInt8], toPath path: String, appends: Bool = false, option: String = "result-filename"
    ) throws(LoadTestError) {
        let mode = appends ? O_APPEND : O_TRUNC
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | mode, 0o644)
        guard file >= 0 else { throw refusal(path, option, "a file that can be written") }
        defer { close(file) }
        let separator = appends && lseek(file, 0, SEEK_END) > 0 ? [UInt8(ascii: "\n")] : []
        var left = (separator + bytes)[...]
        while !left.isEmpty {
            let count = left.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw refusal(path, option, "a file that can be written") }
            left = left.dropFirst(count)
        }
    }

    private static func refusal(_ path: String, _ option: String, _ allowed: String) -> LoadTestError {
        .invalidOption(name: option, value: path, allowed: allowed)
    }
}
