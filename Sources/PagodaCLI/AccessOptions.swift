// Options of `pagoda serve` about who comes in.

internal import Access
internal import ArgumentParser
internal import Logging
internal import Server

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

struct AccessOptions: ParsableArguments {
    @Option(
        parsing: .upToNextOption,
        help: """
            Keys of which each request must bring one (also VLLM_API_KEY). They stand in the process list: \
            --api-key-file is the better place.
            """)
    var apiKey: [String] = []

    @Option(help: "YAML file of keys' hashes with names, tenants, scopes, models and expiry; read anew on SIGHUP.")
    var apiKeyFile: String?

    @Option(help: "File with the secret that JSON Web Tokens are signed with (HS256).")
    var jwtSecretFile: String?

    @Option(help: "JSON Web Key Set, a file or an https:// address, of whoever issues tokens.")
    var jwtJwks: String?

    @Option(
        help: "Signatures that are accepted, separated by commas; default RS256,ES256,EdDSA, or HS256 with a secret.")
    var jwtAlgorithms: String?

    @Option(help: "The `iss` that tokens must have.")
    var jwtIssuer: String?

    @Option(help: "The `aud` that tokens must have; needed with --jwt-jwks.")
    var jwtAudience: String?

    @Option(help: "The claim that names a token's tenant.")
    var jwtTenantClaim = "tenant"

    @Option(help: "Seconds that the issuer's clock and this one may be apart.")
    var jwtLeeway = 60.0

    func validate() throws {
        _ = try configuration(metrics: MetricsAccess()) { _ in nil }
    }

    /// - Parameter environment: Gives variables of the environment.
    func configuration(
        metrics: MetricsAccess, environment: (String) -> String?
    ) throws(CommandError) -> AccessConfiguration {
        var configuration = AccessConfiguration()
        configuration.keys = apiKey
        if apiKey.isEmpty, let key = environment("VLLM_API_KEY"), !key.isEmpty { configuration.keys = [key] }
        guard configuration.keys.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (0x21...0x7E).contains($0) } }) else {
            throw .server("--api-key: a key must be visible ASCII without blanks, and not empty.")
        }
        configuration.keyFile = apiKeyFile
        configuration.tokens = try tokens()
        configuration.metrics = metrics
        return configuration
    }

    private func tokens() throws(CommandError) -> TokenConfiguration? {
        guard jwtSecretFile == nil || jwtJwks == nil else {
            throw .server("--jwt-secret-file and --jwt-jwks exclude each other.")
        }
        var tokens: TokenConfiguration
        if let jwtSecretFile {
            tokens = TokenConfiguration(keys: .secretFile(jwtSecretFile), algorithms: try algorithms([.hs256]))
        } else if let jwtJwks {
            let isAddress = jwtJwks.hasPrefix("https://") || jwtJwks.hasPrefix("http://")
            tokens = TokenConfiguration(
                keys: isAddress ? .keySetURL(jwtJwks) : .keySetFile(jwtJwks),
                algorithms: try algorithms([.rs256, .es256, .edDSA]))
        } else {
            guard jwtAlgorithms == nil, jwtIssuer == nil, jwtAudience == nil else {
                throw .server("Tokens need --jwt-jwks or --jwt-secret-file.")
            }
            return nil
        }
        tokens.issuer = jwtIssuer
        tokens.audience = jwtAudience
        tokens.tenantClaim = jwtTenantClaim
        tokens.leewaySeconds = jwtLeeway
        return tokens
    }

    private func algorithms(_ defaults: Set<TokenAlgorithm>) throws(CommandError) -> Set<TokenAlgorithm> {
        guard let jwtAlgorithms else { return defaults }
        var algorithms: Set<TokenAlgorithm> = []
        for name in jwtAlgorithms.split(separator: ",") {
            guard let algorithm = TokenAlgorithm(rawValue: String(name)) else {
                throw .invalidOption(
                    name: "jwt-algorithms", value: String(name),
                    allowed: TokenAlgorithm.allCases.map(\.rawValue).joined(separator: ", "))
            }
            algorithms.insert(algorithm)
        }
        return algorithms
    }
}

struct TLSOptions: ParsableArguments {
    @Option(help: "Certificate of the server and those above it, in PEM form; with it connections are encrypted.")
    var sslCertfile: String?

    @Option(help: "Key of the certificate, in PEM form; by default in the same file.")
    var sslKeyfile: String?

    @Option(help: "Certificates of the authorities that issue clients' certificates.")
    var sslCaCerts: String?

    @Option(help: "Certificates of clients: 0 none, 1 checked if there is one, 2 required.")
    var sslCertReqs = 0

    func validate() throws {
        _ = try files()
    }

