// Reading what the kernel tells in files.

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Small files and folders that the kernel makes up. They are read at every scrape and every second: as bytes, since
/// strings taken apart by characters cost more than all the rest of a scrape.
enum ProcFile {
    private static let maximumBytes = 1 << 20

    static func bytes(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 8_192)
        while bytes.count < maximumBytes {
            let count = read(descriptor, &chunk, chunk.count)
            guard count > 0 else { return count == 0 ? bytes : nil }
            bytes += chunk[..<count]
        }
        return bytes
    }

    /// The number that a file holds; nil if it holds none.
    static func number(_ path: String) -> Double? {
        bytes(path).flatMap { number(firstIn: $0) }
    }

    static func number(firstIn bytes: [UInt8]) -> Double? {
        number(firstWord(of: bytes[...]))
    }

    static func number(_ word: ArraySlice<UInt8>) -> Double? {
        Double(String(decoding: word, as: UTF8.self))
    }

    /// The word after `key` in lines of a key and more.
    private static func word(after key: String, in bytes: [UInt8]) -> ArraySlice<UInt8>? {
        var rest = bytes[...]
        while !rest.isEmpty {
            let line = rest.prefix { $0 != UInt8(ascii: "\n") }
            if line.starts(with: key.utf8) {
                let more = line.dropFirst(key.utf8.count)
                if let first = more.first, isSpace(first) { return firstWord(of: more) }
            }
            rest = rest[line.endIndex...].dropFirst()
        }
        return nil
    }

    /// The number after `key` in lines of a key and a value.
    static func value(of key: String, in bytes: [UInt8]) -> Double? {
        word(after: key, in: bytes).flatMap(number)
    }

    static func value(of key: String, inFile path: String) -> Double? {
        bytes(path).flatMap { value(of: key, in: $0) }
    }

    private static func firstWord(of bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        bytes.drop(while: isSpace).prefix { !isSpace($0) }
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\n")
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
