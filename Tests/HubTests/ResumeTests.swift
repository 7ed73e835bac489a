import Foundation
import Glibc
import Hub
import HubTesting
import Testing

@Suite("Interrupted downloads")
struct ResumeTests {
    private static let file = HubFixture.weightsFile

    @Test("a connection that is cut is taken up where it ended")
    func cut() async throws {
        let hub = try await HubFixture { request, answer in
            if request.isContentNetwork, request.number <= 3 { answer.cut = 70_000 }
        }
        let events = EventLog()
        _ = try await hub.download(events: events)
        #expect(hub.content(hub.snapshot + "/model.safetensors") == HubFixture.weights)
        let starts = hub.fetches(of: Self.file).map { request in
            request.header("Range").flatMap { Int($0.dropFirst("bytes=".count).dropLast()) } ?? 0
        }
        // Of what was on its way when the connection broke, some may be lost.
        #expect(starts.count == 4 && starts[0] == 0 && zip(starts, starts.dropFirst()).allSatisfy { $0 < $1 })
        #expect(zip(1..., starts.dropFirst()).allSatisfy { $1 <= $0 * 70_000 })
        #expect(events.retryCount == 3)
        #expect(hub.content(hub.partial(Self.file)) == nil)
    }

    @Test("what an earlier process has left is gone on with, and counts as received")
    func leftOver() async throws {
        let hub = try await HubFixture(), events = EventLog()
        try hub.write(HubFixture.weights.prefix(123_456), to: hub.partial(Self.file))
        _ = try await hub.download(events: events)
        #expect(hub.fetches(of: Self.file).map { $0.header("Range") } == ["bytes=123456-"])
        #expect(hub.content(hub.snapshot + "/model.safetensors") == HubFixture.weights)
        let total = HubFixture.files.filter { HubFixture.needed.contains($0.path) }.reduce(0) { $0 + $1.size }
        #expect(events.receivedBytes == total)
    }

    @Test("what is left whole needs no request, only the check")
    func whole() async throws {
        let hub = try await HubFixture()
        try hub.write(HubFixture.weights, to: hub.partial(Self.file))
        _ = try await hub.download()
        #expect(hub.fetches(of: Self.file).isEmpty)
        #expect(hub.content(hub.snapshot + "/model.safetensors") == HubFixture.weights)
    }

    @Test("what is left of another content is thrown away, once", arguments: [1000, 300_000, 300_001])
    func wrongRest(size: Int) async throws {
        let hub = try await HubFixture(), events = EventLog()
        try hub.write([UInt8](repeating: 7, count: size), to: hub.partial(Self.file))
        _ = try await hub.download(events: events)
        #expect(hub.content(hub.snapshot + "/model.safetensors") == HubFixture.weights)
        #expect(hub.fetches(of: Self.file).last?.header("Range") == nil)
        let total = HubFixture.files.filter { HubFixture.needed.contains($0.path) }.reduce(0) { $0 + $1.size }
        #expect(events.receivedBytes == total)
    }

    @Test("a server without ranges sends all of it again")
    func withoutRanges() async throws {
        let hub = try await HubFixture { request, answer in
            guard request.isContentNetwork else { return }
            answer = HubServer.Answer(200, body: HubFixture.weights)
            if request.number == 1 { answer.cut = 200_000 }
        }
        _ = try await hub.download()
        #expect(hub.content(hub.snapshot + "/model.safetensors") == HubFixture.weights)
        #expect(hub.fetches(of: Self.file).count == 2)
    }

    @Test("a server that never gets to the end is given up, and what came is kept for the next time")
    func givesUp() async throws {
        let hub = try await HubFixture { request, answer in
            if request.isContentNetwork { answer.cut = request.number == 1 ? 5000 : 0 }
        }
        let refusal = await hub.refusal()
        #expect(refusal.contains("could not be had in 4 tries: the connection was cut"), "\(refusal)")
        #expect(refusal.contains("/blobs/\(Self.file.etag)") && !refusal.contains("Signature"))
        #expect(hub.fetches(of: Self.file).count == 4)
        #expect(hub.content(hub.partial(Self.file))?.count ?? 0 <= 5000)
        // Nothing says that the revision is complete.
        #expect(hub.content(hub.repository + "/refs/main") == nil)
    }

    @Test("a server that starts anew for ever is given up as well")
    func startsAnew() async throws {
        let big = HubFile("model.safetensors", [UInt8](repeating: 1, count: 5 << 20), isLarge: true)
        let hub = try await HubFixture(files: [HubFixture.config, big]) { request, answer in
            guard request.isContentNetwork else { return }
            answer.status = 200
            answer.set("Content-Range", nil)
            answer.body = .bytes([UInt8](repeating: 1, count: 5 << 20))
            answer.cut = 2 << 20
        }
        #expect(await hub.refusal().contains("the connection was cut"))
        #expect((4...8).contains(hub.fetches(of: big).count))
    }

    @Test("two downloads at once wait for each other, and each file comes once")
    func together() async throws {
        let hub = try await HubFixture()
        try await withThrowingTaskGroup(of: HubSnapshot.self) { group in
            for _ in 0..<8 { group.addTask { try await hub.download() } }
            for try await snapshot in group { #expect(snapshot.folder == hub.snapshot) }
        }
        #expect(hub.fetches(of: Self.file).count == 1)
        #expect(hub.content(hub.snapshot + "/model.safetensors") == HubFixture.weights)
    }

    @Test("a file that another program has locked is waited for")
    func locked() async throws {
        let hub = try await HubFixture(), events = EventLog()
        let folder = hub.cache.path + "/.locks/models--acme--tiny-llama"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let lock = open("\(folder)/\(Self.file.etag).lock", O_RDWR | O_CREAT, 0o644)
        #expect(flock(lock, LOCK_EX) == 0)
        async let snapshot = hub.download(events: events)
        while !events.all.contains(.waiting(file: "model.safetensors")) { try await Task.sleep(for: .milliseconds(5)) }
        #expect(hub.fetches(of: Self.file).isEmpty)
        // The other program brings it.
        try hub.write(HubFixture.weights, to: hub.blob(Self.file))
        close(lock)
        _ = try await snapshot
        #expect(hub.fetches(of: Self.file).isEmpty)
        #expect(hub.content(hub.snapshot + "/model.safetensors") == HubFixture.weights)
    }

    @Test("a cancelled download ends at once, and keeps what came")
    func cancelled() async throws {
        let hub = try await HubFixture { request, answer in
            if request.isContentNetwork {
                answer.set("Content-Length", "300000")
                answer.body = .bytes(Array(HubFixture.weights.prefix(100_000)))
            }
        }
        let download = Task { try await hub.download() }
        while hub.content(hub.partial(Self.file))?.count != 100_000 { try await Task.sleep(for: .milliseconds(5)) }
        download.cancel()
        await #expect(throws: HubError.interrupted) { try await download.value }
        #expect(hub.content(hub.partial(Self.file))?.count == 100_000)
    }
}
