// JSON Web Tokens (RFC 7519) in their compact signed form, by the rules of RFC 8725.

internal import JSON
internal import Synchronization

/// Checks tokens with the keys of one issuer. What a token says of its own checking, it says to be compared with the
/// configuration: no algorithm, key or address is taken from it.
final class TokenVerifier: Sendable {
    private let configuration: TokenConfiguration
    private let keys: Mutex<[VerificationKey]>
    private let source: KeySetSource?

    private static let longestToken = 8 << 10
    private static let longestKeyID = 256
    private static let shortestSecret = 32
    /// Times beyond it are no times of ours.
    private static let latestTime = 4e11

    init(_ configuration: TokenConfiguration) throws(AccessError) {
        self.configuration = configuration
        try Self.check(configuration)
        switch configuration.keys {
        case .secretFile, .keySetFile: source = nil
        case .keySetURL(let url): source = try KeySetSource(url, configuration)
        }
        keys = Mutex(try Self.readKeys(configuration))
    }

    private static func check(_ configuration: TokenConfiguration) throws(AccessError) {
        let isSecret = if case .secretFile = configuration.keys { true } else { false }
        guard !configuration.algorithms.isEmpty,
            configuration.algorithms.allSatisfy({ $0.isSymmetric == isSecret })
        else {
            throw .contradiction(
                "--jwt-algorithms: HS256, HS384 and HS512 go with --jwt-secret-file, all others with --jwt-jwks.")
        }
        guard isSecret || configuration.audience != nil else {
            throw .contradiction("--jwt-jwks needs --jwt-audience: else tokens for any other service would open this.")
        }
        guard (0...300).contains(configuration.leewaySeconds) else {
            throw .contradiction("--jwt-leeway must be 0 to 300 seconds.")
        }
    }

    private static func readKeys(_ configuration: TokenConfiguration) throws(AccessError) -> [VerificationKey] {
        switch configuration.keys {
        case .keySetURL: return []
        case .secretFile(let path):
            var secret = try SettingsFile.bytes(path)
            while let last = secret.last, last == 10 || last == 13 { secret.removeLast() }
            guard secret.count >= shortestSecret else {
                throw .malformed(file: path, line: 0, problem: "a secret must have at least \(shortestSecret) bytes")
            }
            return [VerificationKey(secret: secret, algorithms: configuration.algorithms)]
        case .keySetFile(let path):
            guard let keys = VerificationKey.keys(ofSet: try SettingsFile.bytes(path)) else {
                throw .malformed(file: path, line: 0, problem: "it is no JSON Web Key Set")
            }
            guard keys.contains(where: { !$0.algorithms.isDisjoint(with: configuration.algorithms) }) else {
                throw .malformed(file: path, line: 0, problem: "it holds no key for the algorithms of --jwt-algorithms")
            }
            return keys
        }
    }

    // MARK: - Keys that change

    /// Reads the keys' file anew; a set at an address is fetched by `run`.
    func reload() throws(AccessError) {
        if let source { return source.refreshSoon() }
        let fresh = try Self.readKeys(configuration)
        keys.withLock { $0 = fresh }
    }

    /// Keeps a set at an address fresh until the task is cancelled.
    func run(report: @escaping @Sendable (String) -> Void) async {
        await source?.run(report: report) { fresh in
            guard fresh.contains(where: { !$0.algorithms.isDisjoint(with: configuration.algorithms) }) else {
                return false
            }
            keys.withLock { $0 = fresh }
            return true
        }
    }

    // MARK: - Tokens

    /// Nil if anything at all is wrong with the token.
    ///
    /// - Parameter now: Unix time.
    func principal(ofToken token: [UInt8], now: Double) -> Principal? {
        guard token.count <= Self.longestToken else { return nil }
        let parts = token.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, parts.allSatisfy({ !$0.isEmpty }),
            let header = Self.object(parts[0]), let algorithm = algorithm(header),
            let signature = Base64.decode(parts[2], alphabet: .url),
            let key = key(header, algorithm),
            key.isValid(signature: signature, of: Array(token[..<parts[1].endIndex]), algorithm),
            let claims = Self.object(parts[1]), isCurrent(claims, now: now), isForUs(claims)
        else { return nil }
        return principal(claims)
    }