    func files() throws(CommandError) -> TLSFiles? {
        guard let requirement = TLSFiles.ClientCertificates(rawValue: sslCertReqs) else {
            throw .invalidOption(name: "ssl-cert-reqs", value: "\(sslCertReqs)", allowed: "0, 1 or 2")
        }
        guard let sslCertfile else {
            guard sslKeyfile == nil, sslCaCerts == nil, requirement == .none else {
                throw .server("--ssl-keyfile, --ssl-ca-certs and --ssl-cert-reqs need --ssl-certfile.")
            }
            return nil
        }
        guard (requirement == .none) == (sslCaCerts == nil) else {
            throw .server("--ssl-cert-reqs 1 or 2 and --ssl-ca-certs go together: who is to be trusted, and how much.")
        }
        var files = TLSFiles(certificateFile: sslCertfile, keyFile: sslKeyfile)
        files.authorityFile = sslCaCerts
        files.clientCertificates = requirement
        return files
    }
}

struct MetricsAccessOptions: ParsableArguments {
    @Option(
        help: """
            Who reads /metrics and the dashboard: same (keys of the API with the scope metrics), own (their own \
            credentials alone) or none (anybody).
            """)
    var metricsAuth = MetricsAccess.Mode.same.rawValue

    @Option(help: "Port of a listener for /metrics and the dashboard alone; by default they share the API's.")
    var metricsPort: Int?

    @Option(help: "Address of that listener; by default the API's.")
    var metricsHost: String?

    @Option(help: "Names and bcrypt hashes for basic auth: a YAML file with basic_auth_users, as Prometheus has it.")
    var metricsPasswordFile: String?

    @Option(help: "File of bearer tokens for /metrics, one a line.")
    var metricsTokenFile: String?

    @Option(parsing: .upToNextOption, help: "Addresses that may ask for /metrics, such as 10.0.0.0/8; by default all.")
    var metricsAllow: [String] = []

    @Option(parsing: .upToNextOption, help: "Tenants beside those of the key file that have series of their own.")
    var metricsTenants: [String] = []

    func validate() throws {
        _ = try access()
        _ = try port()
    }

    func access() throws(CommandError) -> MetricsAccess {
        var access = MetricsAccess()
        guard let mode = MetricsAccess.Mode(rawValue: metricsAuth) else {
            throw .invalidOption(
                name: "metrics-auth", value: metricsAuth,
                allowed: MetricsAccess.Mode.allCases.map(\.rawValue).joined(separator: ", "))
        }
        access.mode = mode
        access.passwordFile = metricsPasswordFile
        access.tokenFile = metricsTokenFile
        for text in metricsAllow {
            guard let range = AddressRange(text) else {
                throw .invalidOption(
                    name: "metrics-allow", value: text, allowed: "an address or a range such as 10.0.0.0/8")
            }
            access.allowedRanges.append(range)
        }
        guard mode != .none || !access.hasOwnCredentials else {
            throw .server("--metrics-auth none leaves nothing for --metrics-password-file or --metrics-token-file.")
        }
        return access
    }

    func port() throws(CommandError) -> Int? {
        guard let metricsPort else {
            guard metricsHost == nil else { throw .server("--metrics-host needs --metrics-port.") }
            return nil
        }
        guard (0...65_535).contains(metricsPort) else {
            throw .invalidOption(name: "metrics-port", value: "\(metricsPort)", allowed: "0 to 65535")
        }
        return metricsPort
    }
}

extension AccessControl {
    /// What an operator should know of who can come in.
    func log(_ settings: AccessConfiguration, _ server: ServerConfiguration, to logger: Logger) {
        let asksForCertificates = server.tls?.clientCertificates == .required
        if !closesAPI, !asksForCertificates, !server.isLocal {
            logger.warning(
                """
                no access control: whoever reaches \(server.host) can use this server; give it --api-key-file, or \
                --host 127.0.0.1
                """)
        }
        if settings.keys.contains(where: { $0.utf8.count < CredentialHash.shortestKey }) {
            logger.warning("an API key is shorter than \(CredentialHash.shortestKey) characters and may be guessed")
        }
        guard closesMetrics else { return }
        let ways =
            settings.metrics.mode == .own
            ? "credentials of their own" : "a key of the API with the scope metrics, or credentials of their own"
        logger.info(
            """
            /metrics and /dashboard ask for \(ways); for a scraper: --metrics-token-file or --metrics-password-file, \
            or --metrics-auth none to open them
            """)
    }
}

extension ServerConfiguration {
    /// Whether only this machine reaches the server.
    fileprivate var isLocal: Bool {
        unixSocketPath != nil || host == "localhost" || host == "::1" || host.hasPrefix("127.")
    }
}

extension ServeCommand {
    static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }
}
