// `ORG/NAME`, and the GGUF file meant in it.

/// A repository of the Hub.
public struct RepositoryID: Sendable, Hashable, CustomStringConvertible {
    public let owner: String
    public let name: String

    public var description: String { "\(owner)/\(name)" }
    /// Its folder in the cache.
    var folderName: String { "models--\(owner)--\(name)" }

    /// The Hub's own rules: letters, digits, `_`, `.` and `-`; no `--` and no `..`, which separates in folder names and
    /// climbs in paths; no `.` or `-` at either end.
    init?(owner: Substring, name: Substring) {
        guard Self.isValid(owner), Self.isValid(name) else { return nil }
        self.owner = String(owner)
        self.name = String(name)
    }

    private static func isValid(_ part: Substring) -> Bool {
        guard (1...96).contains(part.utf8.count), let first = part.utf8.first, let last = part.utf8.last else {
            return false
        }
        let edges = [UInt8(ascii: "."), UInt8(ascii: "-")]
        return part.utf8.allSatisfy(isNameByte) && !edges.contains(first) && !edges.contains(last)
            && !part.contains("--") && !part.contains("..") && !part.hasSuffix(".git")
    }

    static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}

/// Which of a repository's GGUF files.
public enum GGUFChoice: Sendable, Equatable, CustomStringConvertible {
    /// By the form of its weights, as its name has it: `Q4_K_M`. Case does not matter.
    case quantization(String)
    /// By its path in the repository.
    case file(String)

    /// Nil for what is neither.
    public init?(_ text: String) {
        if text.lowercased().hasSuffix(".gguf") {
            guard RepositoryFile.isSafe(text) else { return nil }
            self = .file(text)
        } else {
            guard !text.isEmpty, text.utf8.count <= 64, text.utf8.allSatisfy(RepositoryID.isNameByte) else {
                return nil
            }
            self = .quantization(text)
        }
    }

    public var description: String {
        switch self {
        case .quantization(let name): name
        case .file(let path): path
        }
    }
}

/// A model on the Hub as people write it: `ORG/NAME`, `ORG/NAME:Q4_K_M`, `ORG/NAME:file.gguf` or `ORG/NAME/file.gguf`.
public struct HubReference: Sendable, Equatable {
    public let repository: RepositoryID
    public let gguf: GGUFChoice?

    /// Nil for what is no reference, such as a path.
    public init?(_ text: String) {
        let halves = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let parts = halves[0].split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count >= 2, let repository = RepositoryID(owner: parts[0], name: parts[1]) else { return nil }
        self.repository = repository
        if halves.count == 2 {
            guard parts.count == 2, let choice = GGUFChoice(String(halves[1])) else { return nil }
            gguf = choice
        } else if parts.count > 2 {
            guard case .file(let path)? = GGUFChoice(parts[2...].joined(separator: "/")) else { return nil }
            gguf = .file(path)
        } else {
            // Rather a file that is not there.
            guard !parts[1].lowercased().hasSuffix(".gguf") else { return nil }
            gguf = nil
        }
    }

    public init(repository: RepositoryID, gguf: GGUFChoice?) {
        self.repository = repository
        self.gguf = gguf
    }
}

/// A branch, a tag or a commit.
enum Revision {
    /// Becomes a path below `refs`, and a component of a URL.
    static func isSafe(_ text: String) -> Bool {
        RepositoryFile.isSafe(text) && text.utf8.count <= 255
            && text.utf8.allSatisfy { RepositoryID.isNameByte($0) || $0 == UInt8(ascii: "/") }
    }

    /// A whole commit hash, which means the same for ever.
    static func isCommit(_ text: String) -> Bool { BlobIdentity.isHexadecimal(text, digitCount: 40) }
}
