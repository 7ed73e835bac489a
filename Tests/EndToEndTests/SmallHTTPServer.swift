// An HTTP server of a few lines, for what the programs under test call.

import NIOCore
import NIOHTTP1
import NIOPosix

/// Answers every request by a closure, on a port of its own.
final class SmallHTTPServer: Sendable {
    struct Request: Sendable {
        var head: HTTPRequestHead
        var body = ByteBuffer()
    }

    struct Response: Sendable {
        var status = HTTPResponseStatus.ok
        var contentType = "application/json"
        var body = ByteBuffer()
    }

    let port: Int
    private let channel: any Channel

    init(answer: @escaping @Sendable (Request) async throws -> Response) async throws {
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(answer: answer))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = channel.localAddress?.port ?? 0
    }

    deinit { channel.close(promise: nil) }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let answer: @Sendable (Request) async throws -> Response
        private var request: Request?

        init(answer: @escaping @Sendable (Request) async throws -> Response) { self.answer = answer }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head): request = Request(head: head)
            case .body(var part): request?.body.writeBuffer(&part)
            case .end:
                guard let request else { return }
                let channel = context.channel
                let answer = answer
                Task {
                    let response = (try? await answer(request)) ?? Response(status: .badGateway)
                    let fields = HTTPHeaders([
                        ("Content-Type", response.contentType),
                        ("Content-Length", "\(response.body.readableBytes)"),
                    ])
                    let head = HTTPResponseHead(version: .http1_1, status: response.status, headers: fields)
                    channel.write(HTTPServerResponsePart.head(head), promise: nil)
                    channel.write(HTTPServerResponsePart.body(.byteBuffer(response.body)), promise: nil)
                    channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
                }
            }
        }
    }
}
