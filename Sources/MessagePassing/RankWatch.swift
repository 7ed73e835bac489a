// Ranks that listen to each other's pulse: whoever dies, hangs or loses the network is noticed within two seconds.

internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// A connection between rank 0 and each of the others, apart from the one that carries batches.
///
/// A process that dies closes its connection at once, since the system does so for it; one that is stopped, or whose
/// machine is gone, falls silent.
public final class RankWatch: Sendable {
    public struct Timing: Sendable {
        public var pulse = Duration.milliseconds(200)
        /// So long a rank may be silent.
        public var silence = Duration.milliseconds(1500)
        /// So long the others may take until they have all come to rank 0.
        public var assembly = Duration.seconds(60)

        public init() {}
    }

    /// What a watch has to say, from a thread of its own.
    public struct Reports: Sendable {
        /// A rank is lost.
        public var lost: @Sendable (RankError) -> Void
        /// Rank 0 has taken leave: there is nothing more to do.
        public var ended: @Sendable () -> Void

        public init(lost: @escaping @Sendable (RankError) -> Void, ended: @escaping @Sendable () -> Void = {}) {
            self.lost = lost
            self.ended = ended
        }
    }

    private let group: MultiThreadedEventLoopGroup
    private let ring: WatchRing

    /// Where rank 0 can be reached, in words that it sends to the others; empty for these.
    public let invitation: String

    private init(group: MultiThreadedEventLoopGroup, ring: WatchRing, invitation: String) {
        self.group = group
        self.ring = ring
        self.invitation = invitation
    }

    /// Rank 0's: waits for the others to come.
    ///
    /// - Parameter isLocal: Whether all ranks are on this machine; then nobody else can reach it.
    public static func host(
        rankCount: Int, isLocal: Bool, timing: Timing = Timing(), reports: Reports
    ) async throws -> RankWatch {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let secret = (0..<16).map { _ in UInt8.random(in: 0...255) }
        let ring = WatchRing(rank: 0, expected: Set(1..<rankCount), timing: timing, reports: reports)
        let server = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 256)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        PulseHandler(ring: ring, secret: secret, peer: nil, ownRank: 0))
                }
            }
            .bind(host: isLocal ? "127.0.0.1" : "0.0.0.0", port: 0).get()
        group.any().scheduleTask(in: TimeAmount(timing.assembly)) { ring.checkAssembly() }
        let port = server.localAddress?.port ?? 0
        let addresses = isLocal ? ["127.0.0.1"] : try ownAddresses()
        let text = secret.map { String($0, radix: 16) }.joined(separator: ".")
        return RankWatch(
            group: group, ring: ring, invitation: "\(port) \(text) \(addresses.joined(separator: " "))")
    }

    /// The other ranks': comes to rank 0 by its invitation.
    public static func join(
        _ invitation: String, rank: Int, timing: Timing = Timing(), reports: Reports
    ) async throws -> RankWatch {
        let fields = invitation.split(separator: " ").map(String.init)
        let secret = fields.count > 2 ? fields[1].split(separator: ".").compactMap { UInt8($0, radix: 16) } : []
        guard fields.count > 2, let port = Int(fields[0]), secret.count == 16 else {
            throw RankError.badMessage("rank 0's invitation")
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let ring = WatchRing(rank: rank, expected: [], timing: timing, reports: reports)
        for address in fields[2...] {
            let channel = try? await ClientBootstrap(group: group)
                .connectTimeout(.seconds(2))
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            PulseHandler(ring: ring, secret: secret, peer: 0, ownRank: rank))
                    }
                }
                .connect(host: address, port: port).get()
            if channel != nil { return RankWatch(group: group, ring: ring, invitation: "") }
        }
        throw RankError.lost(rank: 0, "it cannot be reached at \(fields[2...].joined(separator: ", "))")
    }

    private static func ownAddresses() throws -> [String] {
        try System.enumerateDevices().compactMap { device in
            guard let address = device.address, let text = address.ipAddress, address.protocol == .inet,
                !text.hasPrefix("127.")
            else { return nil }
            return text
        }
    }

    /// Takes leave of the others, so that the end of the connections is no loss to them.
    public func close() async {
        await ring.close()
        try? await group.shutdownGracefully()
    }
}

