// A request and the way back to its client, for the task that answers it.

import Access
import NIOCore
import NIOHTTP1
import Observability
import Synchronization

/// What is written at once. A response is `whole`, or a `head`, any `bytes` and the `end` with the last of them.
enum HTTPResponsePiece: Sendable {
    case whole(HTTPResponse)
    /// Without a length the body is chunked.
    case head(HTTPResponseStatus, HTTPHeaders, length: Int?)
    case bytes(ByteBuffer)
    /// In one with the bytes before it: a client that has all it waits for may close before it is told that this was
    /// all.
    case end(ByteBuffer)

    var isFirst: Bool {
        switch self {
        case .whole, .head: true
        case .bytes, .end: false
        }
    }

    var status: HTTPResponseStatus? {
        switch self {
        case .whole(let response): response.status
        case .head(let status, _, _): status
        case .bytes, .end: nil
        }
    }

    var isLast: Bool {
        switch self {
        case .whole, .end: true
        case .head, .bytes: false
        }
    }
}

/// Every write returns when the system has its bytes: a client that reads slowly slows down whoever writes to it.
final class HTTPExchange: Sendable {
    private struct Presence {
        var isGone = false
        var action: (@Sendable () -> Void)?
    }

    private struct Account {
        var status = 0
        var principal = Principal.anonymous
        var followed: FollowedRequest?
        var deliveryAction: (@Sendable () -> Void)?
    }

    let request: HTTPRequest
    /// Whether it may be answered.
    let decision: AccessDecision
    let identity: RequestIdentity
    private let connection: NIOLoopBound<HTTPConnection>
    private let eventLoop: any EventLoop
    private let presence = Mutex(Presence())
    private let account = Mutex(Account())

    /// Larger pieces go out in parts, each with the whole time a client has to take something.
    private static let largestWrite = 64 * 1024

    init(
        request: HTTPRequest, decision: AccessDecision, identity: RequestIdentity,
        connection: NIOLoopBound<HTTPConnection>, eventLoop: any EventLoop
    ) {
        self.request = request
        self.decision = decision
        self.identity = identity
        self.connection = connection
        self.eventLoop = eventLoop
    }

    // MARK: - The client's presence

    var isClientGone: Bool { presence.withLock { $0.isGone } }

    /// Has `action` called once, on any thread, when the client goes away before the response is complete; at once if
    /// it has gone already. There is one action at a time.
    func whenClientGoes(_ action: @escaping @Sendable () -> Void) {
        let isGone = presence.withLock { presence in
            if !presence.isGone { presence.action = action }
            return presence.isGone
        }
        if isGone { action() }
    }

    func clientWentAway() {
        let action = presence.withLock { presence in
            presence.isGone = true
            defer { presence.action = nil }
            return presence.action
        }
        action?()
    }

    // MARK: - Accounts of the request

    /// Whose request it is.
    var principal: Principal { account.withLock { $0.principal } }

    func note(_ principal: Principal) {
        account.withLock { $0.principal = principal }
        identity.client = principal.name.isEmpty ? nil : principal.name
        identity.tenant = principal.tenant
    }

    /// Of the response that has begun; 0 before.
    var status: Int { account.withLock { $0.status } }
    /// The request in the journal, if it is for generation and there is one.
    var followed: FollowedRequest? { account.withLock { $0.followed } }

    func note(_ followed: FollowedRequest) {
        account.withLock { $0.followed = followed }
    }

    /// Has `action` called once the system has the last byte of the response, before anything that the client sends
    /// after it is read. There is one action at a time.
    func whenDelivered(_ action: @escaping @Sendable () -> Void) {
        account.withLock { $0.deliveryAction = action }
    }

    func delivered() {
        let action = account.withLock { account in
            defer { account.deliveryAction = nil }
            return account.deliveryAction
        }
        action?()
    }

    // MARK: - Writing

    func respond(_ response: HTTPResponse) async throws {
        var response = response
        response.headers = identified(response.headers)
        guard response.body.count > Self.largestWrite else { return try await send(.whole(response)) }
        try await send(.head(response.status, response.headers, length: response.body.count))
        try await end(with: ByteBuffer(bytes: response.body))
    }

    /// Begins a response of unknown length.
    func begin(_ status: HTTPResponseStatus, headers: HTTPHeaders) async throws {
        try await send(.head(status, identified(headers), length: nil))
    }

    /// Every answer tells by what id its request is known here, and in which trace.
    private func identified(_ headers: HTTPHeaders) -> HTTPHeaders {
        var headers = headers
        headers.replaceOrAdd(name: "x-request-id", value: identity.id)
        if let trace = identity.traceResponse { headers.replaceOrAdd(name: "traceresponse", value: trace) }
        return headers
    }

    func write(_ bytes: ByteBuffer) async throws {
        var rest = bytes
        while let piece = rest.readSlice(length: min(Self.largestWrite, rest.readableBytes)), piece.readableBytes > 0 {
            try await send(.bytes(piece))
        }
    }

    func end(with bytes: ByteBuffer) async throws {
        var rest = bytes
        let early = max(0, rest.readableBytes - Self.largestWrite)
        if let first = rest.readSlice(length: early) { try await write(first) }
        try await send(.end(rest))
    }

    /// Closes the connection unless the response is complete.
    func abandon() {
        eventLoop.execute { self.connection.value.abandon(self) }
    }

    private func send(_ piece: HTTPResponsePiece) async throws {
        if let status = piece.status { account.withLock { $0.status = Int(status.code) } }
        let promise = eventLoop.makePromise(of: Void.self)
        eventLoop.execute { self.connection.value.send(piece, of: self, promise: promise) }
        try await promise.futureResult.get()
    }
}
