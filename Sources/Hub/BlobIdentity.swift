// What a file's content is called, which is its hash.

internal import Crypto
internal import NIOCore

/// The hash by which the Hub, and the cache, name a file's content.
enum BlobIdentity: Sendable, Hashable {
    /// Of files in Git LFS or Xet: SHA-256 of the content.
    case sha256(String)
    /// Of small files: Git's object id, SHA-1 of `blob LENGTH\0` and the content.
    case gitBlob(String)

    /// From an `ETag`, quoted or not, weak or not; nil if it is neither hash.
    init?(etag: String) {
        var text = etag[...]
        if text.hasPrefix("W/") { text = text.dropFirst(2) }
        if text.count >= 2, text.hasPrefix("\""), text.hasSuffix("\"") { text = text.dropFirst().dropLast() }
        let name = String(text)
        if Self.isHexadecimal(name, digitCount: 64) {
            self = .sha256(name)
        } else if Self.isHexadecimal(name, digitCount: 40) {
            self = .gitBlob(name)
        } else {
            return nil
        }
    }

    /// Its file's name among the blobs.
    var name: String {
        switch self {
        case .sha256(let name), .gitBlob(let name): name
        }
    }

    /// In lower case, as it will be a file's name.
    static func isHexadecimal(_ text: String, digitCount: Int) -> Bool {
        text.utf8.count == digitCount
            && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}

/// Takes a file's bytes as they come, and says in the end what they are called.
struct BlobHasher {
    private enum State {
        case sha256(SHA256)
        case sha1(Insecure.SHA1)
    }

    private var state: State

    /// - Parameter size: Of the whole file, in bytes.
    init(_ identity: BlobIdentity, size: Int) {
        switch identity {
        case .sha256:
            state = .sha256(SHA256())
        case .gitBlob:
            var hash = Insecure.SHA1()
            Array("blob \(size)\0".utf8).withUnsafeBytes { hash.update(bufferPointer: $0) }
            state = .sha1(hash)
        }
    }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        switch state {
        case .sha256(var hash):
            hash.update(bufferPointer: bytes)
            state = .sha256(hash)
        case .sha1(var hash):
            hash.update(bufferPointer: bytes)
            state = .sha1(hash)
        }
    }

    /// In lower-case hexadecimal digits.
    func digest() -> String {
        switch state {
        case .sha256(let hash): Self.hexadecimal(hash.finalize())
        case .sha1(let hash): Self.hexadecimal(hash.finalize())
        }
    }

    private static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef")
        return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}
