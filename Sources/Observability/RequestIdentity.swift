// By what a client's request is known: in its answer, in log lines, in its timeline, in traces.

import Logging
public import Primitives
import Synchronization
import Tracing

/// The id of a request and its place in a trace, for everything that speaks of the request.
public final class RequestIdentity: Sendable {
    private struct State {
        var id: String
        var trace: TraceContext?
        var hasOwnSpan = false
        var client: String?
        var tenant = RequestOrigin.defaultTenant
    }

    private let state: Mutex<State>

    /// - Parameter caller: Where the client stands in a trace, if it said so.
    public init(id: String, caller: TraceContext? = nil) {
        state = Mutex(State(id: id, trace: caller))
    }

    /// Visible ASCII. A client's own id in the body replaces one that was made up here.
    public var id: String {
        get { state.withLock { $0.id } }
        set { state.withLock { $0.id = newValue } }
    }

    /// The name of the key that came with the request, from the configuration; nil: none was asked for.
    public var client: String? {
        get { state.withLock { $0.client } }
        set { state.withLock { $0.client = newValue } }
    }

    /// Whose request it is.
    public var tenant: String {
        get { state.withLock { $0.tenant } }
        set { state.withLock { $0.tenant = newValue } }
    }

    /// The client's span; once the request has one of its own here, that.
    public var trace: TraceContext? { state.withLock { $0.trace } }

    /// What the answer tells of the trace, in the form of `traceparent`; nil if no span was made here.
    public var traceResponse: String? {
        state.withLock { $0.hasOwnSpan ? $0.trace?.traceparent : nil }
    }

    /// What the engine carries along. Only a trace that is recorded can be looked up, so only that is handed on.
    public func origin(arrival: Instant) -> RequestOrigin {
        let (id, trace, tenant) = state.withLock { ($0.id, $0.trace, $0.tenant) }
        let recorded = trace.flatMap { $0.isSampled ? $0 : nil }
        return RequestOrigin(
            arrival: arrival, externalID: id, trace: recorded?.traceID, span: recorded?.spanID, tenant: tenant)
    }

    func enter(_ span: TraceContext) {
        state.withLock { state in
            state.trace = span
            state.hasOwnSpan = true
        }
    }

    /// Runs what answers the request: its log lines carry the ids, its spans belong to the trace.
    public func withContext<Result>(_ body: () async throws -> Result) async rethrows -> Result {
        var context = InstrumentationContext.topLevel
        context.requestIdentity = self
        context.traceContext = trace
        return try await InstrumentationContext.withValue(context) { try await body() }
    }

    /// For lines that are not logged by the request's own task.
    var logMetadata: Logger.Metadata {
        let (id, trace) = state.withLock { ($0.id, $0.trace) }
        var metadata: Logger.Metadata = [RequestLogKey.requestID.rawValue: "\(id)"]
        if let trace {
            metadata[RequestLogKey.traceID.rawValue] = "\(trace.traceID)"
            metadata[RequestLogKey.spanID.rawValue] = "\(trace.spanID)"
        }
        return metadata
    }

    // MARK: - Ids of clients

    /// Longer ones are not taken over.
    public static let longestID = 128

    /// Whether an id may be sent back in a header and written into a line of the log: visible ASCII, 1 to 128 of it.
    public static func isValid(_ id: String) -> Bool {
        (1...longestID).contains(id.utf8.count) && id.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }
}

extension InstrumentationContext {
    /// Where the task stands in a trace.
    var traceContext: TraceContext? {
        get { self[TraceContextKey.self] }
        set { self[TraceContextKey.self] = newValue }
    }

    /// The request that the task answers.
    var requestIdentity: RequestIdentity? {
        get { self[RequestIdentityKey.self] }
        set { self[RequestIdentityKey.self] = newValue }
    }
}

private enum TraceContextKey: InstrumentationContextKey {
    typealias Value = TraceContext
}

private enum RequestIdentityKey: InstrumentationContextKey {
    typealias Value = RequestIdentity
}
