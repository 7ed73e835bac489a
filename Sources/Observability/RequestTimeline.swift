// One client request for generation, from the head of its request to the last byte of its answer.

import Engine
public import Primitives

/// What is known of a request when it is let in. Nothing of what it says.
public struct RequestSubject: Sendable {
    /// The route, such as `/v1/completions`.
    public var endpoint: String
    /// When the head of the request had been read.
    public var arrival: Instant
    public var streams: Bool
    /// Samples of each prompt.
    public var sampleCount: Int

    public init(endpoint: String, arrival: Instant, streams: Bool, sampleCount: Int) {
        self.endpoint = endpoint
        self.arrival = arrival
        self.streams = streams
        self.sampleCount = sampleCount
    }
}

/// How a request ended for its client.
public enum RequestOutcome: String, Sendable, CaseIterable {
    case success
    /// An answer of the server's failing: overload, shutdown, an error of the engine.
    case failed
    /// The client went away before its answer was complete.
    case clientGone = "client_gone"
    /// The request could not be answered as it was.
    case invalid
}

/// What has happened to a request so far. Bounded whatever the request asks for.
struct RequestTimeline: Sendable {
    struct Answer: Sendable {
        var moment: Instant
        /// HTTP status; 0 if there was nobody left to send one to.
        var status: Int
        var outcome: RequestOutcome
    }

    let identity: RequestIdentity
    let subject: RequestSubject
    /// Ties the engine's moments to the wall clock.
    let clock: ClockAnchor
    /// The engine's ids of its prompts, in their order.
    private(set) var prompts: [RequestID] = []
    private(set) var promptTokenCount = 0
    private(set) var answer: Answer?
    /// Sequences that have ended: the first of them, and what all came to.
    private(set) var ended: [SequenceStatistics] = []
    private(set) var summary = SequenceSummary()
    private var openCount = 0

    /// Sequences kept one by one.
    static let sequenceLimit = 16

    init(identity: RequestIdentity, subject: RequestSubject, clock: ClockAnchor) {
        self.identity = identity
        self.subject = subject
        self.clock = clock
    }

    /// Answered, and none of its sequences is left.
    var isComplete: Bool { answer != nil && openCount == 0 }
    /// When its last sequence ended or its answer was complete, whichever was later.
    var end: Instant? {
        guard let answered = answer?.moment else { return nil }
        return max(answered, summary.finished ?? answered)
    }

    mutating func submit(_ id: RequestID, promptTokenCount count: Int, sampleCount: Int) {
        prompts.append(id)
        promptTokenCount += count
        openCount += sampleCount
    }

    /// The engine did not take the prompt submitted last.
    mutating func withdraw(sampleCount: Int) {
        openCount -= sampleCount
    }

    mutating func add(_ sequence: SequenceStatistics) {
        openCount -= 1
        summary.add(sequence)
        guard ended.count < Self.sequenceLimit else { return }
        ended.append(sequence)
        // Nobody asks a timeline for them, and they may be many.
        ended[ended.count - 1].blockNames = []
    }

    mutating func close(_ answer: Answer) {
        self.answer = answer
    }

    /// Which of the request's prompts a sequence continues.
    func promptIndex(of sequence: SequenceStatistics) -> Int? {
        prompts.firstIndex(of: sequence.request)
    }
}

/// What the sequences of a request came to together.
struct SequenceSummary: Sendable {
    var count = 0
    var generatedTokenCount = 0
    var cachedTokenCount = 0
    var preemptionCount = 0
    /// The earliest of each, and the latest of the last two.
    var queued: Instant?
    var scheduled: Instant?
    var firstToken: Instant?
    var lastToken: Instant?
    var finished: Instant?
    /// Of the sequence that ended last: who owned the time until then.
    var parts = LatencyParts()
    /// Of the same one: why it ended.
    var reason: FinishReason?

    mutating func add(_ sequence: SequenceStatistics) {
        count += 1
        generatedTokenCount += sequence.generatedTokenCount
        preemptionCount += sequence.preemptionCount
        // Samples share the prompt, and what was cached of it.
        if sequence.choice == 0 { cachedTokenCount += sequence.cachedPromptTokenCount }
        queued = Self.earlier(queued, sequence.queued)
        scheduled = Self.earlier(scheduled, sequence.scheduled)
        firstToken = Self.earlier(firstToken, sequence.firstToken)
        if let token = sequence.lastToken { lastToken = max(lastToken ?? token, token) }
        guard finished.map({ sequence.finished >= $0 }) ?? true else { return }
        finished = sequence.finished
        parts = sequence.parts
        reason = sequence.reason
    }

    private static func earlier(_ left: Instant?, _ right: Instant?) -> Instant? {
        guard let left, let right else { return left ?? right }
        return min(left, right)
    }
}
