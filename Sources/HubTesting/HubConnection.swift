// A connection to the test's Hub.

internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// Answers each request, and breaks off where it is told to.
final class HubConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let answer: (HTTPRequestHead) -> HubServer.Answer
    private var head: HTTPRequestHead?

    init(answer: @escaping (HTTPRequestHead) -> HubServer.Answer) {
        self.answer = answer
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body: break
        case .end:
            guard let head else { return }
            let answer = answer(head)
            if !answer.isSilent { send(answer, isHead: head.method == .HEAD, context) }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func send(_ answer: HubServer.Answer, isHead: Bool, _ context: ChannelHandlerContext) {
        var headers = HTTPHeaders(answer.headers.map { ($0.name, $0.value) })
        if !headers.contains(name: "Content-Length"), !headers.contains(name: "Transfer-Encoding") {
            headers.add(name: "Content-Length", value: "\(answer.length)")
        }
        let status = HTTPResponseStatus(statusCode: answer.status)
        context.write(
            wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))), promise: nil)
        let count = isHead ? 0 : min(answer.length, answer.cut ?? .max)
        let promise = context.eventLoop.makePromise(of: Void.self)
        switch answer.body {
        case .bytes(let bytes):
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: bytes.prefix(count))))), promise: promise)
        case .file(let path, let range):
            guard count > 0, let file = try? NIOFileHandle(_deprecatedPath: path) else {
                promise.succeed()
                break
            }
            let region = FileRegion(
                fileHandle: file, readerIndex: range.lowerBound, endIndex: range.lowerBound + count)
            context.write(wrapOutboundOut(.body(.fileRegion(region))), promise: promise)
            promise.futureResult.whenComplete { _ in try? file.close() }
        }
        if answer.cut != nil, !isHead {
            let context = NIOLoopBound(context, eventLoop: context.eventLoop)
            // Late enough for the client to have read what came before.
            promise.futureResult.whenComplete { _ in
                context.eventLoop.scheduleTask(in: .milliseconds(30)) { context.value.close(promise: nil) }
            }
            context.value.flush()
        } else {
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}