/// The connections of one rank.
final class WatchRing: Sendable {
    private struct State {
        var missing: Set<Int>
        var connections: [Int: any Channel] = [:]
        var isOver = false
    }

    let rank: Int
    let timing: RankWatch.Timing
    private let reports: RankWatch.Reports
    private let state: Mutex<State>

    init(rank: Int, expected: Set<Int>, timing: RankWatch.Timing, reports: RankWatch.Reports) {
        self.rank = rank
        self.timing = timing
        self.reports = reports
        state = Mutex(State(missing: expected))
    }

    /// A peer has said who it is; false if it is not expected.
    func add(_ peer: Int, _ channel: any Channel) -> Bool {
        state.withLock { state in
            guard rank != 0 || state.missing.remove(peer) != nil else { return false }
            state.connections[peer] = channel
            return true
        }
    }

    /// Only the first loss is told: the others come of it.
    func lose(_ peer: Int, _ reason: String) {
        let isFirst = state.withLock { state in
            defer { state.isOver = true }
            return !state.isOver
        }
        if isFirst { reports.lost(.lost(rank: peer, reason)) }
    }

    func end() {
        let isFirst = state.withLock { state in
            defer { state.isOver = true }
            return !state.isOver
        }
        if isFirst { reports.ended() }
    }

    func checkAssembly() {
        if let missing = state.withLock({ $0.missing.min() }) { lose(missing, "it did not come within its time") }
    }

    func close() async {
        let channels = state.withLock { state in
            state.isOver = true
            return Array(state.connections.values)
        }
        for channel in channels {
            try? await channel.writeAndFlush(ByteBuffer(bytes: [PulseHandler.farewell])).get()
            try? await channel.close().get()
        }
    }
}

/// One connection: the one who came says who it is, then both send a byte at every pulse.
private final class PulseHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    static let beat = UInt8(ascii: "b")
    static let farewell = UInt8(ascii: "q")

    private let ring: WatchRing
    private let secret: [UInt8]
    private let ownRank: Int
    private var peer: Int?
    private var lastHeard = NIODeadline.now()
    private var greeting: [UInt8] = []
    private var hasLeft = false

    init(ring: WatchRing, secret: [UInt8], peer: Int?, ownRank: Int) {
        self.ring = ring
        self.secret = secret
        self.peer = peer
        self.ownRank = ownRank
    }

    func channelActive(context: ChannelHandlerContext) {
        lastHeard = .now()
        if let peer {
            let rank = withUnsafeBytes(of: UInt16(clamping: ownRank).littleEndian) { Array($0) }
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: secret + rank)), promise: nil)
            _ = ring.add(peer, context.channel)
        }
        pulse(context)
    }

    private func pulse(_ context: ChannelHandlerContext) {
        context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(ring.timing.pulse)) { [weak self] in
            guard let self, context.channel.isActive else { return }
            let silence = NIODeadline.now() - self.lastHeard
            if silence > TimeAmount(self.ring.timing.silence) {
                let text = "nothing was heard of it for \(silence.nanoseconds / 1_000_000) ms"
                if let peer = self.peer { self.ring.lose(peer, text) }
                context.close(promise: nil)
                return
            }
            if self.peer != nil {
                context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(bytes: [Self.beat])), promise: nil)
            }
            self.pulse(context)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastHeard = .now()
        var bytes = unwrapInboundIn(data).readableBytesView[...]
        if peer == nil {
            let missing = secret.count + 2 - greeting.count
            greeting += bytes.prefix(missing)
            bytes = bytes.dropFirst(missing)
            guard greeting.count == secret.count + 2 else { return }
            let rank = Int(greeting[secret.count]) | Int(greeting[secret.count + 1]) << 8
            guard Array(greeting.prefix(secret.count)) == secret, ring.add(rank, context.channel) else {
                context.close(promise: nil)
                return
            }
            peer = rank
        }
        if bytes.contains(Self.farewell) {
            hasLeft = true
            if peer == 0 { ring.end() }
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if let peer, !hasLeft { ring.lose(peer, "its process has ended") }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
