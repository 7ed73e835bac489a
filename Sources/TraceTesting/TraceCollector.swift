// A receiver of traces, for tests.

import NIOCore
public import NIOHTTP1
import NIOPosix
import Synchronization

/// An OTLP/HTTP receiver on loopback that keeps what it gets and answers as a test says.
public final class TraceCollector: Sendable {
    public struct Request: Sendable {
        public var method: HTTPMethod
        public var path: String
        public var headers: HTTPHeaders
        public var body: [UInt8]
    }

    public struct Answer: Sendable {
        public var status = HTTPResponseStatus.ok
        public var headers = HTTPHeaders()
        public var body: [UInt8] = []
        /// Never answers at all.
        public var isSilent = false

        public init(status: HTTPResponseStatus = .ok) {
            self.status = status
        }
    }

    private struct State {
        var requests: [Request] = []
        var spans: [ReceivedSpan] = []
    }

    public let port: Int
    private let channel: any Channel
    private let log: Log

    /// - Parameter answer: To each request, by its number of arrival. Spans count as received with a 2xx.
    public init(answer: @escaping @Sendable (Int) -> Answer = { _ in Answer() }) async throws {
        let log = Log()
        self.log = log
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(log: log, answer: answer))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = channel.localAddress?.port ?? 0
    }

    deinit {
        channel.close(promise: nil)
    }

    public var url: String { "http://127.0.0.1:\(port)/v1/traces" }
    public var requests: [Request] { log.state.withLock { $0.requests } }
    public var spans: [ReceivedSpan] { log.state.withLock { $0.spans } }

    private final class Log: Sendable {
        let state = Mutex(State())

        func add(_ request: Request) -> Int {
            state.withLock { state in
                state.requests.append(request)
                return state.requests.count - 1
            }
        }

        func add(_ spans: [ReceivedSpan]) {
            state.withLock { $0.spans += spans }
        }
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let log: Log
        private let answer: @Sendable (Int) -> Answer
        private var request: Request?

        init(log: Log, answer: @escaping @Sendable (Int) -> Answer) {
            self.log = log
            self.answer = answer
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                request = Request(method: head.method, path: head.uri, headers: head.headers, body: [])
            case .body(let part):
                request?.body += part.readableBytesView
            case .end:
                guard let request else { return }
                let answer = answer(log.add(request))
                if answer.isSilent { return }
                if (200..<300).contains(answer.status.code) { log.add(ReceivedSpan.all(in: request.body) ?? []) }
                send(answer, context: context)
            }
        }

        private func send(_ answer: Answer, context: ChannelHandlerContext) {
            var headers = answer.headers
            headers.replaceOrAdd(name: "content-type", value: "application/x-protobuf")
            headers.replaceOrAdd(name: "content-length", value: "\(answer.body.count)")
            let head = HTTPResponseHead(version: .http1_1, status: answer.status, headers: headers)
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: answer.body)))), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}
