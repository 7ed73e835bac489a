// The numbers that diagnoses are made of, taken from a window of metrics once.

/// What a server did over some time. What its metrics don't tell is nil: a plain vLLM has fewer than Pagoda.
///
/// Shares are from 0 to 1, times in seconds.
public struct ServerFigures: Sendable, Equatable {
    /// Length of the window.
    public var seconds: Double
    public var model: String?
    public var version: String?
    public var queue = Queue()
    public var cache = Cache()
    public var steps = Steps()
    public var machine = Machine()
    public var latency = Latency()
    public var traffic = Traffic()
    public var tenants: [Tenant] = []

    public init(seconds: Double) {
        self.seconds = seconds
    }

    /// Sequences in the engine and in front of it; means over the window.
    public struct Queue: Sendable, Equatable {
        public var running = 0.0
        public var waiting = 0.0
        /// Waiting ones at the end less those at the beginning.
        public var growth = 0.0
        /// `--max-num-seqs`.
        public var slotLimit: Double?
        /// `--max-num-queued-reqs`.
        public var requestLimit: Double?

        /// Of all sequences here, those that wait.
        public var waitingShare: Double { waiting > 0 ? waiting / (waiting + running) : 0 }
        /// Whether somebody waits most of the time.
        public var isWaiting: Bool { waiting >= 0.5 }
    }

    public struct Cache: Sendable, Equatable {
        public var usage = 0.0
        public var highestUsage = 0.0
        public var preemptions = 0.0
    }

    /// What the engine's thread did.
    public struct Steps: Sendable, Equatable {
        public var count: Double?
        /// Time by phase: schedule, forward, sample, publish.
        public var phases: [String: Double] = [:]
        /// Of the window, the time in steps.
        public var busyShare: Double?
        /// `--max-num-batched-tokens`.
        public var tokenLimit: Double?
        public var prefillTokens: Double?
        public var decodeTokens: Double?
        /// Sequences in a step, on average.
        public var sequences: Double?
        public var largestChunk: Double?
        public var heartbeatAge: Double?

        public var time: Double { phases.values.reduce(0, +) }

        public var tokensPerStep: Double? {
            guard let count, count > 0, let prefillTokens, let decodeTokens else { return nil }
            return (prefillTokens + decodeTokens) / count
        }

        /// Of all computed tokens, those of prompts.
        public var prefillShare: Double? {
            guard let prefillTokens, let decodeTokens, prefillTokens + decodeTokens > 0 else { return nil }
            return prefillTokens / (prefillTokens + decodeTokens)
        }
    }

    /// Rates while the model computed, and the machine's own; a second.
    public struct Machine: Sendable, Equatable {
        public var multiplyAdds: Double?
        public var multiplyAddLimit: Double?
        public var bytesRead: Double?
        public var readLimit: Double?
        public var memoryLimit: Double?
        public var memoryAvailable: Double?
        /// Since the container's start, and of that in the window.
        public var outOfMemoryKills: Double?
        public var newOutOfMemoryKills: Double?

        public var computeShare: Double? { Self.share(multiplyAdds, of: multiplyAddLimit) }
        public var bandwidthShare: Double? { Self.share(bytesRead, of: readLimit) }

        private static func share(_ rate: Double?, of limit: Double?) -> Double? {
            guard let rate, let limit, limit > 0 else { return nil }
            return rate / limit
        }
    }

    /// What clients and their tokens waited for.
    public struct Latency: Sendable, Equatable {
        public var firstTokenMedian: Double?
        public var firstTokenP99: Double?
        public var tokenMedian: Double?
        public var tokenMean: Double?
        public var tokenP99: Double?
        public var tokenCount = 0.0
        public var requestP99: Double?
        public var requestCount = 0.0
        /// Of the requests that ended: their latency by what took it, summed.
        public var parts: [String: Double] = [:]
        /// Seconds that writers waited for clients to read.
        public var slowReaders: Double?

        public var partSum: Double { parts.values.reduce(0, +) }

        /// The share of some parts in the latency of requests that ended; nil if too few did.
        public func share(of names: String...) -> Double? {
            guard partSum >= 0.1 else { return nil }
            return names.reduce(0) { $0 + (parts[$1] ?? 0) } / partSum
        }
    }

    /// Counts in the window.
    public struct Traffic: Sendable, Equatable {
        public var succeeded = 0.0
        public var failed = 0.0
        /// Sequences ended, by reason: stop, length, abort, error.
        public var finished: [String: Double] = [:]
        /// Sequences refused, by reason: queue_full, queue_tokens, draining, loading, tenant.
        public var rejected: [String: Double] = [:]
        public var generatedTokens = 0.0
        public var promptTokens = 0.0
        public var isRestarted = false
    }

    public struct Tenant: Sendable, Equatable {
        public var name: String
        /// In the window.
        public var computedTokens = 0.0
        /// Sequences without a first token and with one; means over the window.
        public var unanswered = 0.0
        public var answered = 0.0
        /// Of the first tokens in the window; nil without any.
        public var firstTokenMean: Double?
        /// Of the tenant file.
        public var weight = 1.0
        public var priority = 0.0
        public var maxSequences: Double?

        public init(name: String) {
            self.name = name
        }

        var isActive: Bool { computedTokens > 0 || unanswered > 0 || answered > 0 }
        var isConfigured: Bool { weight != 1 || priority != 0 || maxSequences != nil }
    }
}
