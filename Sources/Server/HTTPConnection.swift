// One client connection: HTTP/1 requests read whole, answered one after the other, every phase bounded.

import Access
import NIOCore
import NIOHTTP1
import Observability
import OpenAI
import Primitives

/// The last handler of a connection's pipeline, behind the HTTP decoder and encoder.
///
/// Reads a request with its body, hands it over as an `HTTPExchange`, writes the answer and begins anew. It goes on
/// reading while an answer is under way, so that a client that goes away is noticed at once and keep-alive is kept;
/// pipelined requests wait here, within a limit.
final class HTTPConnection: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = HTTPServerResponsePart

    private enum Phase {
        case awaitingHead
        case readingBody(HTTPRequestHead)
        case responding(HTTPExchange)
        /// The last response is out, or on its way. What the client still sends is dropped, but read: closing a
        /// socket with unread bytes would reset it, and the client could lose the response.
        case lingering
        case closed
    }

    private let limits: ConnectionLimits
    private let registry: ConnectionRegistry
    private let metrics: HTTPMetrics
    private let gate: RequestGate
    private let exchanges: AsyncStream<HTTPExchange>.Continuation
    private var context: ChannelHandlerContext?
    private var phase = Phase.awaitingHead
    /// Bounds the phase; a stalled write has its own.
    private var phaseTimer: Scheduled<Void>?
    private var writeTimer: Scheduled<Void>?

    // The request that is read or answered.
    private var body = ByteBuffer()
    private var receivedAt = Instant(nanoseconds: 0)
    private var reservedBytes = 0
    private var framing = ResponseFraming()
    /// Whether whoever sends the request may have it answered.
    private var decision = AccessDecision.granted(.anonymous)
    private var hasBegunResponse = false
    /// The answer under way, until it is counted.
    private var answer: HTTPMetrics.Answer?

    // What came while a response was under way.
    private var backlog = CircularBuffer<HTTPServerRequestPart>()
    private var backlogBytes = 0
    private var hasHeldRead = false
    private var hasUnreadableInput = false
    private var hasInputClosed = false
    private var hasPartialHead = false

    init(
        configuration: ServerConfiguration, registry: ConnectionRegistry, metrics: HTTPMetrics, gate: RequestGate,
        exchanges: AsyncStream<HTTPExchange>.Continuation
    ) {
        limits = configuration.connections
        self.registry = registry
        self.metrics = metrics
        self.gate = gate
        self.exchanges = exchanges
    }

    // MARK: - The channel's life

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        registry.note(context.channel, isIdle: true)
        // A fresh connection has something to say.
        startTimer(limits.headTimeout) { $0.headIsLate() }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        if case .responding(let exchange) = phase { exchange.clientWentAway() }
        countAnswer()
        phase = .closed
        stopTimers()
        releaseBody()
        backlog.removeAll()
        registry.remove(context.channel)
        exchanges.finish()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .inputClosed? = event as? ChannelEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        hasInputClosed = true
        switch phase {
        // HTTP allows a client to close its half and still read. It looks the same as one that has gone, and it is
        // nearly always that: generation ends, short answers are written.
        case .responding(let exchange): exchange.clientWentAway()
        case .awaitingHead, .readingBody, .lingering: context.close(promise: nil)
        case .closed: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError || error is ByteToMessageDecoderError.PayloadTooLargeError else {
            return context.close(promise: nil)
        }
        switch phase {
        case .awaitingHead, .readingBody: refuseInput(error)
        case .responding: hasUnreadableInput = true
        case .lingering, .closed: break
        }
    }

    private func refuseInput(_ error: (any Error)? = nil) {
        if error is ByteToMessageDecoderError.PayloadTooLargeError {
            return refuse(RequestError(.tooLarge, "The request's target is too long."), status: .uriTooLong)
        }
        refuse(RequestError(.malformed, "The request is not valid HTTP/1.1, or its headers are too large."))
    }

    func read(context: ChannelHandlerContext) {
        if backlogBytes > limits.pipelinedBytes {
            hasHeldRead = true
        } else {
            context.read()
        }
    }

    /// The first bytes of a request are here; its head may still take a while.
    func bytesArrived() {
        guard case .awaitingHead = phase, !hasPartialHead, let context else { return }
        hasPartialHead = true
        registry.note(context.channel, isIdle: false)
        startTimer(limits.headTimeout) { $0.headIsLate() }
    }

    // MARK: - Reading a request

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        switch phase {
        case .awaitingHead, .readingBody:
            read(part)
        case .responding:
            backlog.append(part)
            backlogBytes += part.estimatedBytes
        case .lingering, .closed:
            break
        }
    }

    private func read(_ part: HTTPServerRequestPart) {
        switch (part, phase) {
        case (.head(let head), .awaitingHead): begin(head)
        case (.body(let bytes), .readingBody): append(bytes)
        case (.end, .readingBody(let head)): complete(head)
        default: refuseInput()
        }
    }

    private func begin(_ head: HTTPRequestHead) {
        receivedAt = .now()
        hasPartialHead = false
        phase = .readingBody(head)
        hasBegunResponse = false
        answer = HTTPMetrics.Answer(head)
        framing.begin(responseTo: head, adding: gate.answerHeaders(to: head))
        if let context { registry.note(context.channel, isIdle: false) }
        guard head.uri.utf8.count <= limits.uriBytes else {
            let sentence = "The request's target is longer than \(limits.uriBytes) bytes."
            return refuse(RequestError(.tooLarge, sentence), status: .uriTooLong)
        }
        if let error = gate.error(of: head) { return refuse(error) }
        decision = gate.decision(for: head, from: context?.remoteAddress)
        if let denial = gate.denialAtOnce(head, decision) { return refuse(ErrorMapping.response(to: denial)) }
        if let length = head.headers.first(name: "content-length") {
            guard let count = Int(length), count <= largestBody else { return refuseSize() }
            answer?.requestBytes = count
        }
        if head.version != .http1_0, head.headers.first(name: "expect")?.lowercased() == "100-continue" {
            context?.writeAndFlush(
                wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .continue))), promise: nil)
        }
        startTimer(limits.bodyTimeout) { $0.bodyIsLate() }
    }

    private func append(_ bytes: ByteBuffer) {
        let count = bytes.readableBytes
        guard count <= largestBody - body.readableBytes else { return refuseSize() }
        guard registry.reserve(count) else {
            return refuse(RequestError(.overloaded, "The server holds too many request bodies at the moment."))
        }
        reservedBytes += count
        body.writeImmutableBuffer(bytes)
    }

    private func complete(_ head: HTTPRequestHead) {
        guard let context else { return }
        stopTimers()
        let request = HTTPRequest(
            head: head, body: body, receivedAt: receivedAt, preflightAnswer: gate.preflightAnswer(to: head))
        body = ByteBuffer()
        let exchange = HTTPExchange(
            request: request, decision: decision,
            identity: RequestIdentity(id: framing.requestID, caller: head.headers.callerTrace),
            connection: NIOLoopBound(self, eventLoop: context.eventLoop), eventLoop: context.eventLoop)
        phase = .responding(exchange)
        if hasInputClosed { exchange.clientWentAway() }
        exchanges.yield(exchange)
    }

    private func releaseBody() {
        body = ByteBuffer()
        registry.release(reservedBytes)
        reservedBytes = 0
    }

    /// Nothing large is taken from whoever has not shown that it may be sent.
    private var largestBody: Int {
        gate.isStranger(decision) ? min(limits.requestBytes, limits.strangersBytes) : limits.requestBytes
    }

    private func refuseSize() {
        if case .denied(let denial) = decision { return refuse(ErrorMapping.response(to: denial)) }
        refuse(RequestError(.tooLarge, "The request body is larger than \(largestBody) bytes."))
    }

    // MARK: - Deadlines

    private func startTimer(_ duration: Duration, _ action: @escaping (HTTPConnection) -> Void) {
        phaseTimer?.cancel()
        phaseTimer = context?.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(duration)) { [weak self] in
            if let self { action(self) }
        }
    }

    private func stopTimers() {
        phaseTimer?.cancel()
        phaseTimer = nil
        writeTimer?.cancel()
        writeTimer = nil
    }

    private func headIsLate() {
        // Whoever has sent nothing expects nothing.
        guard hasPartialHead else {
            context?.close(promise: nil)
            return
        }
        refuse(RequestError(.tooSlow, "The request's head took too long to arrive."))
    }

    private func bodyIsLate() {
        let earned = Duration.seconds(Double(body.readableBytes) / Double(max(1, limits.bodyBytesPerSecond)))
        let left = limits.bodyTimeout + earned - .seconds(Instant.now().seconds(since: receivedAt))
        guard left <= .zero else { return startTimer(left) { $0.bodyIsLate() } }
        refuse(RequestError(.tooSlow, "The request's body took too long to arrive."))
    }

    // MARK: - Writing a response

    /// Answers what is no complete request, and closes.
    private func refuse(_ error: RequestError, status: HTTPResponseStatus? = nil) {
        refuse(ErrorMapping.response(to: error, status: status))
    }

    private func refuse(_ response: HTTPResponse) {
        guard let context else { return }
        stopTimers()
        framing.keepsAlive = false
        releaseBody()
        // Nothing more is handed over; the response itself is written from here.
        phase = .lingering
        if answer == nil {
            metrics.answered(HTTPMetrics.Answer(route: nil, status: Int(response.status.code), seconds: 0))
        } else {
            answer?.note(.whole(response))
            countAnswer()
        }
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { [weak self] _ in self?.linger() }
        write(.whole(response), context: context, promise: promise)
    }

    /// Writes a piece of the response to `exchange`. The promise succeeds when the system has all of its bytes.
    func send(_ piece: HTTPResponsePiece, of exchange: HTTPExchange, promise: EventLoopPromise<Void>) {
        guard let context, case .responding(let current) = phase, current === exchange,
            piece.isFirst != hasBegunResponse
        else {
            return promise.fail(ChannelError.ioOnClosedChannel)
        }
        hasBegunResponse = true
        answer?.note(piece)
        if piece.isLast {
            promise.futureResult.assumeIsolated().whenSuccess { [weak self] in self?.endResponse() }
        }
        write(piece, context: context, promise: promise)
    }

    private func write(_ piece: HTTPResponsePiece, context: ChannelHandlerContext, promise: EventLoopPromise<Void>) {
        var isWritten = false
        promise.futureResult.assumeIsolated().whenComplete { [weak self] _ in
            isWritten = true
            self?.writeTimer?.cancel()
        }
        if registry.isDraining { framing.keepsAlive = false }
        var parts = framing.parts(of: piece)
        guard let last = parts.popLast() else { return promise.succeed() }
        for part in parts {
            context.write(wrapOutboundOut(part), promise: nil)
        }
        context.writeAndFlush(wrapOutboundOut(last), promise: promise)
        guard !isWritten else { return }
        let begun = Instant.now()
        promise.futureResult.assumeIsolated().whenComplete { [metrics] _ in
            metrics.waitedForReader(seconds: Instant.now().seconds(since: begun))
        }
        writeTimer = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(limits.writeStallTimeout)) {
            [weak self] in
            self?.context?.close(promise: nil)
        }
    }

    /// Drops a response that will not be completed: only closing tells the client.
    func abandon(_ exchange: HTTPExchange) {
        guard case .responding(let current) = phase, current === exchange else { return }
        context?.close(promise: nil)
    }

    /// Counts the answer under way, once, whether it is complete or not.
    private func countAnswer() {
        guard var answer else { return }
        self.answer = nil
        answer.seconds = Instant.now().seconds(since: receivedAt)
        metrics.answered(answer)
    }

    private func endResponse() {
        guard let context, case .responding(let exchange) = phase else { return }
        countAnswer()
        exchange.delivered()
        releaseBody()
        guard framing.keepsAlive else { return linger() }
        phase = .awaitingHead
        framing.reset()
        drainBacklog()
        guard case .awaitingHead = phase else { return }
        if hasUnreadableInput { return refuseInput() }
        if hasInputClosed { return context.close(promise: nil) }
        registry.note(context.channel, isIdle: true)
        startTimer(limits.keepAliveTimeout) { $0.headIsLate() }
    }

    private func drainBacklog() {
        while let part = backlog.first {
            switch phase {
            case .awaitingHead, .readingBody:
                backlog.removeFirst()
                backlogBytes -= part.estimatedBytes
                read(part)
            case .responding, .lingering, .closed:
                return
            }
        }
        if hasUnreadableInput, case .readingBody = phase { return refuseInput() }
        if hasHeldRead, backlogBytes <= limits.pipelinedBytes {
            hasHeldRead = false
            context?.read()
        }
    }

    /// Tells the client that this was all, and gives it time to read it.
    private func linger() {
        guard let context else { return }
        phase = .lingering
        backlog.removeAll()
        backlogBytes = 0
        if hasInputClosed { return context.close(promise: nil) }
        context.close(mode: .output, promise: nil)
        registry.note(context.channel, isIdle: true)
        startTimer(limits.lingerTimeout) { $0.context?.close(promise: nil) }
        if hasHeldRead {
            hasHeldRead = false
            context.read()
        }
    }
}

extension HTTPServerRequestPart {
    /// What it takes in memory, roughly.
    fileprivate var estimatedBytes: Int {
        switch self {
        case .head(let head):
            head.headers.reduce(256 + head.uri.utf8.count) { $0 + 64 + $1.name.utf8.count + $1.value.utf8.count }
        case .body(let bytes): 64 + bytes.readableBytes
        case .end: 64
        }
    }
}
