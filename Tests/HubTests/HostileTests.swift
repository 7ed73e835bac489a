import Foundation
import Hub
import HubTesting
import Testing

@Suite("A hostile server")
struct HostileTests {
    private static let listing = "/api/models/acme/tiny-llama/revision/main"

    @Test(
        "a file name that would leave its folder, or that no file system has, spoils the repository",
        arguments: [
            "../config.json", "a/../../b.json", "/etc/passwd.json", "a//b.json", "./config.json", "a/./b.json", "",
            "..", "a\\..\\b.json", "a\u{0}.json", "a\nb.json", "a\u{1B}[2J.json", "a/", "\u{7F}.json",
        ])
    func names(name: String) async throws {
        let hub = try await HubFixture(files: HubFixture.files + [HubFile(name, "{}")])
        let refusal = await hub.refusal()
        #expect(refusal.contains("which would not stay in its folder"), "\(refusal)")
        #expect(refusal.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F })
        #expect(hub.server.requests.count == 1)
        #expect(try hub.tree().isEmpty)
    }

    @Test(
        "a listing that is none is refused",
        arguments: [
            "", "null", "[]", "{", "{\"sha\": 1, \"siblings\": []}", #"{"sha": "main", "siblings": []}"#,
            #"{"sha": "../../../../../../../../../../etc/passwd00", "siblings": []}"#,
            #"{"sha": "0123456789ABCDEF0123456789ABCDEF01234567", "siblings": []}"#,
            #"{"sha": "0123456789abcdef0123456789abcdef01234567"}"#,
            #"{"sha": "0123456789abcdef0123456789abcdef01234567", "siblings": {}}"#,
            #"{"sha": "0123456789abcdef0123456789abcdef01234567", "siblings": [{"path": "x"}]}"#,
        ])
    func badListing(text: String) async throws {
        let hub = try await HubFixture { request, answer in
            if request.path == Self.listing { answer.body = .bytes(Array(text.utf8)) }
        }
        #expect(await hub.refusal().contains("gave an answer that no Hub gives"))
    }

    @Test("a file name that is too long for a file system spoils the repository, and is shown in part")
    func longNames() async throws {
        for name in [String(repeating: "n", count: 256) + ".json", String(repeating: "d/", count: 600) + "x.json"] {
            let hub = try await HubFixture(files: HubFixture.files + [HubFile(name, "{}")])
            let refusal = await hub.refusal()
            #expect(refusal.contains("which would not stay in its folder") && refusal.utf8.count < 400)
        }
    }

    @Test("a listing that is deep, or without end, is not read to its end")
    func hugeListing() async throws {
        let deep = try await HubFixture { request, answer in
            if request.path == Self.listing { answer.body = .bytes([UInt8](repeating: 0x5B, count: 100_000)) }
        }
        #expect(await deep.refusal().contains("nesting is deeper than"))
        let hub = try await HubFixture { request, answer in
            if request.path == Self.listing { answer.body = .bytes([UInt8](repeating: 0x20, count: 33 << 20)) }
        }
        #expect(await hub.refusal().contains("it is over 33554432 bytes long"))
    }

    @Test(
        "an ETag that is no hash, and so no name for a blob, is refused",
        arguments: ["../../../../tmp/x", "\"abc\"", "", "W/\"12-34\"", String(repeating: "g", count: 64)])
    func tags(tag: String) async throws {
        let hub = try await HubFixture { request, answer in
            if request.method == "HEAD", request.path.hasSuffix("config.json") { answer.set("ETag", tag) }
        }
        #expect(await hub.refusal().contains("the ETag is neither SHA-256 nor a Git object"))
    }

    @Test("answers about another commit, or without a size, are refused")
    func otherCommit() async throws {
        for value in [nil, "ffffffffffffffffffffffffffffffffffffffff"] {
            let hub = try await HubFixture { request, answer in
                if request.method == "HEAD" { answer.set("X-Repo-Commit", value) }
            }
            #expect(await hub.refusal().contains("X-Repo-Commit is not"))
        }
        for size in ["-1", "1e3", "99999999999999999999", "x"] {
            let hub = try await HubFixture { request, answer in
                if request.method == "HEAD" { answer.set("X-Linked-Size", size) }
            }
            #expect(await hub.refusal().contains("it tells no size"))
        }
    }

    @Test(
        "a redirect leads only to the web, and not around in circles",
        arguments: [
            "file:///etc/passwd", "ftp://example.org/x", "javascript:alert(1)", "", "//", "http://", "http://a b/",
            "http://user:key@127.0.0.1/", "http://127.0.0.1\\@evil/", "http://127.0.0.1:99999/", "relative",
            "http://127.0.0.1:0/", "http://[::1/", "http://ä/",
        ])
    func redirects(location: String) async throws {
        let hub = try await HubFixture { request, answer in
            if request.path == Self.listing { answer = HubServer.Answer(302, [("Location", location)]) }
        }
        #expect(await hub.refusal().contains("its Location is no URL of the web"))
    }

    @Test("a circle of redirects is left after ten")
    func circle() async throws {
        for path in [Self.listing, "/x"] {
            let hub = try await HubFixture { request, answer in
                if request.path == Self.listing || request.path == path {
                    answer = HubServer.Answer(307, [("Location", path)])
                }
            }
            #expect(await hub.refusal().contains("more than 10 redirects"))
            #expect(hub.server.requests.count == 11)
        }
        let circle = try await HubFixture { request, answer in
            if request.method == "GET", request.path.contains("/resolve/") {
                answer = HubServer.Answer(302, [("Location", request.path)])
            }
        }
        #expect(await circle.refusal().contains("more than 10 redirects"))
    }

