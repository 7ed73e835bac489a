import Foundation
import Hub
import HubTesting
import Synchronization
import Testing

@Suite("What can go wrong")
struct FailureTests {
    @Test("a content with another hash is refused, deleted and not linked", arguments: [true, false])
    func wrongHash(isLarge: Bool) async throws {
        let file = isLarge ? HubFixture.weightsFile : HubFixture.config
        let hub = try await HubFixture { request, answer in
            guard request.method == "GET", request.isContentNetwork == isLarge,
                request.path.hasSuffix("/" + (isLarge ? file.etag : file.path)), case .bytes(var bytes) = answer.body
            else { return }
            bytes[bytes.count / 2] ^= 1
            answer.body = .bytes(bytes)
        }
        let refusal = await hub.refusal()
        #expect(refusal.contains("\"\(file.path)\" from http://127.0.0.1:\(hub.server.port)/acme/tiny-llama/resolve/"))
        #expect(refusal.contains("should have \(file.etag); it was deleted"))
        #expect(hub.content(hub.partial(file)) == nil && hub.content(hub.blob(file)) == nil)
        #expect(hub.content("\(hub.snapshot)/\(file.path)") == nil)
        // As it was whole and wrong, no second try would have made it better.
        #expect(hub.fetches(of: file).count == 1)
    }

    @Test("the token goes to the Hub and to nobody else")
    func token() async throws {
        let hub = try await HubFixture(token: "hf_secret")
        _ = try await hub.download()
        for request in hub.server.requests {
            #expect(request.header("Authorization") == (request.isContentNetwork ? nil : "Bearer hf_secret"))
        }
        #expect(hub.server.requests.contains { $0.isContentNetwork })
    }

    @Test("a redirect that comes back to the Hub from elsewhere brings no token with it")
    func tokenThereAndBack() async throws {
        let hubPort = Mutex(0)
        let hub = try await HubFixture(token: "hf_secret") { request, answer in
            guard request.isContentNetwork else { return }
            let port = hubPort.withLock { $0 }
            answer = HubServer.Answer(302, [("Location", "http://127.0.0.1:\(port)/back")])
        }
        hubPort.withLock { $0 = hub.server.port }
        _ = await hub.refusal()
        let back = hub.server.requests.filter { $0.path == "/back" }
        #expect(!back.isEmpty && back.allSatisfy { !$0.isContentNetwork && $0.header("Authorization") == nil })
    }

