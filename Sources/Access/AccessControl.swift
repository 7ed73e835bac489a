// The one place that decides who comes in.

internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// What a request shows of itself.
public struct PresentedCredential: Sendable {
    /// The values of all its `Authorization` headers.
    public var authorization: [String]
    /// The other end of the socket; nil on a Unix socket.
    public var peer: PeerAddress?

    public init(authorization: [String], peer: PeerAddress?) {
        self.authorization = authorization
        self.peer = peer
    }
}

public enum AccessDecision: Sendable {
    case granted(Principal)
    case denied(AccessDenial)
    /// A password has to be hashed: `decide(_:)` takes a while.
    case undecided(PasswordAttempt)
}

public enum AccessDenial: Error, Equatable {
    case noCredential(challenges: [String])
    case wrongCredential(challenges: [String])
    /// Whose the credential is, it is not for this.
    case missingScope(Scope)
    /// Two `Authorization` headers.
    case ambiguousCredential
    /// The address is not among those that may ask.
    case foreignAddress
    /// Too many wrong ones from there.
    case tooManyFailures(retrySeconds: Int)
}

/// A name and a password that are still to be checked.
public struct PasswordAttempt: Sendable {
    let attempt: PasswordFile.Attempt
    let peer: PeerAddress?
}

public final class AccessControl: Sendable {
    private struct State {
        /// Of the command line and the file together.
        var keys = KeyRing()
        var metricsTokens = KeyRing()
        var passwords: PasswordFile?
    }

    private let configuration: AccessConfiguration
    fileprivate let tokens: TokenVerifier?
    private let state: Mutex<State>
    private let failures = FailureLimiter()
    /// Unix time.
    private let clock: @Sendable () -> Double

    /// Longer credentials are wrong without being looked at.
    private static let longestCredential = 16 << 10

    /// No credential is asked for.
    public static let open = AccessControl()

    private init() {
        configuration = AccessConfiguration()
        tokens = nil
        state = Mutex(State())
        clock = { 0 }
    }

    /// Reads all files.
    ///
    /// - Parameter clock: Gives Unix time; nil: the system's.
    public init(
        _ configuration: AccessConfiguration, clock: (@Sendable () -> Double)? = nil
    ) throws(AccessError) {
        if configuration.metrics.mode == .own, !configuration.metrics.hasOwnCredentials, configuration.tokens == nil {
            throw .contradiction(
                "--metrics-auth own needs --metrics-password-file, --metrics-token-file or tokens (--jwt-…).")
        }
        self.configuration = configuration
        self.clock = clock ?? { Double(time(nil)) }
        tokens = try configuration.tokens.map { settings throws(AccessError) in try TokenVerifier(settings) }
        state = Mutex(try Self.read(configuration))
    }

    /// Reads the files anew. If one of them can't be used, all stays as it was.
    public func reload() throws(AccessError) {
        let fresh = try Self.read(configuration)
        try tokens?.reload()
        state.withLock { $0 = fresh }
    }

    private static func read(_ configuration: AccessConfiguration) throws(AccessError) -> State {
        var state = State()
        let principal = Principal(name: "api-key", tenant: Principal.anonymous.tenant, scopes: [.api, .metrics])
        state.keys = KeyRing(
            configuration.keys.map { KeyRing.Key(digest: SecretDigest(of: Array($0.utf8)), principal: principal) })
        if let path = configuration.keyFile { state.keys.append(contentsOf: try KeyFile.read(path)) }
        if let path = configuration.metrics.tokenFile { state.metricsTokens = try readTokens(path) }
        state.passwords = try configuration.metrics.passwordFile.map { path throws(AccessError) in
            try PasswordFile(path)
        }
        return state
    }

    /// Each line is a token, or its hash as in a file of keys.
    private static func readTokens(_ path: String) throws(AccessError) -> KeyRing {
        let principal = Principal(name: "metrics-token", tenant: Principal.anonymous.tenant, scopes: [.metrics])
        let keys = try SettingsFile.lines(path).map { line in
            let hashed = line.text.hasPrefix("sha256:") ? SecretDigest(hexadecimal: line.text.dropFirst(7)) : nil
            return KeyRing.Key(digest: hashed ?? SecretDigest(of: Array(line.text.utf8)), principal: principal)
        }
        guard !keys.isEmpty else { throw .malformed(file: path, line: 0, problem: "it holds no token") }
        return KeyRing(keys)
    }

    // MARK: - What is asked for

    public var closesAPI: Bool { configuration.closesAPI }

    public var closesMetrics: Bool {
        switch configuration.metrics.mode {
        case .none: false
        case .same: closesAPI || configuration.metrics.hasOwnCredentials
        case .own: true
        }
    }

