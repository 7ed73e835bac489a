// The client's side of the wire: one event-loop thread for all connections, so that the server keeps the cores.

internal import AsyncHTTPClient
internal import JSON
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Primitives
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Sends requests and records what comes back. Never throws for a request that fails: that is a result too.
public final class LoadClient: Sendable {
    private let endpoint: ServerEndpoint
    private let headers: HTTPHeaders
    private let group: MultiThreadedEventLoopGroup
    private let client: HTTPClient

    /// - Parameters:
    ///   - maximumConnections: Requests that may be under way at once.
    ///   - apiKey: Sent as a bearer token unless `endpoint` brings its own `Authorization`.
    public init(endpoint: ServerEndpoint, maximumConnections: Int, apiKey: String? = nil) {
        self.endpoint = endpoint
        var headers = HTTPHeaders()
        headers.add(name: "Content-Type", value: "application/json")
        if let apiKey { headers.add(name: "Authorization", value: "Bearer \(apiKey)") }
        for header in endpoint.headers { headers.replaceOrAdd(name: header.name, value: header.value) }
        self.headers = headers

        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.httpVersion = .http1Only
        configuration.timeout.connect = .seconds(30)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = max(1, maximumConnections)
        // A server that refuses a connection has failed that request; trying again would hide it.
        configuration.connectionPool.retryConnectionEstablishment = false
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        client = HTTPClient(eventLoopGroup: group, configuration: configuration)
    }

    /// Ends the connections and the thread; nothing may be sent afterwards.
    public func shutDown() async {
        try? await client.shutdown()
        try? await group.shutdownGracefully()
    }

    /// - Parameter timeLimit: After which the request is given up as failed.
    func send(_ request: LoadRequest, body: RequestBody, timeLimit: Duration = .seconds(6 * 3600)) async
        -> RequestRecord
    {
        let bytes = JSONValue.object(body.object(for: request)).serializedBytes()
        let start = Instant.now()
        let recorder = ResponseRecorder(start: start, promptTokenCount: request.promptTokenCount)
        do {
            var message = try HTTPClient.Request(
                url: endpoint.url, method: .POST, headers: headers, body: .byteBuffer(ByteBuffer(bytes: bytes)))
            message.headers.replaceOrAdd(name: "X-Request-Id", value: request.id)
            let deadline = NIODeadline.now() + TimeAmount(timeLimit)
            try await client.execute(request: message, delegate: recorder, deadline: deadline).get()
            return recorder.record(error: nil)
        } catch {
            return recorder.record(error: Self.reason(error))
        }
    }

    /// The server's first model, as `/v1/models` lists it.
    ///
    /// - Returns: Its name in the API, and the checkpoint it was loaded from (the name again if the server keeps that).
    public func firstModel() async throws(LoadTestError) -> (name: String, root: String) {
        let url = endpoint.baseURL + "/v1/models"
        let list = try? JSONParser.parse(try await get(url))
        guard let model = list?["data"]?.arrayValue?.first, let name = model["id"]?.stringValue else {
            throw .server(url: url, reason: "no models found on the server")
        }
        return (name, model["root"]?.stringValue ?? name)
    }

    /// What the server has counted of its speculation; nil if it does not speculate or does not tell.
    func speculation() async -> SpeculationCounters? {
        guard let bytes = try? await get(endpoint.baseURL + "/metrics") else { return nil }
        return SpeculationCounters(exposition: String(decoding: bytes, as: UTF8.self))
    }

    private func get(_ url: String) async throws(LoadTestError) -> [UInt8] {
        do {
            var request = HTTPClientRequest(url: url)
            request.headers = headers
            let response = try await client.execute(request, timeout: .seconds(30))
            let body = try await response.body.collect(upTo: 16 << 20)
            guard response.status == .ok else {
                throw LoadTestError.server(url: url, reason: "\(response.status): \(String(buffer: body))")
            }
            return Array(body.readableBytesView)
        } catch let error as LoadTestError {
            throw error
        } catch {
            throw .server(url: url, reason: Self.reason(error))
        }
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as HTTPClientError where error == .remoteConnectionClosed: closed
        case is HTTPParserError: closed
        case let error as HTTPClientError where error == .deadlineExceeded: "Timed out"
        case let error as HTTPClientError where error == .connectTimeout: "No connection within 30 seconds"
        case let error as NIOConnectionError:
            "No connection to \(error.host):\(error.port): "
                + error.connectionErrors.map { Self.reason($0.error) }.joined(separator: ", ")
        case let error as IOError: String(cString: strerror(error.errnoCode))
        default: "\(error)"
        }
    }

    private static let closed = "The server closed the connection before the end of its answer"
}

/// Runs on the event loop: bytes are read where they arrive, without a hop to another thread.
private final class ResponseRecorder: HTTPClientResponseDelegate {
    private let recorder: Mutex<StreamRecorder>

    init(start: Instant, promptTokenCount: Int) {
        recorder = Mutex(StreamRecorder(start: start, promptTokenCount: promptTokenCount))
    }

    func didReceiveHead(task: HTTPClient.Task<Void>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        recorder.withLock { $0.receiveHead(status: Int(head.status.code), reason: head.status.reasonPhrase) }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(task: HTTPClient.Task<Void>, _ buffer: ByteBuffer) -> EventLoopFuture<Void> {
        recorder.withLock { $0.receive(buffer.readableBytesView) }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didFinishRequest(task: HTTPClient.Task<Void>) {}

    func record(error: String?) -> RequestRecord {
        recorder.withLock { $0.finish(error: error) }
    }
}