    private static func object(_ part: ArraySlice<UInt8>) -> JSONObject? {
        let limits = JSONLimits(depth: 16, valueCount: 1000, sizeBytes: longestToken, rejectsDuplicateKeys: true)
        guard let bytes = Base64.decode(part, alphabet: .url), let json = try? JSONParser.parse(bytes, limits: limits)
        else { return nil }
        return json.objectValue
    }

    /// What the header says it is signed with, if that is one of ours and nothing else in it would have to be heeded.
    private func algorithm(_ header: JSONObject) -> TokenAlgorithm? {
        guard ["crit", "b64", "zip", "enc"].allSatisfy({ header[$0] == nil }) else { return nil }
        if let type = header["typ"] {
            guard let name = type.stringValue?.lowercased(), name == "jwt" || name == "at+jwt" else { return nil }
        }
        guard let algorithm = header["alg"]?.stringValue.flatMap({ TokenAlgorithm(rawValue: $0) }),
            configuration.algorithms.contains(algorithm)
        else { return nil }
        return algorithm
    }

    /// The one key that it can be; of several, only the one whose id the header names.
    private func key(_ header: JSONObject, _ algorithm: TokenAlgorithm) -> VerificationKey? {
        let fitting = keys.withLock { $0 }.filter { $0.algorithms.contains(algorithm) }
        guard let id = header["kid"] else { return fitting.count == 1 ? fitting.first : nil }
        guard let id = id.stringValue, id.utf8.count <= Self.longestKeyID else { return nil }
        // A secret has no id of ours, and there is but one.
        if algorithm.isSymmetric { return fitting.first }
        let named = fitting.filter { $0.id == id }
        if named.isEmpty { source?.refreshSoon() }
        return named.count == 1 ? named.first : nil
    }

    private func isCurrent(_ claims: JSONObject, now: Double) -> Bool {
        let leeway = configuration.leewaySeconds
        guard let expiry = claims["exp"].flatMap({ Self.time($0) }), now < expiry + leeway else { return false }
        for name in ["nbf", "iat"] {
            guard let claim = claims[name] else { continue }
            guard let moment = Self.time(claim), moment <= now + leeway else { return false }
        }
        return true
    }

    private static func time(_ claim: JSONValue) -> Double? {
        guard let seconds = claim.doubleValue, seconds.isFinite, seconds > 0, seconds < latestTime else { return nil }
        return seconds
    }

    private func isForUs(_ claims: JSONObject) -> Bool {
        if let issuer = configuration.issuer, claims["iss"]?.stringValue != issuer { return false }
        guard let audience = claims["aud"] else { return configuration.audience == nil }
        // A token for somebody in particular is for nobody else (RFC 7519, 4.1.3).
        guard let ours = configuration.audience else { return false }
        return audience.stringValue == ours
            || audience.arrayValue?.contains(where: { $0.stringValue == ours }) == true
    }

    private func principal(_ claims: JSONObject) -> Principal? {
        var tenant = Principal.anonymous.tenant
        if let claim = claims[configuration.tenantClaim] {
            guard let name = claim.stringValue, Principal.isValidName(name) else { return nil }
            tenant = name
        }
        var models: Set<String>?
        if let claim = claims["models"] {
            guard let names = claim.arrayValue?.map(\.stringValue) else { return nil }
            models = Set(names.compactMap { $0 })
        }
        let subject = claims["sub"]?.stringValue.flatMap { Principal.isValidName($0) ? $0 : nil }
        return Principal(name: subject ?? "jwt", tenant: tenant, scopes: Self.scopes(claims), models: models)
    }

    /// Those that `scope`, `scp` or `roles` names, bare or after `pagoda:`. An issuer that names none of ours means the
    /// API by the audience alone.
    private static func scopes(_ claims: JSONObject) -> Set<Scope> {
        var scopes: Set<Scope> = []
        for name in ["scope", "scp", "roles"] {
            let claim = claims[name]
            let words =
                claim?.stringValue?.split(separator: " ").map(String.init)
                ?? claim?.arrayValue?.compactMap(\.stringValue) ?? []
            for word in words {
                let bare = word.hasPrefix("pagoda:") ? String(word.dropFirst("pagoda:".count)) : word
                if let scope = Scope(rawValue: bare) { scopes.insert(scope) }
            }
        }
        return scopes.isEmpty ? [.api] : scopes
    }
}
