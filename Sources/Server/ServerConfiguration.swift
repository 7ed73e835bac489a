// What an operator may set about the HTTP side.

public import Access
public import OpenAI

public struct ServerConfiguration: Sendable, Equatable {
    /// `--host`: an address or a name. `::` listens on IPv4 too.
    public var host = "0.0.0.0"
    /// `--port`; 0 lets the system choose.
    public var port = 8000
    /// `--uds`: a path to listen on instead of host and port.
    public var unixSocketPath: String?
    /// Threads that move bytes. The rest of the machine belongs to the model.
    public var eventLoopCount = 1
    /// Connections the system holds ready before they are accepted.
    public var backlog: Int32 = 2048
    public var connections = ConnectionLimits()
    public var requests = RequestLimits()
    /// Names of the model that is going to be served; they tell while it loads which requests would be for it. None:
    /// any may be.
    public var modelNames: [String] = []
    /// `--max-num-queued-reqs`: sequences in flight, running ones too, above which requests are turned away.
    public var maxQueuedRequests = 1024
    /// `--max-num-queued-tokens`: tokens of prompts without a first token above which requests are turned away; nil:
    /// any number may wait.
    public var maxQueuedTokens: Int?
    /// `--max-queue-time`: a request that has not begun to run for so long is dropped; nil: none is.
    public var maxQueueTime: Duration?
    /// `--ttft-slo-ms`: requests whose first token would come later are turned away; nil: none are.
    public var firstTokenObjective: Duration?
    /// `--tenant-file`: those that have limits of their own. The one named `default` stands for everybody else.
    public var tenants: [TenantSettings] = []
    /// `--shutdown-timeout`: how long running requests may go on after a signal to stop.
    public var shutdownTimeout = Duration.zero
    /// `--enable-debug-endpoints`: what is under `/debug` is served.
    public var enablesDebugEndpoints = false
    /// `--return-tokens-as-token-ids`: tokens in logprobs are written as `token_id:N`.
    public var returnsTokensAsTokenIDs = false
    /// `--enable-force-include-usage`: streams report their usage whether asked to or not.
    public var alwaysIncludesUsage = false
    /// `--enable-prompt-tokens-details`: usage tells how many of the prompt's tokens were found in the prefix cache.
    public var tellsCachedTokens = false
    /// `--fingerprint-mode`: names the server and its settings in responses; nil: none.
    public var systemFingerprint: String?
    /// `--ssl-certfile` and what goes with it; nil: connections are not encrypted.
    public var tls: TLSFiles?
    /// `--allowed-origins` and what goes with it; nil: pages of other origins stay out.
    public var crossOrigin: CrossOriginPolicy?
    /// `--metrics-port`: `/metrics` and the dashboard have a listener of their own there; nil: they share the API's.
    public var metricsPort: Int?
    /// `--metrics-host`; nil: the API's.
    public var metricsHost: String?
    /// The share of a core's time that scrapes may take for long; over it they are answered 503.
    public var scrapeShare = 0.1
    /// What `/version` answers.
    public var version = "0.1.0"
    /// An engine that has work but has not come round for so long counts as stuck, and `/health` says so.
    public var engineStallTimeout = Duration.seconds(120)

    public init() {}

    /// The priority of a tenant's request that asks for `priority`: the tenant's own, or less urgent.
    func priority(_ priority: Int, of tenant: String) -> Int {
        guard !tenants.isEmpty else { return priority }
        let name = tenants.contains { $0.name == tenant } ? tenant : "default"
        guard let own = tenants.first(where: { $0.name == name })?.priority else { return priority }
        let (sum, isBeyond) = own.addingReportingOverflow(max(0, priority))
        return isBeyond ? .max : sum
    }
}

/// What one connection, and all of them together, may take. Times bound every phase in which the server waits for a
/// client, so that none can hold memory or a file descriptor for nothing.
public struct ConnectionLimits: Sendable, Equatable {
    /// Open connections. At the limit an idle one is closed for each new one.
    public var count = 4096

    public var headerFieldBytes = 16 * 1024
    public var headerListBytes = 32 * 1024
    public var headerCount = 100
    public var uriBytes = 8 * 1024
    /// `--max-request-bytes`: the largest body.
    public var requestBytes = 32 * 1024 * 1024
    /// The largest body of a request whose sender has not shown that it may be sent: just to answer it in good order.
    public var strangersBytes = 64 * 1024
    /// All bodies held at the same time.
    public var bufferedBytes = 256 * 1024 * 1024
    /// Bytes of pipelined requests that may wait for the response before them; more stay in the system's buffer.
    public var pipelinedBytes = 64 * 1024

    /// From the first byte of a request to the end of its head.
    public var headTimeout = Duration.seconds(15)
    /// From the head to the end of the body, beside the time that the body takes at `bodyBytesPerSecond`.
    public var bodyTimeout = Duration.seconds(30)
    public var bodyBytesPerSecond = 64 * 1024
    /// How long a client may take no byte of a response.
    public var writeStallTimeout = Duration.seconds(30)
    /// Between two requests. Longer than proxies keep theirs, so that they close first.
    public var keepAliveTimeout = Duration.seconds(75)
    /// How long what a client still sends is read and dropped after the last response, so that it can read that.
    public var lingerTimeout = Duration.seconds(2)

    /// When TCP asks whether a silent peer is alive, how often, and how many times.
    public var probeDelaySeconds: Int32 = 60
    public var probeIntervalSeconds: Int32 = 15
    public var probeCount: Int32 = 4

    public init() {}
}