    /// Names of tenants that the files know.
    public var tenants: [String] {
        Set(state.withLock { $0.keys.keys.map(\.principal.tenant) }).sorted()
    }

    private func isClosed(_ route: RouteAccess) -> Bool {
        switch route {
        case .open: false
        case .metrics: closesMetrics
        case .api, .admin, .unknown: closesAPI
        }
    }

    /// `WWW-Authenticate`, one value for each way in.
    private func challenges(_ route: RouteAccess, isWrong: Bool) -> [String] {
        var challenges = ["Bearer realm=\"pagoda\"" + (isWrong ? ", error=\"invalid_token\"" : "")]
        if route == .metrics { challenges.append("Basic realm=\"pagoda\", charset=\"UTF-8\"") }
        return challenges
    }

    // MARK: - Decisions

    /// Decides at once, on any thread, but where a password must be hashed.
    public func decide(_ presented: PresentedCredential, for route: RouteAccess) -> AccessDecision {
        let ranges = configuration.metrics.allowedRanges
        if route == .metrics, !ranges.isEmpty, let peer = presented.peer, !ranges.contains(where: { $0.contains(peer) })
        {
            return .denied(.foreignAddress)
        }
        guard isClosed(route) else { return .granted(.anonymous) }
        guard presented.authorization.count <= 1 else { return .denied(.ambiguousCredential) }
        guard let header = presented.authorization.first else {
            return .denied(.noCredential(challenges: challenges(route, isWrong: false)))
        }
        switch Credential(header: header, longest: Self.longestCredential) {
        case .bearer(let secret): return decide(principal(ofBearer: secret, route), for: route, presented.peer)
        case .basic(let attempt) where route == .metrics: return decide(attempt, presented.peer)
        case .basic, nil: return decide(nil, for: route, presented.peer)
        }
    }

    /// Goes on where a password must be hashed.
    public func decide(_ undecided: PasswordAttempt) async -> AccessDecision {
        guard let passwords = state.withLock({ $0.passwords }) else {
            return decide(nil, for: .metrics, undecided.peer)
        }
        switch await passwords.check(undecided.attempt) {
        case .right: return .granted(Self.scraper(undecided.attempt))
        case .wrong: return decide(nil, for: .metrics, undecided.peer)
        case .busy: return .denied(.tooManyFailures(retrySeconds: 1))
        }
    }

    private func decide(_ principal: Principal?, for route: RouteAccess, _ peer: PeerAddress?) -> AccessDecision {
        guard let principal else {
            if let peer, let seconds = failures.failed(peer, now: clock()) {
                return .denied(.tooManyFailures(retrySeconds: seconds))
            }
            return .denied(.wrongCredential(challenges: challenges(route, isWrong: true)))
        }
        if let scope = route.scope, !principal.scopes.contains(scope) { return .denied(.missingScope(scope)) }
        return .granted(principal)
    }

    private func decide(_ attempt: PasswordFile.Attempt, _ peer: PeerAddress?) -> AccessDecision {
        // A browser has no other way to send a key.
        if let principal = principal(ofBearer: attempt.password, .metrics) {
            return decide(principal, for: .metrics, peer)
        }
        guard let passwords = state.withLock({ $0.passwords }) else { return decide(nil, for: .metrics, peer) }
        if passwords.isKnown(attempt) { return .granted(Self.scraper(attempt)) }
        // Hashes are what guesses cost the server, so they stop first.
        if let peer, let seconds = failures.delay(for: peer, now: clock()) {
            return .denied(.tooManyFailures(retrySeconds: seconds))
        }
        return .undecided(PasswordAttempt(attempt: attempt, peer: peer))
    }

    private static func scraper(_ attempt: PasswordFile.Attempt) -> Principal {
        Principal(name: attempt.user, tenant: Principal.anonymous.tenant, scopes: [.metrics])
    }

    private func principal(ofBearer secret: [UInt8], _ route: RouteAccess) -> Principal? {
        let now = clock()
        let (keys, metricsTokens) = state.withLock { ($0.keys, $0.metricsTokens) }
        if route == .metrics, let principal = metricsTokens.principal(ofKey: secret, now: now) { return principal }
        if route != .metrics || configuration.metrics.mode == .same,
            let principal = keys.principal(ofKey: secret, now: now)
        {
            return principal
        }
        return tokens?.principal(ofToken: secret, now: now)
    }
}

extension AccessControl {
    /// Keeps keys that are fetched from elsewhere fresh, until the task is cancelled.
    ///
    /// - Parameter report: Told what went wrong, in a sentence for the log.
    public func run(report: @escaping @Sendable (String) -> Void) async {
        await tokens?.run(report: report)
    }
}
