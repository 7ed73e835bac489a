// Names and passwords for /metrics, in the form of Prometheus's own web configuration.

internal import CPlatform
internal import Dispatch
internal import Synchronization

/// `basic_auth_users`, a mapping from names to bcrypt hashes; the rest of such a file is for others.
final class PasswordFile: Sendable {
    /// A name and a password as a client sent them.
    public struct Attempt: Sendable {
        let user: String
        let password: [UInt8]
    }

    private struct Work {
        /// Digests of what was right, so that a scraper costs a hash but once.
        var known: Set<SecretDigest> = []
        var waiting = 0
    }

    private let hashes: [String: String]
    private let work = Mutex(Work())
    /// One at a time: a hash takes tens of milliseconds of a core.
    private let queue = DispatchQueue(label: "pagoda-passwords", qos: .utility)

    private static let knownLimit = 1024
    private static let waitingLimit = 16
    /// What bcrypt looks at; a longer password would be cut.
    static let longestPassword = 72

    init(_ path: String) throws(AccessError) {
        var hashes: [String: String] = [:]
        for (name, value) in try SettingsFile.yaml(path).members("the file") where name == "basic_auth_users" {
            for (user, entry) in try value.members("`basic_auth_users`") {
                let hash = try entry.string("a hash")
                guard Self.isHash(hash) else {
                    throw entry.problem("the hash of a password must be bcrypt's, as `pagoda hash-password` writes it")
                }
                guard Principal.isValidName(user) else {
                    throw entry.problem("a name is 1 to 64 letters, digits, `.`, `_`, `-`, `@` or `:`")
                }
                hashes[user] = hash
            }
        }
        guard !hashes.isEmpty else { throw .malformed(file: path, line: 0, problem: "`basic_auth_users` is missing") }
        self.hashes = hashes
    }

    /// `$2b$10$` and 53 letters of bcrypt's alphabet; a cost that takes no more than some seconds.
    private static func isHash(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard bytes.count == 60, ["$2a$", "$2b$", "$2y$"].contains(text.prefix(4)), bytes[6] == UInt8(ascii: "$"),
            let cost = Int(text.dropFirst(4).prefix(2)), (4...15).contains(cost)
        else { return false }
        return text.dropFirst(7).allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "/") }
    }

    enum Verdict {
        case right, wrong
        /// Too many wait to be checked.
        case busy
    }

    /// Whether the attempt was found right before.
    func isKnown(_ attempt: Attempt) -> Bool {
        guard let hash = hashes[attempt.user] else { return false }
        let digest = Self.digest(attempt, hash: hash)
        return work.withLock { $0.known.contains(digest) }
    }

    /// Takes as long for a name that nobody has.
    func check(_ attempt: Attempt) async -> Verdict {
        guard attempt.password.count <= Self.longestPassword, !attempt.password.contains(0) else { return .wrong }
        guard let hash = hashes[attempt.user] ?? hashes.values.first else { return .wrong }
        let isWelcome = work.withLock { work in
            guard work.waiting < Self.waitingLimit else { return false }
            work.waiting += 1
            return true
        }
        guard isWelcome else { return .busy }
        let password = String(decoding: attempt.password, as: UTF8.self)
        let isRight = await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: pg_password_matches(password, hash) == 1) }
        }
        let digest = Self.digest(attempt, hash: hash)
        let isKnownUser = hashes[attempt.user] != nil
        return work.withLock { work in
            work.waiting -= 1
            guard isRight, isKnownUser else { return .wrong }
            if work.known.count >= Self.knownLimit { work.known.removeAll() }
            work.known.insert(digest)
            return .right
        }
    }

    /// With lengths before the parts, so that no two attempts are written the same.
    private static func digest(_ attempt: Attempt, hash: String) -> SecretDigest {
        var bytes: [UInt8] = []
        for part in [Array(attempt.user.utf8), attempt.password, Array(hash.utf8)] {
            bytes += Array("\(part.count):".utf8) + part
        }
        return SecretDigest(of: bytes)
    }
}
