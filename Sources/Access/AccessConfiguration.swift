// What an operator may set about who comes in.

public struct AccessConfiguration: Sendable {
    /// `--api-key`: keys for everything but what changes the server.
    public var keys: [String] = []
    /// `--api-key-file`.
    public var keyFile: String?
    /// `--jwt-…`; nil: no tokens.
    public var tokens: TokenConfiguration?
    public var metrics = MetricsAccess()

    public init() {}

    /// Whether the API asks for a credential.
    public var closesAPI: Bool { !keys.isEmpty || keyFile != nil || tokens != nil }
    /// Whether a file could be read anew.
    public var hasFiles: Bool {
        keyFile != nil || metrics.passwordFile != nil || metrics.tokenFile != nil || tokens != nil
    }
}

/// Who may read `/metrics` and the dashboard.
public struct MetricsAccess: Sendable {
    /// `--metrics-auth`.
    public enum Mode: String, Sendable, CaseIterable {
        /// Anybody.
        case none
        /// Whoever has a key or token of the API with the scope `metrics`, or a credential of their own.
        case same
        /// Credentials of their own, and tokens with the scope `metrics`, alone.
        case own
    }

    public var mode = Mode.same
    /// `--metrics-password-file`: Prometheus's `basic_auth_users`.
    public var passwordFile: String?
    /// `--metrics-token-file`: bearer tokens, one a line.
    public var tokenFile: String?
    /// `--metrics-allow`: addresses that may ask at all; none: all.
    public var allowedRanges: [AddressRange] = []

    public init() {}

    public var hasOwnCredentials: Bool { passwordFile != nil || tokenFile != nil }
}

/// Where tokens come from and what must be in them.
public struct TokenConfiguration: Sendable {
    public enum Keys: Sendable, Equatable {
        /// `--jwt-secret-file`: shared with whoever issues the tokens.
        case secretFile(String)
        /// `--jwt-jwks`: a JSON Web Key Set in a file.
        case keySetFile(String)
        /// The same at an address, fetched again from time to time.
        case keySetURL(String)
    }

    public var keys: Keys
    /// `--jwt-algorithms`: what a token's header says is only compared with them.
    public var algorithms: Set<TokenAlgorithm>
    /// `--jwt-issuer`; nil: any.
    public var issuer: String?
    /// `--jwt-audience`; nil: any.
    public var audience: String?
    /// `--jwt-tenant-claim`.
    public var tenantClaim = "tenant"
    /// `--jwt-leeway`: seconds that clocks may be apart.
    public var leewaySeconds = 60.0
    /// How often a set at an address is fetched anew.
    public var refreshInterval = Duration.seconds(600)
    /// After a failure, and at least between two fetches, however many unknown keys tokens name.
    public var shortestRefreshInterval = Duration.seconds(30)

    public init(keys: Keys, algorithms: Set<TokenAlgorithm>) {
        self.keys = keys
        self.algorithms = algorithms
    }
}

/// Of RFC 7518 and RFC 8037.
public enum TokenAlgorithm: String, Sendable, CaseIterable {
    case hs256 = "HS256"
    case hs384 = "HS384"
    case hs512 = "HS512"
    case rs256 = "RS256"
    case ps256 = "PS256"
    case es256 = "ES256"
    case es384 = "ES384"
    case edDSA = "EdDSA"

    /// Whether it signs with the secret that it is checked with.
    public var isSymmetric: Bool {
        switch self {
        case .hs256, .hs384, .hs512: true
        case .rs256, .ps256, .es256, .es384, .edDSA: false
        }
    }
}
