import Access
import AccessTesting
import NIOHTTP1
import Synchronization
import Testing
import TraceTesting

@Suite("Tokens")
struct TokenTests {
    private static let now = 1_800_000_000.0
    private static let issuer = Result { try TokenIssuer() }

    private let files: TemporaryFiles
    private let issuer: TokenIssuer

    init() throws {
        files = try TemporaryFiles()
        issuer = try Self.issuer.get()
    }

    /// Claims that are right, with changes as JSON members.
    private func claims(_ changes: [String: String?] = [:]) -> String {
        var members = ["iss": #""https://issuer""#, "aud": #""pagoda""#, "exp": "1800000600", "sub": #""alice""#]
        for (name, value) in changes { members[name] = value }
        return "{" + members.map { "\"\($0.key)\":\($0.value)" }.sorted().joined(separator: ",") + "}"
    }

    private func withKeySet(
        _ algorithms: Set<TokenAlgorithm> = [.rs256, .es256, .edDSA], keySet: String? = nil
    ) throws -> AccessControl {
        var tokens = TokenConfiguration(
            keys: .keySetFile(try files.write(try keySet ?? issuer.keySet, to: "keys.json")), algorithms: algorithms)
        tokens.issuer = "https://issuer"
        tokens.audience = "pagoda"
        var configuration = AccessConfiguration()
        configuration.tokens = tokens
        return try AccessControl(configuration) { Self.now }
    }

    private func withSecret(_ secret: String? = nil) throws -> AccessControl {
        let text = secret ?? String(decoding: issuer.secret, as: UTF8.self) + "\n"
        var tokens = TokenConfiguration(
            keys: .secretFile(try files.write(text, to: "secret")), algorithms: [.hs256])
        tokens.audience = "pagoda"
        var configuration = AccessConfiguration()
        configuration.tokens = tokens
        return try AccessControl(configuration) { Self.now }
    }

    @Test(
        "a signature counts if the configuration names its algorithm",
        arguments: TokenIssuer.Signature.allCases)
    func algorithms(signature: TokenIssuer.Signature) throws {
        let token = "Bearer " + (try issuer.token(claims(), signed: signature))
        let named: [TokenIssuer.Signature] = [.rs256, .es256, .edDSA]
        #expect(outcome(try withKeySet(), token) == (named.contains(signature) ? "alice" : "wrong"))
        #expect(outcome(try withKeySet([.ps256]), token) == (signature == .ps256 ? "alice" : "wrong"))
        #expect(outcome(try withSecret(), token) == (signature == .hs256 ? "alice" : "wrong"))
    }

    @Test(
        "what the header says of the algorithm, of keys or of extensions opens nothing",
        arguments: [
            #"{"alg":"none"}"#, #"{"alg":"None"}"#, #"{"alg":"nOnE"}"#, #"{"alg":""}"#, #"{"alg":null}"#, "{}",
            #"{"alg":["ES256"]}"#, #"{"alg":"es256"}"#, #"{"alg":"ES256 "}"#, #"{"alg":"HS256","kid":"ec"}"#,
            #"{"alg":"HS256","kid":"secret"}"#, #"{"alg":"RS256","kid":"ec"}"#, #"{"alg":"ES256","kid":"rsa"}"#,
            #"{"alg":"ES256","alg":"none","kid":"ec"}"#, #"{"alg":"none","alg":"ES256","kid":"ec"}"#,
            #"{"alg":"ES256","kid":"ec","crit":["exp"],"exp":1}"#, #"{"alg":"ES256","kid":"ec","b64":false}"#,
            #"{"alg":"ES256","kid":"ec","zip":"DEF"}"#, #"{"alg":"ES256","kid":"ec","typ":"JWE"}"#,
            #"{"alg":"ES256","kid":"nobody","jku":"http://127.0.0.1:1/keys"}"#, #"{"alg":"ES256","kid":5}"#,
            #"{"alg":"ES256","kid":"../../etc/passwd"}"#, "[]", "ES256", "", #"{"alg":"ES256","kid":"ec"} x"#,
        ])
    func headers(header: String) throws {
        let access = try withKeySet()
        let token = try issuer.token(claims(), signed: .es256, header: header)
        #expect(outcome(access, "Bearer " + token, from: "198.51.100.1") == "wrong")
        #expect(outcome(access, "Bearer " + (try issuer.token(claims()))) == "alice")
    }

    @Test("without a key's id there must be one key for the algorithm")
    func withoutKeyID() throws {
        let token = "Bearer " + (try issuer.token(claims(), header: #"{"alg":"ES256"}"#))
        #expect(outcome(try withKeySet(), token) == "alice")
        let twice = try issuer.keySet.replacing("{\"keys\": [", with: "{\"keys\": [" + secondCurveKey + ",")
        #expect(outcome(try withKeySet(keySet: twice), token) == "wrong")
    }

    /// Of another issuer; its point is of the curve (RFC 7517, appendix A.1).
    private let secondCurveKey = """
        {"kty":"EC","crv":"P-256","kid":"1","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
         "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}
        """

    @Test(
        "claims are checked: time with leeway, issuer, audience, names",
        arguments: [
            ("exp", "1799999941", "alice"), ("exp", "1799999940", "wrong"), ("exp", "1.8000006e9", "alice"),
            ("exp", nil, "wrong"), ("exp", #""1800000600""#, "wrong"), ("exp", "1e308", "wrong"),
            ("exp", "9223372036854775807", "wrong"), ("exp", "-1", "wrong"), ("exp", "null", "wrong"),
            ("exp", "true", "wrong"), ("nbf", "1800000060", "alice"), ("nbf", "1800000061", "wrong"),
            ("iat", "1800000061", "wrong"), ("iat", "1799999999", "alice"), ("nbf", #""soon""#, "wrong"),
            ("iss", #""https://issuer/""#, "wrong"), ("iss", nil, "wrong"), ("iss", #"["https://issuer"]"#, "wrong"),
            ("aud", #""other""#, "wrong"), ("aud", nil, "wrong"), ("aud", #"["other","pagoda"]"#, "alice"),
            ("aud", "[]", "wrong"), ("aud", #""pagoda ""#, "wrong"), ("aud", #"{"pagoda":1}"#, "wrong"),
            ("tenant", #""research""#, "alice"), ("tenant", #""a\nb""#, "wrong"), ("tenant", "5", "wrong"),
            ("sub", #""a b\r\n""#, "jwt"), ("sub", nil, "jwt"), ("models", #""tiny""#, "wrong"),
        ] as [(String, String?, String)])
    func claimTable(name: String, value: String?, expected: String) throws {
        let token = try issuer.token(claims([name: value]))
        #expect(outcome(try withKeySet(), "Bearer " + token) == expected)
    }

    @Test(
        "scopes come from the token; one that names none of ours is for the API",
        arguments: [
            ("scope", #""openid api metrics""#, [Scope.api, .metrics]), ("scope", #""openid""#, [.api]),
            ("scp", #"["pagoda:metrics"]"#, [.metrics]), ("roles", #"["admin","pagoda:api"]"#, [.admin, .api]),
        ] as [(String, String, [Scope])])
    func scopes(name: String, value: String, scopes: [Scope]) throws {
        let access = try withKeySet()
        let token = "Bearer " + (try issuer.token(claims([name: value])))
        for (scope, route) in [(Scope.api, RouteAccess.api), (.metrics, .metrics), (.admin, .admin)] {
            #expect(
                outcome(access, token, for: route) == (scopes.contains(scope) ? "alice" : "lacks \(scope.rawValue)"))
        }
    }

    @Test("the form is strict: three parts of base64 for URLs, each in its one spelling, and no more than 8 KiB")
    func form() throws {
        let access = try withKeySet()
        let good = try issuer.token(claims())
        let parts = good.split(separator: ".").map(String.init)
        let other = try issuer.token(claims(["sub": #""mallory""#])).split(separator: ".").map(String.init)
        var spelling = parts[2]
        // The last digit of 64 bytes has four bits that mean nothing.
        let last = spelling.removeLast()
        let respelled = spelling + String(last == "A" ? "B" : last == "Q" ? "R" : last == "g" ? "h" : "x")
        let bad = [
            parts[0] + "." + parts[1], good + ".", "." + good, parts[0] + ".." + parts[2], good + "." + parts[2],
            good + "=", good + "AAAA", parts[0] + "." + parts[1] + ".", parts[0] + "." + other[1] + "." + parts[2],
            parts[0] + "." + parts[1] + "." + respelled, parts[0] + "." + parts[1] + ".AAAA",
            parts[0] + "." + parts[1] + "." + String(repeating: "A", count: 86),
            try issuer.token(claims(["padding": "\"" + String(repeating: "a", count: 8000) + "\""])),
            try issuer.token(claims() + " x"), try issuer.token("[" + claims() + "]"),
            try issuer.token(#"{"exp":1800000600,"exp":1800000600,"iss":"https://issuer","aud":"pagoda"}"#),
            try issuer.token(String(repeating: "[", count: 1000)),
        ]
        for (index, token) in bad.enumerated() {
            #expect(outcome(access, "Bearer " + token, from: "10.0.\(index).1") == "wrong", "\(index)")
        }
        #expect(outcome(access, "Bearer " + good) == "alice")
    }

    @Test("settings that would let anybody in are refused")
    func contradictions() throws {
        func make(_ tokens: TokenConfiguration) throws {
            var configuration = AccessConfiguration()
            configuration.tokens = tokens
            _ = try AccessControl(configuration)
        }
        let secret = TokenConfiguration.Keys.secretFile(try files.write(String(repeating: "s", count: 40), to: "s"))
        let set = TokenConfiguration.Keys.keySetFile(try files.write(try issuer.keySet, to: "k"))
        #expect(throws: AccessError.self) { try make(TokenConfiguration(keys: secret, algorithms: [.rs256])) }
        #expect(throws: AccessError.self) { try make(TokenConfiguration(keys: secret, algorithms: [])) }
        #expect(throws: AccessError.self) { try withKeySet([.es256, .hs256]) }
        #expect(throws: AccessError.self) { try make(TokenConfiguration(keys: set, algorithms: [.es256])) }
        #expect(throws: AccessError.self) { try withSecret("short") }
        #expect(throws: AccessError.self) { try withKeySet(keySet: "{}") }
        #expect(throws: AccessError.self) { try withKeySet(keySet: #"{"keys":[{"kty":"oct","k":"AAAA"}]}"#) }
        // 1008 bits; an even exponent; a point that is not on its curve.
        let zeros = String(repeating: "A", count: 43)
        for key in [
            #""kty":"RSA","e":"AQAB","n":"\#(String(repeating: "_", count: 168))""#,
            #""kty":"RSA","e":"AQAA","n":"\#(String(repeating: "_", count: 344))""#,
            #""kty":"EC","crv":"P-256","x":"\#(zeros)","y":"\#(zeros)""#,
        ] {
            #expect(throws: AccessError.self) {
                try withKeySet([.es256, .rs256], keySet: #"{"keys":[{\#(key)}]}"#)
            }
        }
        var plain = TokenConfiguration(keys: .keySetURL("http://issuer.example/keys"), algorithms: [.es256])
        plain.audience = "pagoda"
        #expect(throws: AccessError.self) { try make(plain) }
    }

    @Test(
        "a set at an address is fetched, again for a key that is new, and kept when the address fails",
        .timeLimit(.minutes(1)))
    func keySetAtAnAddress() async throws {
        let next = try TokenIssuer()
        let sets = [try issuer.keySet, try next.keySet.replacing("\"ec\"", with: "\"ec2\"")].map { Array($0.utf8) }
        let isDown = Mutex(true)
        let current = Mutex(0)
        let issuers = try await TraceCollector { _ in
            guard !isDown.withLock({ $0 }) else { return TraceCollector.Answer(status: .internalServerError) }
            var answer = TraceCollector.Answer()
            answer.body = sets[current.withLock { $0 }]
            return answer
        }
        var tokens = TokenConfiguration(keys: .keySetURL(issuers.url), algorithms: [.es256])
        tokens.audience = "pagoda"
        tokens.shortestRefreshInterval = .milliseconds(50)
        var configuration = AccessConfiguration()
        configuration.tokens = tokens
        let access = try AccessControl(configuration) { Self.now }
        let reports = Mutex<[String]>([])
        let old = "Bearer " + (try issuer.token(claims()))
        let new = "Bearer " + (try next.token(claims(), header: #"{"alg":"ES256","kid":"ec2"}"#))
        var address = 0
        /// From another address each time, so that nobody is slowed.
        func result(_ token: String) -> String {
            address += 1
            return outcome(access, token, from: "10.\(address / 256).\(address % 256).1")
        }
        func wait(_ condition: () -> Bool) async throws {
            let deadline = ContinuousClock.now + .seconds(20)
            while !condition() {
                try #require(ContinuousClock.now < deadline, "the condition never held")
                try await Task.sleep(for: .milliseconds(10))
            }
        }
        let fetching = Task { await access.run { text in reports.withLock { $0.append(text) } } }
        defer { fetching.cancel() }
        // Closed as long as there is no key.
        try await wait { reports.withLock { $0.count } >= 2 }
        #expect(result(old) == "wrong")
        isDown.withLock { $0 = false }
        try await wait { result(old) == "alice" }
        #expect(result(new) == "wrong")
        current.withLock { $0 = 1 }
        // The new key's id has it fetched again, long before the ten minutes are over.
        try await wait { result(new) == "alice" }
        #expect(result(old) == "wrong")
        isDown.withLock { $0 = true }
        let count = reports.withLock { $0.count }
        try await wait {
            _ = result(old); return reports.withLock { $0.count } > count
        }
        #expect(result(new) == "alice")
        fetching.cancel()
        await fetching.value
    }

    @Test("keys that change: what a reload brings counts, and a broken file changes nothing")
    func rotation() throws {
        let access = try withKeySet()
        let next = try TokenIssuer()
        let (old, new) = ("Bearer " + (try issuer.token(claims())), "Bearer " + (try next.token(claims())))
        #expect(outcome(access, old) == "alice" && outcome(access, new) == "wrong")
        try files.write(try next.keySet, to: "keys.json")
        try access.reload()
        #expect(outcome(access, old) == "wrong" && outcome(access, new) == "alice")
        try files.write("{", to: "keys.json")
        #expect(throws: AccessError.self) { try access.reload() }
        #expect(outcome(access, new) == "alice")
    }
}
