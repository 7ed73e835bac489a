// A file of a repository, as the Hub knows it.

internal import Crypto

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// A file in a served repository: small ones are Git objects, others are in LFS and come from another address.
public struct HubFile: Sendable {
    public enum Content: Sendable {
        case bytes([UInt8])
        case file(String)
    }

    public var path: String
    public var content: Content
    public let size: Int
    public let gitHash: String
    /// Nil for a file that is no LFS file.
    public let sha256: String?

    /// The name of its blob in a cache.
    public var etag: String { sha256 ?? gitHash }

    public init(_ path: String, _ bytes: [UInt8], isLarge: Bool = false) {
        self.path = path
        content = .bytes(bytes)
        size = bytes.count
        gitHash = Self.gitHash(bytes)
        sha256 = isLarge ? Self.digits(SHA256.hash(data: bytes)) : nil
    }

    public init(_ path: String, _ text: String) {
        self.init(path, Array(text.utf8))
    }

    /// A file of this machine; over a mebibyte it is in LFS. Nil if it cannot be read.
    public init?(_ path: String, contentsOf file: String) {
        guard let stream = fopen(file, "re") else { return nil }
        defer { fclose(stream) }
        var hash = SHA256(), small: [UInt8] = [], count = 0
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while case let part = fread(&chunk, 1, chunk.count, stream), part > 0 {
            chunk[..<part].withUnsafeBytes { hash.update(bufferPointer: $0) }
            count += part
            if count <= 1 << 20 { small += chunk[..<part] }
        }
        guard count > 1 << 20 else {
            self.init(path, small)
            return
        }
        let digest = Self.digits(hash.finalize())
        // Of the pointer that Git has in the file's place.
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:\(digest)\nsize \(count)\n"
        self.init(
            path: path, content: .file(file), size: count, gitHash: Self.gitHash(Array(pointer.utf8)), sha256: digest)
    }

    private init(path: String, content: Content, size: Int, gitHash: String, sha256: String?) {
        self.path = path
        self.content = content
        self.size = size
        self.gitHash = gitHash
        self.sha256 = sha256
    }

    private static func gitHash(_ bytes: [UInt8]) -> String {
        digits(Insecure.SHA1.hash(data: Array("blob \(bytes.count)\0".utf8) + bytes))
    }

    private static func digits(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef")
        return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}
