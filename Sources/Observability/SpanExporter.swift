// The spans' way to a collector.

import AsyncHTTPClient
public import Logging
import NIOCore
import NIOHTTP1
import NIOPosix

/// Sends what a queue of spans holds to an OTLP/HTTP endpoint, once a second, in batches.
///
/// A collector that is slow, gone or refuses costs spans alone: they are counted as dropped, and the log says so once.
public final class SpanExporter: Sendable {
    public struct Configuration: Sendable {
        public var endpoint: OTLPEndpoint
        /// Sent along with each batch, for collectors that want a key.
        public var headers: [(name: String, value: String)] = []
        /// `service.name` of the spans' resource.
        public var serviceName = "pagoda"
        public var version: String
        public var interval = Duration.seconds(1)
        public var batchSize = 512
        /// For one attempt.
        public var timeout = Duration.seconds(10)
        /// Waits between attempts; a batch is dropped when the attempt after the last one fails, too.
        public var retryDelays: [Duration] = [.seconds(1), .seconds(2), .seconds(4)]

        public init(endpoint: OTLPEndpoint, version: String) {
            self.endpoint = endpoint
            self.version = version
        }
    }

    private let ticks: AsyncStream<Void>.Continuation
    private let worker: Task<Void, Never>

    /// Begins at once.
    public init(_ configuration: Configuration, queue: SpanQueue, logger: Logger) {
        let (times, ticks) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.ticks = ticks
        worker = Task {
            var export = SpanExport(configuration, queue: queue, logger: logger)
            let interval = TimeAmount(configuration.interval)
            let timer = export.group.next().scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
                ticks.yield()
            }
            for await _ in times { await export.sendWaiting(retrying: true) }
            timer.cancel()
            await export.sendWaiting(retrying: false)
            await export.close()
        }
    }

    /// Sends what is there, for so long at most. Spans that end later are lost.
    public func shutDown(within limit: Duration) async {
        ticks.finish()
        await withTaskGroup(of: Void.self) { [worker] group in
            group.addTask { await worker.value }
            group.addTask {
                try? await Task.sleep(for: limit)
                worker.cancel()
            }
            await group.next()
            group.cancelAll()
        }
    }
}

/// The exporter's work. Belongs to its task.
private struct SpanExport {
    /// What came of an attempt.
    private enum Verdict {
        case accepted(rejectedCount: Int)
        /// The same batch would be refused again.
        case refused(String)
        case failed(String, retryAfter: Duration)
    }

    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let configuration: SpanExporter.Configuration
    private let queue: SpanQueue
    private let logger: Logger
    private let client: HTTPClient
    private let resource: OTLPResource
    private let headers: HTTPHeaders
    private var isInTrouble = false

    private static let longestAnswer = 1 << 16
    private static let longestRetryDelay = 30

    init(_ configuration: SpanExporter.Configuration, queue: SpanQueue, logger: Logger) {
        self.configuration = configuration
        self.queue = queue
        self.logger = logger
        var options = HTTPClient.Configuration(redirectConfiguration: .disallow)
        options.httpVersion = .http1Only
        options.timeout.connect = .seconds(5)
        // Attempts are made, and counted, here.
        options.connectionPool.retryConnectionEstablishment = false
        // The export of a span is no span.
        options.tracing.tracer = nil
        client = HTTPClient(eventLoopGroup: group, configuration: options)
        resource = OTLPResource(
            attributes: [("service.name", configuration.serviceName), ("service.version", configuration.version)],
            scopeName: "pagoda", scopeVersion: configuration.version)
        var headers = HTTPHeaders(configuration.headers.map { ($0.name, $0.value) })
        headers.replaceOrAdd(name: "content-type", value: "application/x-protobuf")
        headers.replaceOrAdd(name: "user-agent", value: "pagoda/\(configuration.version)")
        self.headers = headers
    }

    func close() async {
        queue.dropAll()
        try? await client.shutdown()
        try? await group.shutdownGracefully()
    }

    mutating func sendWaiting(retrying: Bool) async {
        while !Task.isCancelled {
            let spans = queue.take(configuration.batchSize)
            guard !spans.isEmpty else { return }
            await send(spans, retrying: retrying)
        }
    }

    private mutating func send(_ spans: [SpanRecord], retrying: Bool) async {
        let body = resource.request(exporting: spans)
        var delays = retrying ? configuration.retryDelays[...] : []
        while true {
            switch await post(body) {
            case .accepted(let rejectedCount):
                let lostCount = min(rejectedCount, spans.count)
                queue.noteSent(accepted: spans.count - lostCount, lost: lostCount)
                return lostCount > 0 ? noteTrouble("the collector rejected \(lostCount) spans") : noteSuccess()
            case .refused(let reason):
                queue.noteSent(accepted: 0, lost: spans.count)
                return noteTrouble(reason)
            case .failed(let reason, let retryAfter):
                noteTrouble(reason)
                guard let delay = delays.popFirst(), !Task.isCancelled else {
                    return queue.noteSent(accepted: 0, lost: spans.count)
                }
                try? await Task.sleep(for: max(delay * Double.random(in: 0.75...1.25), retryAfter))
            }
        }
    }

    private func post(_ body: [UInt8]) async -> Verdict {
        var request = HTTPClientRequest(url: configuration.endpoint.url)
        request.method = .POST
        request.headers = headers
        request.body = .bytes(ByteBuffer(bytes: body))
        do {
            let response = try await client.execute(request, timeout: TimeAmount(configuration.timeout))
            switch response.status.code {
            case 200..<300:
                let answer = try await response.body.collect(upTo: Self.longestAnswer)
                return .accepted(rejectedCount: OTLPResource.rejectedSpanCount(Array(answer.readableBytesView)))
            case 429, 502, 503, 504:
                let seconds = response.headers.first(name: "retry-after").flatMap { Int($0) } ?? 0
                return .failed(
                    "HTTP \(response.status)",
                    retryAfter: .seconds(min(max(0, seconds), Self.longestRetryDelay)))
            default:
                return .refused("HTTP \(response.status)")
            }
        } catch {
            return .failed("\(error)", retryAfter: .zero)
        }
    }

    // MARK: - The log

    private mutating func noteTrouble(_ reason: String) {
        guard !isInTrouble else { return }
        isInTrouble = true
        logger.warning(
            "traces are not exported; spans that find no room are dropped and counted",
            metadata: ["endpoint": "\(configuration.endpoint.url)", "reason": "\(reason)"])
    }

    private mutating func noteSuccess() {
        guard isInTrouble else { return }
        isInTrouble = false
        logger.notice("traces are exported again", metadata: ["spans_dropped": "\(queue.droppedCount)"])
    }
}
