// Reading what the kernel tells in files.

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Small files and folders that the kernel makes up.
enum ProcFile {
    private static let maximumBytes = 1 << 20

    static func text(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 8_192)
        while bytes.count < maximumBytes {
            let count = read(descriptor, &chunk, chunk.count)
            guard count > 0 else { return count == 0 ? String(decoding: bytes, as: UTF8.self) : nil }
            bytes += chunk[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The number that a file holds; nil if it holds none.
    static func number(_ path: String) -> Double? {
        text(path)?.split(whereSeparator: \.isWhitespace).first.flatMap { Double($0) }
    }

    /// The number after `key` in lines of a key and a value.
    static func value(of key: String, in text: String) -> Double? {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", omittingEmptySubsequences: true)
            if words.count >= 2, words[0] == key { return Double(words[1]) }
        }
        return nil
    }

    static func value(of key: String, inFile path: String) -> Double? {
        text(path).flatMap { value(of: key, in: $0) }
    }

    static func entryCount(_ path: String) -> Int? {
        guard let folder = opendir(path) else { return nil }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        // Not `.`, `..` and the descriptor that reads the folder.
        return max(0, count - 3)
    }
}
