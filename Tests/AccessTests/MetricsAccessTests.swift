import Access
import AccessTesting
import Testing

@Suite("Access to metrics")
struct MetricsAccessTests {
    private let files: TemporaryFiles

    init() throws {
        files = try TemporaryFiles()
    }

    private func access(_ configure: (inout AccessConfiguration) throws -> Void) throws -> AccessControl {
        var configuration = AccessConfiguration()
        try configure(&configuration)
        return try AccessControl(configuration)
    }

    private func basic(_ user: String, _ password: String) -> String {
        // Standard base64: the alphabets differ in two digits, which these don't have.
        let text = TokenIssuer.encoded(Array("\(user):\(password)".utf8))
        return "Basic " + text + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
    }

    private func decided(
        _ access: AccessControl, _ header: String, from address: String = "192.0.2.1"
    ) async -> String {
        let presented = PresentedCredential(authorization: [header], peer: PeerAddress(address))
        guard case .undecided(let attempt) = access.decide(presented, for: .metrics) else {
            return outcome(access, header, for: .metrics, from: address)
        }
        return switch await access.decide(attempt) {
        case .granted(let principal): principal.name
        case .denied: "wrong"
        case .undecided: "undecided"
        }
    }

    @Test("the mode says whose credentials open metrics")
    func modes() throws {
        let token = try files.write("# of the scraper\nmetrics-token-of-the-test\n", to: "tokens")
        let same = try access {
            $0.keys = ["api-key-of-the-test"]
            $0.metrics.tokenFile = token
        }
        #expect(same.closesMetrics)
        #expect(outcome(same, "Bearer api-key-of-the-test", for: .metrics) == "api-key")
        #expect(outcome(same, "Bearer metrics-token-of-the-test", for: .metrics) == "metrics-token")
        #expect(outcome(same, "Bearer metrics-token-of-the-test", for: .api) == "wrong")
        let own = try access {
            $0.keys = ["api-key-of-the-test"]
            $0.metrics.mode = .own
            $0.metrics.tokenFile = token
        }
        #expect(outcome(own, "Bearer api-key-of-the-test", for: .metrics) == "wrong")
        #expect(outcome(own, "Bearer metrics-token-of-the-test", for: .metrics) == "metrics-token")
        let none = try access {
            $0.keys = ["api-key-of-the-test"]
            $0.metrics.mode = .none
        }
        #expect(!none.closesMetrics)
        #expect(outcome(none, nil, for: .metrics) == "anonymous")
        #expect(outcome(none, nil, for: .api) == "missing")
        #expect(throws: AccessError.self) { try access { $0.metrics.mode = .own } }
        #expect(throws: AccessError.self) { try access { $0.metrics.tokenFile = try files.write("\n", to: "empty") } }
    }

    @Test("passwords are checked against bcrypt hashes of any of its names, other programs' too")
    func passwords() async throws {
        let ours = try #require(CredentialHash.password("pass:word", cost: 4))
        let access = try access {
            $0.metrics.passwordFile = try files.write(
                """
                tls_server_config: {cert_file: server.crt}
                basic_auth_users:
                  alice: $2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi
                  bob: \(ours)
                """, to: "web.yml")
        }
        #expect(await decided(access, basic("bob", "pass:word")) == "bob")
        #expect(await decided(access, basic("bob", "password")) == "wrong")
        #expect(await decided(access, basic("alice", "pass:word")) == "wrong")
        #expect(await decided(access, basic("carol", "pass:word")) == "wrong")
        #expect(await decided(access, basic("bob", "")) == "wrong")
        #expect(await decided(access, basic("bob", String(repeating: "x", count: 73))) == "wrong")
        #expect(outcome(access, nil, for: .metrics) == "missing")
        // Known by now, and decided at once.
        #expect(outcome(access, basic("bob", "pass:word"), for: .metrics) == "bob")
        // Names and passwords are for metrics alone.
        #expect(outcome(access, basic("bob", "pass:word"), for: .api) == "anonymous")
    }

    @Test("a hash of crypt(3) verifies what Python's crypt made of the same words")
    func foreignHash() async throws {
        // python3 -c "import crypt; print(crypt.crypt('x', '$2b$04$abcdefghijklmnopqrstuu'))"
        let access = try access {
            $0.metrics.passwordFile = try files.write(
                "basic_auth_users: {a: $2b$04$abcdefghijklmnopqrstuuPp7HPfoAs8I2dCQCQ/fW7zEJv8I8C8e}", to: "web.yml")
        }
        #expect(await decided(access, basic("a", "x")) == "a")
        #expect(await decided(access, basic("a", "y")) == "wrong")
    }

