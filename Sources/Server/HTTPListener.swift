// The listening socket and the connections that come of it.

import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Observability

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Listens from the moment it is made; connections wait until `run`.
final class HTTPListener: Sendable {
    /// Accepted connections, each as the stream of its requests; nil where there was no room for one.
    private typealias Server = NIOAsyncChannel<AsyncStream<HTTPExchange>?, Never>

    let registry: ConnectionRegistry
    private let group: MultiThreadedEventLoopGroup
    private let server: Server

    init(
        configuration: ServerConfiguration, metrics: HTTPMetrics, gate: RequestGate, tls: TLSIdentity?
    ) async throws(ServerError) {
        let registry = ConnectionRegistry(limits: configuration.connections)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: max(1, configuration.eventLoopCount))
        self.registry = registry
        self.group = group
        do {
            server = try await Self.bind(
                configuration, registry: registry, metrics: metrics, gate: gate, tls: tls, group: group)
        } catch {
            try? await group.shutdownGracefully()
            throw ServerError.cannotListen(address: configuration.address, reason: "\(error)")
        }
    }

    /// The port that the system chose, if it was asked to; nil on a Unix socket.
    var port: Int? { server.channel.localAddress?.port }

    private static func bind(
        _ configuration: ServerConfiguration, registry: ConnectionRegistry, metrics: HTTPMetrics,
        gate: RequestGate, tls: TLSIdentity?, group: MultiThreadedEventLoopGroup
    ) async throws -> Server {
        var bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: configuration.backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
        let accept: @Sendable (any Channel) -> EventLoopFuture<AsyncStream<HTTPExchange>?> = { channel in
            channel.eventLoop.makeCompletedFuture {
                if let tls {
                    try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls.context))
                }
                return try setUp(
                    channel, configuration: configuration, registry: registry, metrics: metrics, gate: gate)
            }
        }
        if let path = configuration.unixSocketPath {
            return try await bootstrap.bind(
                unixDomainSocketPath: path, cleanupExistingSocketFile: true, childChannelInitializer: accept)
        }
        for (option, value) in tcpOptions(configuration.connections) {
            bootstrap = bootstrap.childChannelOption(.tcpOption(option), value: value)
        }
        bootstrap = bootstrap.childChannelOption(.socketOption(.so_keepalive), value: 1)
        return try await bootstrap.bind(
            host: configuration.host, port: configuration.port, childChannelInitializer: accept)
    }

    /// Has the system find peers that vanished without a word, idle or in the middle of a response.
    private static func tcpOptions(_ limits: ConnectionLimits) -> [(NIOBSDSocket.Option, SocketOptionValue)] {
        var options: [(NIOBSDSocket.Option, SocketOptionValue)] = [(.tcp_nodelay, 1)]
        #if os(Linux)
            let seconds = limits.writeStallTimeout.components.seconds
            options += [
                (NIOBSDSocket.Option(rawValue: TCP_KEEPIDLE), SocketOptionValue(limits.probeDelaySeconds)),
                (NIOBSDSocket.Option(rawValue: TCP_KEEPINTVL), SocketOptionValue(limits.probeIntervalSeconds)),
                (NIOBSDSocket.Option(rawValue: TCP_KEEPCNT), SocketOptionValue(limits.probeCount)),
                (NIOBSDSocket.Option(rawValue: TCP_USER_TIMEOUT), SocketOptionValue(min(max(1, seconds), 3600) * 1000)),
            ]
        #endif
        return options
    }

    /// Builds the pipeline of a new connection. Nil: there is no room for it.
    private static func setUp(
        _ channel: any Channel, configuration: ServerConfiguration, registry: ConnectionRegistry, metrics: HTTPMetrics,
        gate: RequestGate
    ) throws -> AsyncStream<HTTPExchange>? {
        guard registry.admit(channel) else {
            channel.close(promise: nil)
            return nil
        }
        let (exchanges, continuation) = AsyncStream.makeStream(of: HTTPExchange.self)
        let connection = HTTPConnection(
            configuration: configuration, registry: registry, metrics: metrics, gate: gate, exchanges: continuation)
        let limits = configuration.connections
        var decoderLimits = NIOHTTPDecoderLimitConfiguration()
        decoderLimits.maxHeaderFieldSize = limits.headerFieldBytes
        decoderLimits.maxHeaderListSize = limits.headerListBytes
        decoderLimits.maxHeaderFieldCount = limits.headerCount
        // What the decoder can't take apart yet, such as a target without end, stays in its buffer.
        let decoder = ByteToMessageHandler(
            HTTPRequestDecoder(limitConfiguration: decoderLimits),
            maximumBufferSize: max(limits.uriBytes, limits.headerListBytes))
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandlers([ByteArrivalHandler(connection), HTTPResponseEncoder(), decoder, connection])
        return exchanges
    }

    // MARK: - Serving

    /// Answers requests until `stop`, or until the listening socket fails.
    func run(_ respond: @escaping @Sendable (HTTPExchange) async -> Void) async throws {
        try await withThrowingDiscardingTaskGroup { group in
            defer { registry.closeAll() }
            try await server.executeThenClose { connections in
                for try await exchanges in connections {
                    guard let exchanges else { continue }
                    group.addTask {
                        for await exchange in exchanges {
                            await respond(exchange)
                            exchange.abandon()
                        }
                    }
                }
            }
        }
    }

    /// Closes the listening socket and every connection; `run` returns.
    func stop() {
        server.channel.close(promise: nil)
        registry.closeAll()
    }

    /// Lets go of the address without ever having run.
    func close() async {
        try? await server.executeThenClose { _ in }
        await shutDown()
    }

    /// Ends the threads. After `run` only.
    func shutDown() async {
        try? await group.shutdownGracefully()
    }
}

extension ServerConfiguration {
    /// The same for a listener of metrics alone; nil if the API's serves them.
    var forMetrics: ServerConfiguration? {
        guard let metricsPort else { return nil }
        var configuration = self
        configuration.host = metricsHost ?? host
        configuration.port = metricsPort
        configuration.unixSocketPath = nil
        return configuration
    }

    /// Where the server listens, for people.
    var address: String {
        if let unixSocketPath { return unixSocketPath }
        return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}
