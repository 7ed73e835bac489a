// Where a request comes from: what the engine only carries along, for those who observe it.

/// What is known of a request before its tokens are. Nothing here changes how it runs.
public struct RequestOrigin: Sendable, Equatable {
    /// When the head of the client's request had been read; latencies count from here.
    public var arrival: Instant
    /// By what its client knows it: `X-Request-Id`, or the id in its answer.
    public var externalID: String?
    /// The trace it belongs to, and the span that stands for it there; nil if it is not traced.
    public var trace: TraceID?
    public var span: SpanID?
    /// A name from the configuration, never one that a client chose.
    public var tenant: String

    /// Whoever has no tenant of the configuration.
    public static let defaultTenant = "default"

    public init(
        arrival: Instant = .now(), externalID: String? = nil, trace: TraceID? = nil, span: SpanID? = nil,
        tenant: String = RequestOrigin.defaultTenant
    ) {
        self.arrival = arrival
        self.externalID = externalID
        self.trace = trace
        self.span = span
        self.tenant = tenant
    }
}
