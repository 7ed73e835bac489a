// What became of one request.

public import Primitives

/// Times as vLLM's load generator defines them, in seconds.
public struct RequestRecord: Sendable, Equatable {
    /// Just before the request was sent.
    public var start: Instant
    /// How long it had to wait for its turn under `--max-concurrency`.
    public var queueTime = 0.0
    /// From the start to the first chunk with a choice.
    public var timeToFirstToken = 0.0
    /// Between each later chunk and the one before: per chunk, which may hold several tokens.
    public var interTokenLatencies: [Double] = []
    /// From the start to the last chunk with a choice.
    public var latency = 0.0
    /// By the server's `usage`, or as the request said.
    public var promptTokenCount: Int
    /// By the server's `usage`; nil if it says nothing.
    public var outputTokenCount: Int?
    public var text = ""
    /// Why it failed; nil for a success.
    public var error: String?

    public init(start: Instant, promptTokenCount: Int) {
        self.start = start
        self.promptTokenCount = promptTokenCount
    }

    public var hasSucceeded: Bool { error == nil }

    /// Chunks with a choice: a stand-in for tokens where nobody counted them.
    var chunkCount: Int { interTokenLatencies.count + 1 }
}
