// A server on loopback that answers as a test says, byte for byte.

import JSON
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

struct ReceivedRequest: Sendable {
    let method: String
    let path: String
    let headers: HTTPHeaders
    let body: String

    var json: JSONValue? { try? JSONParser.parse(body) }
}

struct ScriptedAnswer: Sendable {
    var status: HTTPResponseStatus = .ok
    /// Written one by one, each flushed.
    var pieces: [String] = []
    /// Whether the connection is cut instead of the body's end.
    var hangsUp = false

    /// A stream of completions whose chunks hold `texts`.
    static func stream(_ texts: [String], usage: (prompt: Int, completion: Int)? = (7, 3)) -> ScriptedAnswer {
        var pieces = texts.map { text in
            let choice: JSONValue = ["index": 0, "text": .string(text), "finish_reason": nil]
            return event(["id": "cmpl-1", "choices": [choice], "usage": nil])
        }
        if let usage {
            pieces.append(
                event([
                    "id": "cmpl-1", "choices": [],
                    "usage": [
                        "prompt_tokens": .integer(Int64(usage.prompt)),
                        "completion_tokens": .integer(Int64(usage.completion)),
                        "total_tokens": .integer(Int64(usage.prompt + usage.completion)),
                    ],
                ]))
        }
        return ScriptedAnswer(pieces: pieces + ["data: [DONE]\n\n"])
    }

    static func event(_ value: JSONValue) -> String {
        "data: \(value.serialized())\n\n"
    }
}

/// What has come in, for tests to look at afterwards.
final class ServerLog: Sendable {
    private let entries = Mutex<[ReceivedRequest]>([])
    private let active = Mutex<(now: Int, most: Int)>((0, 0))
    private let metrics: Mutex<[String]>

    init(metrics: [String]) {
        self.metrics = Mutex(metrics)
    }

    var requests: [ReceivedRequest] { entries.withLock { $0 } }
    /// The most requests that were open at once.
    var mostActive: Int { active.withLock { $0.most } }

    func begin() {
        active.withLock {
            $0.now += 1
            $0.most = max($0.most, $0.now)
        }
    }

    /// Gives the request its number.
    func add(_ request: ReceivedRequest) -> Int {
        entries.withLock {
            $0.append(request)
            return $0.count - 1
        }
    }

    func nextMetrics() -> String? {
        metrics.withLock { $0.count > 1 ? $0.removeFirst() : $0.first }
    }

    func end() {
        active.withLock { $0.now -= 1 }
    }
}

enum ScriptedServer {
    /// Runs `body` beside a server that gives `answer` to each request, by its number of arrival.
    ///
    /// - Parameter metrics: What `/metrics` says, each time the next, the last one again and again; none: 404. These
    ///   requests have no number.
    static func run<Result: Sendable>(
        metrics: [String] = [],
        answer: @escaping @Sendable (Int, ReceivedRequest) -> ScriptedAnswer,
        _ body: (_ port: Int, _ log: ServerLog) async throws -> Result
    ) async throws -> Result {
        let log = ServerLog(metrics: metrics)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(AnswerHandler(log: log, answer: answer))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        do {
            let result = try await body(channel.localAddress?.port ?? 0, log)
            try await channel.close()
            return result
        } catch {
            try? await channel.close()
            throw error
        }
    }

    /// A port on which nobody listens.
    static func closedPort() async throws -> Int {
        try await run(answer: { _, _ in ScriptedAnswer() }, { port, _ in port })
    }
}

private final class AnswerHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let log: ServerLog
    private let answer: @Sendable (Int, ReceivedRequest) -> ScriptedAnswer
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()

    init(log: ServerLog, answer: @escaping @Sendable (Int, ReceivedRequest) -> ScriptedAnswer) {
        self.log = log
        self.answer = answer
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body.clear()
        case .body(var part):
            body.writeBuffer(&part)
        case .end:
            guard let head else { return }
            let request = ReceivedRequest(
                method: head.method.rawValue, path: head.uri, headers: head.headers, body: String(buffer: body))
            log.begin()
            if request.path == "/metrics" {
                let text = log.nextMetrics()
                send(text.map { ScriptedAnswer(pieces: [$0]) } ?? ScriptedAnswer(status: .notFound), context: context)
            } else {
                send(answer(log.add(request), request), context: context)
            }
        }
    }

    private func send(_ answer: ScriptedAnswer, context: ChannelHandlerContext) {
        let headers: HTTPHeaders = ["Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"]
        let head = HTTPResponseHead(version: .http1_1, status: answer.status, headers: headers)
        context.writeAndFlush(wrapOutboundOut(.head(head)), promise: nil)
        send(answer.pieces[...], of: answer, context: context)
    }

    /// One piece for each round of the event loop, so that they arrive apart and requests overlap.
    private func send(_ pieces: ArraySlice<String>, of answer: ScriptedAnswer, context: ChannelHandlerContext) {
        guard let piece = pieces.first else {
            log.end()
            if answer.hangsUp {
                context.close(promise: nil)
            } else {
                context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            }
            return
        }
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: piece)))), promise: nil)
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: .milliseconds(1)) {
            let (handler, context) = bound.value
            handler.send(pieces.dropFirst(), of: answer, context: context)
        }
    }
}
