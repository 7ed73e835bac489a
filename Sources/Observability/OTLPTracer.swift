// swift-distributed-tracing's side of the traces.

import Primitives
import Synchronization
public import Tracing

/// Which traces are recorded: those that the caller records, and of those that begin here a share, chosen by the
/// trace's id, so that all programs with the same share choose the same traces.
public struct TraceSampler: Sendable, Equatable {
    private let bound: UInt64

    /// - Parameter ratio: 0: none, 1: all.
    public init(ratio: Double) {
        // Compared with 63 bits of the id.
        bound = ratio >= 1 ? 1 << 63 : ratio > 0 ? UInt64(ratio * 0x1p63) : 0
    }

    func samples(_ id: TraceID, parent: TraceContext?) -> Bool {
        parent?.isSampled ?? (id.low >> 1 < bound)
    }
}

/// Makes spans, and gives those that are sampled to a queue when they end.
public final class OTLPTracer: Tracer {
    private let sampler: TraceSampler
    private let queue: SpanQueue

    public init(sampler: TraceSampler, queue: SpanQueue) {
        self.sampler = sampler
        self.queue = queue
    }

    public func startSpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> InstrumentationContext, ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant, function: String, file fileID: String, line: UInt
    ) -> OTLPSpan {
        var context = context()
        let parent = context.traceContext
        let traceID = parent?.traceID ?? .random()
        let place = TraceContext(
            traceID: traceID, spanID: .random(), isSampled: sampler.samples(traceID, parent: parent),
            state: parent?.state ?? "")
        context.traceContext = place
        guard place.isSampled else { return OTLPSpan(unrecordedIn: context, name: operationName) }
        let record = SpanRecord(
            place: place, parent: parent?.spanID, name: operationName, kind: kind,
            start: instant().nanosecondsSinceEpoch)
        return OTLPSpan(record, in: context) { [queue] in queue.append($0) }
    }

    /// Spans leave within a second as it is.
    public func forceFlush() {}

    // MARK: - Other programs

    public func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier, into context: inout InstrumentationContext, using extractor: Extract
    ) where Extract.Carrier == Carrier {
        guard let parent = extractor.extract(key: "traceparent", from: carrier) else { return }
        let state = extractor.extract(key: "tracestate", from: carrier)
        context.traceContext = TraceContext(traceparent: [parent], tracestate: state.map { [$0] } ?? [])
    }

    public func inject<Carrier, Inject: Injector>(
        _ context: InstrumentationContext, into carrier: inout Carrier, using injector: Inject
    ) where Inject.Carrier == Carrier {
        guard let place = context.traceContext else { return }
        injector.inject(place.traceparent, forKey: "traceparent", into: &carrier)
        if !place.state.isEmpty { injector.inject(place.state, forKey: "tracestate", into: &carrier) }
    }
}

/// A span on its way to the collector.
struct SpanRecord: Sendable {
    var place: TraceContext
    var parent: SpanID?
    var name: String
    var kind: SpanKind
    /// Nanoseconds since 1970.
    var start: UInt64
    var end: UInt64 = 0
    var attributes = SpanAttributes()
    var events: [SpanEvent] = []
    var links: [SpanLink] = []
    var status: SpanStatus?
    /// Events and links beyond the limit.
    var droppedEventCount: UInt32 = 0
    var droppedLinkCount: UInt32 = 0
}

/// Takes what is said of it until it ends; nothing if its trace is not recorded.
public final class OTLPSpan: Span {
    public let context: InstrumentationContext
    /// Nil once it has ended, or if it is not recorded.
    private let record: Mutex<SpanRecord?>
    private let unrecordedName: String
    private let onEnd: @Sendable (SpanRecord) -> Void

    private static let listLimit = 128

    init(_ record: SpanRecord, in context: InstrumentationContext, onEnd: @escaping @Sendable (SpanRecord) -> Void) {
        self.context = context
        self.onEnd = onEnd
        unrecordedName = ""
        self.record = Mutex(record)
    }

    init(unrecordedIn context: InstrumentationContext, name: String) {
        self.context = context
        onEnd = { _ in }
        unrecordedName = name
        record = Mutex(nil)
    }

    public var isRecording: Bool { record.withLock { $0 != nil } }

    public var operationName: String {
        get { record.withLock { $0?.name } ?? unrecordedName }
        set { record.withLock { $0?.name = newValue } }
    }

    public var attributes: SpanAttributes {
        get { record.withLock { $0?.attributes } ?? [:] }
        set { record.withLock { $0?.attributes = newValue } }
    }

    public func setStatus(_ status: SpanStatus) {
        record.withLock { $0?.status = status }
    }

    public func addEvent(_ event: SpanEvent) {
        record.withLock { record in
            guard let count = record?.events.count else { return }
            if count < Self.listLimit { record?.events.append(event) } else { record?.droppedEventCount += 1 }
        }
    }

    public func addLink(_ link: SpanLink) {
        record.withLock { record in
            guard let count = record?.links.count else { return }
            if count < Self.listLimit { record?.links.append(link) } else { record?.droppedLinkCount += 1 }
        }
    }

    public func recordError<Instant: TracerInstant>(
        _ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant
    ) {
        guard isRecording else { return }
        var attributes = attributes
        attributes["exception.type"] = String(reflecting: type(of: error))
        attributes["exception.message"] = "\(error)"
        addEvent(SpanEvent(name: "exception", at: instant(), attributes: attributes))
    }

    public func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        let last = record.withLock { record in
            defer { record = nil }
            return record
        }
        guard var ended = last else { return }
        ended.end = max(ended.start, instant().nanosecondsSinceEpoch)
        onEnd(ended)
    }
}