    @Test("no text about a token shows it")
    func tokenIsHidden() async throws {
        let hub = try await HubFixture(token: "hf_secret") { _, answer in answer = HubServer.Answer(401) }
        let configuration = try hub.configuration()
        var dumped = ""
        dump(configuration, to: &dumped)
        #expect(!"\(configuration) \(String(reflecting: configuration)) \(dumped)".contains("hf_secret"))
        #expect(await !hub.refusal().contains("hf_secret"))
        for text in ["", "a b", "a\nb", "ä", String(repeating: "a", count: 5000)] { #expect(HubToken(text) == nil) }
    }

    @Test("a repository that may not be read says what to do", arguments: [401, 403])
    func forbidden(status: Int) async throws {
        let hub = try await HubFixture { _, answer in answer = HubServer.Answer(status) }
        let refusal = await hub.refusal()
        #expect(refusal.contains("does not exist, or is private or gated") && refusal.contains("set HF_TOKEN"))
        #expect(hub.server.requests.count == 1)
        let gated = try await HubFixture(token: "hf_x") { request, answer in
            if request.path.contains("/resolve/") { answer = HubServer.Answer(status, [("X-Error-Code", "GatedRepo")]) }
        }
        let gate = await gated.refusal()
        #expect(gate.contains("is gated (\(gated.server.endpoint)/acme/tiny-llama/resolve/"))
        #expect(gate.contains("accept its terms") && gate.contains("token is set"))
    }

    @Test("what is not there is said to be what it is: the repository, the revision or the file")
    func notFound() async throws {
        let hub = try await HubFixture()
        #expect(await hub.refusal("acme/other").contains("acme/other is neither a file or folder here nor"))
        #expect(await hub.refusal(revision: "v9").contains("has no revision \"v9\""))
        let gone = try await HubFixture { request, answer in
            if request.method == "HEAD", request.path.hasSuffix("tokenizer.json") {
                answer = HubServer.Answer(404, [("X-Error-Code", "EntryNotFound")])
            }
        }
        #expect(await gone.refusal().contains("has no file \"tokenizer.json\""))
    }

    @Test("a server that is busy is asked again, with pauses", arguments: [408, 429, 500, 502, 503, 504])
    func retries(status: Int) async throws {
        let hub = try await HubFixture { request, answer in
            if request.number == 1 { answer = HubServer.Answer(status, [("Retry-After", "0")]) }
        }
        let events = EventLog()
        _ = try await hub.download(events: events)
        #expect(hub.content(hub.snapshot + "/model.safetensors") == HubFixture.weights)
        // The listing, and each file's metadata; the content at both of its addresses.
        #expect(events.retryCount >= 1 + HubFixture.needed.count + 2)
        let failing = try await HubFixture { _, answer in answer = HubServer.Answer(status) }
        #expect(await failing.refusal().contains("answered with status \(status)"))
        #expect(failing.server.requests.count == 4)
    }

    @Test("Retry-After is heeded, as far as patience goes")
    func retryAfter() async throws {
        let hub = try await HubFixture { request, answer in
            if request.number == 1, request.path.contains("/revision/") {
                answer = HubServer.Answer(429, [("Retry-After", "3600")])
            }
        }
        let events = EventLog()
        _ = try await hub.download(events: events)
        let pauses = events.all.compactMap { event -> Duration? in
            if case .retrying(_, let pause) = event { pause } else { nil }
        }
        #expect(pauses == [.milliseconds(20)])
    }

    @Test("an address that has grown too old is asked for anew")
    func oldAddress() async throws {
        let hub = try await HubFixture { request, answer in
            if request.isContentNetwork, request.number == 1 { answer = HubServer.Answer(403) }
        }
        _ = try await hub.download()
        #expect(hub.content(hub.snapshot + "/model.safetensors") == HubFixture.weights)
    }

    @Test("a server that says nothing is given up")
    func silence() async throws {
        var hub = try await HubFixture { request, answer in
            if request.isContentNetwork { answer.isSilent = true }
        }
        hub.idleTimeout = .milliseconds(50)
        #expect(await hub.refusal().contains("in 4 tries: no byte came for too long"))
    }

    @Test("a host where nobody listens is named, with the number of tries")
    func nobody() async throws {
        let cache = try TemporaryFolder()
        var configuration = HubConfiguration(
            cacheFolder: cache.path, endpoint: try #require(HTTPURL("http://127.0.0.1:1")))
        configuration.patience.attempts = 2
        configuration.patience.firstPause = .milliseconds(1)
        var text = ""
        do {
            _ = try await HubDownloader(configuration).snapshot(of: try #require(HubReference("a/b")))
        } catch {
            text = "\(error)"
        }
        #expect(text.contains("http://127.0.0.1:1/api/models/a/b/revision/main could not be had in 2 tries"))
        #expect(text.contains("tries: Connection refused."), "\(text)")
    }

    @Test("what the disk cannot hold is refused before anything comes")
    func diskFull() async throws {
        let hub = try await HubFixture { request, answer in
            if request.method == "HEAD", request.path.hasSuffix("safetensors") {
                answer.set("X-Linked-Size", "4000000000000000000")
            }
        }
        let refusal = await hub.refusal()
        #expect(refusal.contains("\"model.safetensors\" needs 4000000000000") && refusal.contains("make room"))
        #expect(hub.server.requests.allSatisfy { $0.method == "HEAD" || $0.path.hasPrefix("/api/") })
    }

    @Test("a cache that cannot be written is named")
    func unwritable() async throws {
        let hub = try await HubFixture()
        try hub.write([1], to: hub.cache.path + "/models--acme--tiny-llama")
        #expect(await hub.refusal().contains("/models--acme--tiny-llama/blobs cannot be written: "))
    }
}

@Suite("Without the network")
struct OfflineTests {
    @Test("offline, a model that is there is found without a single request")
    func found() async throws {
        var hub = try await HubFixture()
        let online = try await hub.download()
        let before = hub.server.requests.count
        hub.isOffline = true
        #expect(try await hub.download() == online)
        #expect(try await hub.download(revision: HubServer.commit) == online)
        #expect(hub.server.requests.count == before)
    }

    @Test("offline, what is missing is named")
    func missing() async throws {
        var hub = try await HubFixture()
        hub.isOffline = true
        #expect(await hub.refusal().contains("is not in \(hub.cache.path), and HF_HUB_OFFLINE is set"))
        #expect(await hub.refusal(selection: .patterns(include: ["*"], exclude: [])).contains("unset it"))
        hub.isOffline = false
        _ = try await hub.download()
        hub.isOffline = true
        #expect(await hub.refusal(revision: "v2").contains("(v2) is not in"))
        try FileManager.default.removeItem(atPath: hub.blob(HubFixture.weightsFile))
        #expect(await hub.refusal().contains("is not complete in the cache, it lacks \"the weights\""))
        #expect(await hub.refusal("acme/tiny-llama:Q4_0").contains("lacks \"Q4_0\""))
    }

    @Test("offline, a snapshot without one of its shards is not complete")
    func shardMissing() async throws {
        let index = #"{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}"#
        var hub = try await HubFixture(files: [
            HubFixture.config, HubFile("model.safetensors.index.json", index),
            HubFile("model-1.safetensors", [1], isLarge: true), HubFile("model-2.safetensors", [2], isLarge: true),
        ])
        let snapshot = try await hub.download()
        hub.isOffline = true
        #expect(try await hub.download() == snapshot)
        try FileManager.default.removeItem(atPath: snapshot.folder + "/model-2.safetensors")
        #expect(await hub.refusal().contains("lacks \"model-2.safetensors\""))
    }

    @Test("a Hub that is down is done without, if the cache has the model", arguments: [503, 0])
    func down(status: Int) async throws {
        let hub = try await HubFixture { request, answer in
            guard request.path.contains("/revision/"), request.number > 1 else { return }
            if status > 0 { answer = HubServer.Answer(status) } else { answer.cut = 3 }
        }
        let first = try await hub.download(), events = EventLog()
        #expect(try await hub.download(events: events) == first)
        #expect(events.all.count == 1)
        guard case .fellBack = events.all.first else {
            Issue.record("\(events.all)")
            return
        }
        // A refusal is no outage.
        let refusing = try await HubFixture { request, answer in
            if request.path.contains("/revision/"), request.number > 1 { answer = HubServer.Answer(403) }
        }
        _ = try await refusing.download()
        #expect(await refusing.refusal().contains("may not be read"))
    }
}