    @Test("a listing and small files may come by redirects on the same host")
    func goodRedirects() async throws {
        let hub = try await HubFixture(token: "hf_x") { request, answer in
            guard !request.query.contains("moved"), !request.isContentNetwork else { return }
            let location = request.path + "?moved"
            answer = HubServer.Answer(307, [("Location", location), ("X-Repo-Commit", HubServer.commit)])
        }
        _ = try await hub.download()
        #expect(hub.content(hub.snapshot + "/model.safetensors") == HubFixture.weights)
        #expect(
            hub.server.requests.allSatisfy { $0.isContentNetwork || $0.header("Authorization") == "Bearer hf_x" })
    }

    @Test(
        "a content whose length or range is not what it should be is refused",
        arguments: [
            ("Content-Length", "299999"), ("Content-Length", "300001"), ("Content-Encoding", "gzip"),
        ])
    func lies(name: String, value: String) async throws {
        let hub = try await HubFixture { request, answer in
            if request.isContentNetwork {
                answer.set(name, value)
                if value == "299999" { answer.body = .bytes(Array(HubFixture.weights.dropLast())) }
                if value == "300001" { answer.body = .bytes(HubFixture.weights + [0]) }
            }
        }
        let refusal = await hub.refusal()
        #expect(refusal.contains("\(name) is not 300000") || refusal.contains("it is compressed"), "\(refusal)")
        #expect(hub.content(hub.snapshot + "/model.safetensors") == nil)
    }

    @Test("more bytes than were told of are not written")
    func tooLong() async throws {
        let hub = try await HubFixture { request, answer in
            guard request.isContentNetwork else { return }
            answer.set("Transfer-Encoding", "chunked")
            answer.body = .bytes(HubFixture.weights + [UInt8](repeating: 0, count: 4 << 20))
        }
        #expect(await hub.refusal().contains("it is longer than the 300000 bytes"))
        #expect(hub.content(hub.partial(HubFixture.weightsFile))?.count ?? 0 <= 300_000)
    }

    @Test(
        "a part that is not the one asked for is refused",
        arguments: [
            "bytes 0-299999/300000", "bytes 100000-299999/300001", "bytes 100000-299998/300000", "bytes */300000",
            "bytes 100000-18446744073709551616/300000", "items 100000-299999/300000", nil,
        ])
    func ranges(value: String?) async throws {
        let hub = try await HubFixture { request, answer in
            if request.isContentNetwork { answer.set("Content-Range", value) }
        }
        try hub.write(HubFixture.weights.prefix(100_000), to: hub.partial(HubFixture.weightsFile))
        #expect(await hub.refusal().contains("its Content-Range is not bytes 100000-299999/300000"))
    }

    @Test(
        "an index that names what is no shard of the repository is refused",
        arguments: [
            ("../../../etc/passwd", "must name a .safetensors file in the same folder"),
            ("/etc/x.safetensors", "must name a .safetensors file in the same folder"),
            ("pytorch_model-1.bin", "is a pickle"),
            ("model-9.safetensors", "which its model.safetensors.index.json names"),
        ])
    func index(shard: String, reason: String) async throws {
        let hub = try await HubFixture(files: [
            HubFixture.config, HubFile("model.safetensors.index.json", #"{"weight_map": {"a": "\#(shard)"}}"#),
        ])
        #expect(await hub.refusal().contains(reason))
    }

    @Test("a link in the place of a file in the cache is not written through")
    func links() async throws {
        let hub = try await HubFixture()
        let victim = hub.cache.path + "/victim"
        try hub.write([9], to: victim)
        try hub.write([], to: hub.blob(HubFixture.config))
        try FileManager.default.removeItem(atPath: hub.blob(HubFixture.config))
        try FileManager.default.createSymbolicLink(
            atPath: hub.partial(HubFixture.config), withDestinationPath: victim)
        #expect(await hub.refusal().contains("cannot be written: Too many levels of symbolic links"))
        #expect(hub.content(victim) == [9])
    }

    @Test(
        "a revision that is no name of one is refused before anything is asked",
        arguments: ["", "..", "../main", "a/../b", "/main", "a//b", "a b", "a\0", "a\\b", "ä", "main?x=1", "a%2f"])
    func revisions(revision: String) async throws {
        let hub = try await HubFixture()
        #expect(await hub.refusal(revision: revision).contains("cannot be a revision"))
        #expect(hub.server.requests.isEmpty)
    }

    @Test("an address that two parsers could read differently is none")
    func addresses() {
        for text in [
            "", "http", "http:/x", "http://", "http:///x", "https://a:b", "http://a:0", "http://a:65536", "http://a@b",
            "http://a\\b", "http://a b", "http://[::1", "http://::1/", "http://a/\n", "gopher://a", "http://a%2fb/",
        ] {
            #expect(HTTPURL(text) == nil, "\(text)")
        }
        #expect(HTTPURL("HTTPS://Example.org:443/a?b#c")?.description == "https://example.org/a")
        #expect(HTTPURL("http://[::1]:8080")?.description == "http://[::1]:8080/")
    }
}
