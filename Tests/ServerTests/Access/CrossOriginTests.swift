import Access
import Server
import Testing

@Suite("Pages of other origins", .timeLimit(.minutes(1)))
struct CrossOriginTests {
    private static let asking = [
        "Origin: https://app.example", "Access-Control-Request-Method: POST",
        "Access-Control-Request-Headers: authorization, content-type",
    ]

    @Test("by default no answer lets a page of another origin in")
    func off() async throws {
        try await TestServer.run { test in
            let preflight = try await test.request("OPTIONS", "/v1/completions", headers: Self.asking)
            #expect(preflight.status == 405)
            let answer = try await test.request("GET", "/v1/models", headers: ["Origin: https://app.example"])
            #expect(answer.status == 200)
            for response in [preflight, answer] {
                #expect(!response.headers.contains { $0.lowercased().hasPrefix("access-control") })
            }
        }
    }

    @Test("an origin of the list is let in by name, without a key for the question and with one for the answer")
    func named() async throws {
        let guarded = try GuardedServer()
        try await TestServer.run { options in
            options.access = guarded.access
            options.server.crossOrigin = CrossOriginPolicy(origins: ["https://app.example"])
            options.server.crossOrigin?.allowsCredentials = true
        } _: { test in
            let preflight = try await test.request("OPTIONS", "/v1/completions", headers: Self.asking)
            #expect(preflight.status == 200)
            #expect(preflight.header("access-control-allow-origin") == "https://app.example")
            #expect(preflight.header("access-control-allow-headers") == "authorization, content-type")
            #expect(preflight.header("access-control-allow-methods")?.contains("POST") == true)
            #expect(preflight.header("access-control-allow-credentials") == "true")
            #expect(preflight.header("vary") == "Origin")
            // A page must be able to read that it was refused, too.
            let key = "Authorization: Bearer \(GuardedServer.key)"
            for (headers, status) in [([], 401), ([key], 200)] {
                let answer = try await test.request(
                    "GET", "/v1/models", headers: ["Origin: https://app.example"] + headers)
                #expect(answer.status == status)
                #expect(answer.header("access-control-allow-origin") == "https://app.example")
            }
        }
    }

    @Test(
        "no other origin is, however like one of the list",
        arguments: [
            "https://app.example.evil", "http://app.example", "https://APP.example", "null", "https://app.example/",
            "*", "https://app.example, https://evil", "https://evil.app.example", "",
        ])
    func strangers(origin: String) async throws {
        try await TestServer.run { options in
            options.server.crossOrigin = CrossOriginPolicy(origins: ["https://app.example"])
        } _: { test in
            let preflight = try await test.request(
                "OPTIONS", "/v1/completions",
                headers: ["Origin: \(origin)", "Access-Control-Request-Method: POST"])
            #expect(preflight.status == 400)
            let answer = try await test.request("GET", "/v1/models", headers: ["Origin: \(origin)"])
            #expect(answer.header("vary") == "Origin")
            for response in [preflight, answer] {
                #expect(!response.headers.contains { $0.lowercased().hasPrefix("access-control") })
            }
        }
    }

    @Test("a star lets any origin in, without credentials, and sends back no header that is no list of names")
    func star() async throws {
        #expect(CrossOriginPolicy(origins: ["*"]).isContradictory == false)
        var policy = CrossOriginPolicy(origins: ["*"])
        policy.allowsCredentials = true
        #expect(policy.isContradictory)
        try await TestServer.run { options in
            options.server.crossOrigin = CrossOriginPolicy(origins: ["*"])
        } _: { test in
            let preflight = try await test.request(
                "OPTIONS", "/nothing",
                headers: [
                    "Origin: null", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: a=b;<",
                ])
            #expect(preflight.status == 200)
            #expect(preflight.header("access-control-allow-origin") == "*")
            #expect(preflight.header("access-control-allow-headers") == nil)
            #expect(preflight.header("access-control-allow-credentials") == nil)
            // What is no question of a browser's is answered as ever.
            #expect(try await test.request("OPTIONS", "/v1/models").status == 405)
        }
    }
}
