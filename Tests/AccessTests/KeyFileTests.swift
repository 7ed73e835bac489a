import Access
import AccessTesting
import Synchronization
import Testing

/// What came of a request with one `Authorization` header.
func outcome(
    _ access: AccessControl, _ header: String?, for route: RouteAccess = .api, from address: String = "192.0.2.1"
) -> String {
    let presented = PresentedCredential(authorization: header.map { [$0] } ?? [], peer: PeerAddress(address))
    return switch access.decide(presented, for: route) {
    case .granted(let principal): principal.name.isEmpty ? "anonymous" : principal.name
    case .denied(.noCredential): "missing"
    case .denied(.wrongCredential): "wrong"
    case .denied(.missingScope(let scope)): "lacks \(scope.rawValue)"
    case .denied(.ambiguousCredential): "ambiguous"
    case .denied(.foreignAddress): "foreign"
    case .denied(.tooManyFailures): "slowed"
    case .undecided: "undecided"
    }
}

/// A clock that a test sets.
final class TestClock: Sendable {
    private let seconds = Mutex(1_800_000_000.0)

    var now: Double {
        get { seconds.withLock { $0 } }
        set { seconds.withLock { $0 = newValue } }
    }
}

@Suite("Keys")
struct KeyFileTests {
    private let files: TemporaryFiles

    init() throws {
        files = try TemporaryFiles()
    }

    private func access(_ text: String, at now: Double = 1_800_000_000) throws -> AccessControl {
        var configuration = AccessConfiguration()
        configuration.keyFile = try files.write(text, to: "keys.yaml")
        return try AccessControl(configuration) { now }
    }

    @Test("a key of the file opens what its scopes name, under its name and its tenant")
    func scopes() throws {
        let access = try access(
            """
            keys:
              - name: alice
                hash: \(CredentialHash.key("alice-key-of-the-test"))
                tenant: research
              - {name: scraper, hash: "\(CredentialHash.key("scraper-key-of-the-test"))", scopes: [metrics]}
              - name: root
                hash: \(CredentialHash.key("root-key-of-the-test"))
                scopes: [api, metrics, admin]
                models: [tiny]
            """)
        #expect(outcome(access, "Bearer alice-key-of-the-test") == "alice")
        #expect(outcome(access, "Bearer alice-key-of-the-test", for: .metrics) == "lacks metrics")
        #expect(outcome(access, "Bearer alice-key-of-the-test", for: .admin) == "lacks admin")
        #expect(outcome(access, "Bearer scraper-key-of-the-test") == "lacks api")
        #expect(outcome(access, "Bearer scraper-key-of-the-test", for: .metrics) == "scraper")
        for route in RouteAccess.allCases where route != .open {
            #expect(outcome(access, "Bearer root-key-of-the-test", for: route) == "root")
            #expect(outcome(access, nil, for: route) == "missing")
        }
        #expect(outcome(access, nil, for: .open) == "anonymous")
        #expect(access.tenants == ["research", "root", "scraper"])
        let presented = PresentedCredential(authorization: ["Bearer root-key-of-the-test"], peer: nil)
        guard case .granted(let principal) = access.decide(presented, for: .api) else {
            Issue.record("not granted")
            return
        }
        #expect(principal.allows(model: "tiny") && !principal.allows(model: "other"))
    }

    @Test(
        "a key counts until the moment it expires",
        arguments: [
            ("1970-01-01", -1.0, true), ("1970-01-01", 0, false), ("2000-02-29", 951_782_399, true),
            ("2000-03-01T00:00:00Z", 951_868_799, true), ("2000-03-01T00:00:00Z", 951_868_800, false),
            ("2027-01-31T12:30:45Z", 1_801_398_644, true), ("2027-01-31T12:30:45Z", 1_801_398_645, false),
        ])
    func expiry(expires: String, now: Double, isValid: Bool) throws {
        let access = try access(
            "keys: [{name: a, hash: '\(CredentialHash.key("some-key-of-the-test"))', expires: \(expires)}]", at: now)
        #expect(outcome(access, "Bearer some-key-of-the-test") == (isValid ? "a" : "wrong"))
    }