    @Test(
        "a file of passwords with anything but bcrypt hashes is refused without repeating them",
        arguments: [
            "basic_auth_users: {a: canary-password}", "basic_auth_users: {a: $1$abc$canary}", "users: {}",
            "basic_auth_users: {a: $2b$31$abcdefghijklmnopqrstuuPp7HPfoAs8I2dCQCQ/fW7zEJv8I8C8e}",
        ])
    func brokenFiles(text: String) throws {
        let error = try #require(throws: AccessError.self) {
            try access { $0.metrics.passwordFile = try files.write(text, to: "web.yml") }
        }
        #expect(!error.description.contains("canary"))
    }

    @Test("a key of the API may come as the password of any name, as from a browser")
    func keyAsPassword() throws {
        let access = try access { $0.keys = ["api-key-of-the-test"] }
        #expect(outcome(access, basic("me", "api-key-of-the-test"), for: .metrics) == "api-key")
        #expect(outcome(access, basic("me", "other-key-of-the-test"), for: .metrics) == "wrong")
        #expect(outcome(access, basic("me", "api-key-of-the-test"), for: .api) == "wrong")
    }

    @Test(
        "only addresses of the list may ask, whatever they show",
        arguments: [
            ("10.1.2.3", true), ("11.0.0.1", false), ("192.0.2.7", true), ("192.0.2.8", false),
            ("2001:db8:1::5", true), ("2001:db9::5", false), ("::ffff:10.1.2.3", true), ("::1", false),
        ])
    func addresses(address: String, isAllowed: Bool) throws {
        let access = try access {
            $0.keys = ["api-key-of-the-test"]
            $0.metrics.allowedRanges = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"].compactMap { AddressRange($0) }
        }
        let expected = isAllowed ? "api-key" : "foreign"
        #expect(outcome(access, "Bearer api-key-of-the-test", for: .metrics, from: address) == expected)
        #expect(outcome(access, "Bearer api-key-of-the-test", for: .api, from: address) == "api-key")
    }

    @Test(
        "what is no range of addresses is refused",
        arguments: ["", "10.0.0.0/33", "10.0.0/8", "a", "::/129", "10.0.0.1/-1", "10.0.0.1/", "fe80::1%eth0"])
    func noRanges(text: String) {
        #expect(AddressRange(text) == nil)
    }

    @Test("guessing is slowed for the guesser's neighbourhood; right keys go through from anywhere")
    func bruteForce() async throws {
        let clock = TestClock()
        var configuration = AccessConfiguration()
        configuration.keys = ["api-key-of-the-test"]
        configuration.metrics.passwordFile = try files.write(
            "basic_auth_users: {bob: '\(try #require(CredentialHash.password("password", cost: 4)))'}", to: "web.yml")
        let access = try AccessControl(configuration) { clock.now }
        for index in 0..<20 { #expect(outcome(access, "Bearer guess-\(index)") == "wrong") }
        for index in 0..<1000 { #expect(outcome(access, "Bearer guess-\(index)") == "slowed") }
        #expect(outcome(access, "Bearer guess", from: "192.0.2.200") == "slowed")
        #expect(outcome(access, "Bearer guess", from: "192.0.3.1") == "wrong")
        #expect(outcome(access, "Bearer api-key-of-the-test") == "api-key")
        // No hash is computed for a neighbourhood that guesses.
        #expect(outcome(access, basic("bob", "password"), for: .metrics) == "slowed")
        #expect(await decided(access, basic("bob", "password"), from: "198.51.100.1") == "bob")
        #expect(outcome(access, basic("bob", "password"), for: .metrics) == "bob")
        clock.now += 3.1
        #expect(outcome(access, "Bearer guess") == "wrong")
        #expect(outcome(access, "Bearer guess") == "slowed")
        clock.now += 3600
        for _ in 0..<20 { #expect(outcome(access, "Bearer guess") == "wrong") }
        #expect(outcome(access, "Bearer guess") == "slowed")
        // Addresses without end don't fill the memory, nor free the guesser.
        for index in 0..<20_000 {
            _ = outcome(access, "Bearer guess", from: "10.\(index / 256).\(index % 256).1")
        }
        #expect(outcome(access, "Bearer api-key-of-the-test", from: "10.0.0.1") == "api-key")
    }
}
