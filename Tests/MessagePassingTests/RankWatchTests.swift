import Foundation
import MessagePassing
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// What a watch has reported.
private final class Reported: Sendable {
    private let state = Mutex<(errors: [RankError], ends: Int)>(([], 0))

    var errors: [RankError] { state.withLock { $0.errors } }
    var ends: Int { state.withLock { $0.ends } }

    var reports: RankWatch.Reports {
        RankWatch.Reports(
            lost: { error in self.state.withLock { $0.errors.append(error) } },
            ended: { self.state.withLock { $0.ends += 1 } })
    }

    /// Waits for a report, at most two seconds.
    func wait() async throws {
        let deadline = ContinuousClock.now + .seconds(2)
        while errors.isEmpty, ends == 0, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(5)) }
    }
}

@Suite("Ranks that watch each other", .serialized)
struct RankWatchTests {
    private static var timing: RankWatch.Timing {
        var timing = RankWatch.Timing()
        timing.pulse = .milliseconds(20)
        timing.silence = .milliseconds(300)
        timing.assembly = .seconds(60)
        return timing
    }

    private func host(_ reported: Reported, rankCount: Int = 2, _ timing: RankWatch.Timing = timing) async throws
        -> RankWatch
    {
        try await RankWatch.host(rankCount: rankCount, isLocal: true, timing: timing, reports: reported.reports)
    }

    /// A connection to a watch that says what a test tells it to, and nothing else.
    private func connect(_ invitation: String, greeting: (_ secret: [UInt8]) -> [UInt8]) async throws -> any Channel {
        let fields = invitation.split(separator: " ")
        let port = try #require(Int(fields[0]))
        let secret = fields[1].split(separator: ".").compactMap { UInt8($0, radix: 16) }
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port).get()
        try await channel.writeAndFlush(ByteBuffer(bytes: greeting(secret))).get()
        return channel
    }

    @Test("while all are well nobody is lost, and who takes leave isn't either")
    func farewell() async throws {
        let first = Reported(), second = Reported()
        let host = try await host(first)
        let other = try await RankWatch.join(host.invitation, rank: 1, timing: Self.timing, reports: second.reports)
        try await Task.sleep(for: .milliseconds(700))
        #expect(first.errors.isEmpty && second.errors.isEmpty && second.ends == 0)
        await host.close()
        try await second.wait()
        #expect(second.ends == 1 && second.errors.isEmpty && first.errors.isEmpty)
        await other.close()
    }

    @Test("a process that ends without a word is lost at once")
    func death() async throws {
        let reported = Reported()
        let host = try await host(reported, rankCount: 3)
        let channel = try await connect(host.invitation) { $0 + [2, 0] }
        try await Task.sleep(for: .milliseconds(50))
        let clock = ContinuousClock.now
        try await channel.close().get()
        try await reported.wait()
        #expect(ContinuousClock.now - clock < .milliseconds(250))
        #expect(reported.errors == [.lost(rank: 2, "its process has ended")])
        await host.close()
    }

    @Test("a process that falls silent is lost after the time it may be silent")
    func silence() async throws {
        let reported = Reported()
        let host = try await host(reported)
        let channel = try await connect(host.invitation) { $0 + [1, 0] }
        try await reported.wait()
        #expect(reported.errors.count == 1 && reported.errors.first?.description.contains("nothing was heard") == true)
        await host.close()
        try? await channel.close().get()
    }

    @Test("the others notice that rank 0 is gone")
    func lossOfTheFirst() async throws {
        let reported = Reported()
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.scheduleTask(in: .milliseconds(100)) { channel.close(promise: nil) }
                return channel.eventLoop.makeSucceededVoidFuture()
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(listener.localAddress?.port)
        let secret = (0..<16).map { String($0, radix: 16) }.joined(separator: ".")
        let watch = try await RankWatch.join(
            "\(port) \(secret) 127.0.0.1", rank: 1, timing: Self.timing, reports: reported.reports)
        try await reported.wait()
        #expect(reported.errors == [.lost(rank: 0, "its process has ended")])
        await watch.close()
        try await listener.close().get()
    }

    @Test("a stranger without the secret is nobody's loss, and a rank that never comes is")
    func strangers() async throws {
        let reported = Reported()
        var timing = Self.timing
        timing.assembly = .milliseconds(500)
        let host = try await host(reported, timing)
        for greeting in [[UInt8](repeating: 0, count: 18), [1, 2, 3]] {
            let channel = try await connect(host.invitation) { _ in greeting }
            // The host may have closed it first.
            try? await channel.close().get()
        }
        try await Task.sleep(for: .milliseconds(200))
        #expect(reported.errors.isEmpty)
        try await reported.wait()
        #expect(reported.errors == [.lost(rank: 1, "it did not come within its time")])
        await host.close()
    }

    @Test("an invitation that is none is refused", arguments: ["", "80", "80 1.2 127.0.0.1", "x y z"])
    func badInvitations(text: String) async {
        await #expect(throws: RankError.self) {
            _ = try await RankWatch.join(text, rank: 1, reports: Reported().reports)
        }
    }
}