    @Test(
        "what is no key of the file is wrong, however near it comes",
        arguments: [
            "Bearer some-key-of-the-tes", "Bearer some-key-of-the-test ", "Bearer some-key-of-the-test\0",
            "Bearer some-key-of-the-testt", "Bearer SOME-KEY-OF-THE-TEST", "Bearer", "Bearer ", "", " ",
            "Bearersome-key-of-the-test", "Token some-key-of-the-test", "some-key-of-the-test",
            "Bearer some-key-of-the-test, Bearer some-key-of-the-test", "Bearer some-key-of-the-test x",
            "Basic c29tZS1rZXktb2YtdGhlLXRlc3Q=", "Bearer some-key-of-the-t\u{00E9}st",
            "Bearer " + String(repeating: "a", count: 1 << 20),
            // A hash of the file is no key.
            "Bearer " + CredentialHash.key("some-key-of-the-test"),
        ])
    func nearMisses(header: String) throws {
        let access = try access("keys: [{name: a, hash: '\(CredentialHash.key("some-key-of-the-test"))'}]")
        #expect(outcome(access, header) == "wrong")
    }

    @Test("the scheme may be written in any case, with several blanks", arguments: ["bearer ", "BEARER ", "Bearer   "])
    func scheme(prefix: String) throws {
        let access = try access("keys: [{name: a, hash: '\(CredentialHash.key("some-key-of-the-test"))'}]")
        #expect(outcome(access, prefix + "some-key-of-the-test") == "a")
    }

    @Test("two Authorization headers are refused, right or not")
    func twoHeaders() throws {
        let access = try access("keys: [{name: a, hash: '\(CredentialHash.key("some-key-of-the-test"))'}]")
        let header = "Bearer some-key-of-the-test"
        let decision = access.decide(PresentedCredential(authorization: [header, header], peer: nil), for: .api)
        guard case .denied(.ambiguousCredential) = decision else {
            Issue.record("\(decision)")
            return
        }
    }

    @Test(
        "a file that can't be used says where, and repeats no value",
        arguments: [
            ("keys: [{name: a}]", "needs a `hash`"), ("keys: [{hash: sha256:00}]", "64 hexadecimal digits"),
            ("keys: [{name: a, hash: sk-secret-canary}]", "64 hexadecimal digits"),
            ("keys: [{name: a, key: sk-secret-canary}]", "`key` is not known"),
            ("keys: [{name: 'a b', hash: sk-secret-canary}]", "a name is 1 to 64"),
            ("keys: sk-secret-canary", "must be a list"), ("sk-secret-canary", "must be a mapping"),
            ("keys:\n- name: a\n  name: b\n", "twice"), ("keys: [", "line"), ("", "it is empty"),
            ("keys: [{name: a, scopes: [everything]}]", "a scope is one of api, metrics, admin"),
            ("keys: [{name: a, expires: tomorrow}]", "must be a day"), ("jeys: []", "`jeys` is not known"),
            ("a: *sk-secret-canary", "sk"),
        ])
    func malformed(text: String, problem: String) throws {
        let error = try #require(throws: AccessError.self) { try access(text) }
        #expect(error.description.contains(problem) || problem == "sk", "\(error)")
        #expect(!error.description.contains("sk-secret-canary"), "\(error)")
    }

    @Test("a file is read anew as a whole, and a broken one changes nothing")
    func reload() throws {
        let access = try access("keys: [{name: a, hash: '\(CredentialHash.key("first-key-of-the-test"))'}]")
        try files.write("keys: [{name: b, hash: '\(CredentialHash.key("second-key-of-the-test"))'}]", to: "keys.yaml")
        #expect(outcome(access, "Bearer first-key-of-the-test") == "a")
        try access.reload()
        #expect(outcome(access, "Bearer first-key-of-the-test") == "wrong")
        #expect(outcome(access, "Bearer second-key-of-the-test") == "b")
        try files.write("keys: [{name: c}]", to: "keys.yaml")
        #expect(throws: AccessError.self) { try access.reload() }
        #expect(outcome(access, "Bearer second-key-of-the-test") == "b")
    }

    @Test("keys of the command line open everything but what changes the server; they have no tenant of their own")
    func commandLine() throws {
        var configuration = AccessConfiguration()
        configuration.keys = ["first", "second"]
        let access = try AccessControl(configuration)
        for key in configuration.keys {
            #expect(outcome(access, "Bearer \(key)") == "api-key")
            #expect(outcome(access, "Bearer \(key)", for: .metrics) == "api-key")
            #expect(outcome(access, "Bearer \(key)", for: .admin) == "lacks admin")
        }
        #expect(access.tenants == ["default"])
        #expect(outcome(.open, nil, for: .admin) == "anonymous")
    }

    @Test("a new key is 256 random bits, and another each time")
    func newKeys() {
        let keys = Set((0..<100).map { _ in CredentialHash.newKey() })
        #expect(keys.count == 100)
        #expect(keys.allSatisfy { $0.hasPrefix("pg-") && $0.utf8.count == 46 })
        // SHA-256 of "abc": FIPS 180-4.
        #expect(
            CredentialHash.key("abc")
                == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }
}
