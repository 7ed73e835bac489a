// The requests under way and the last that ended: who follows them, and what becomes of it.

import Dispatch
public import Engine
import JSON
public import Logging
public import Primitives
import Synchronization

/// Follows every client request for generation through the server and the engine. From what it sees come the
/// timelines of /debug/requests, the spans of traces and the access log.
///
/// On the engine's thread it does no more than look up who a sequence that ended belongs to.
public final class RequestJournal: EngineObserver {
    /// What is made of what is seen.
    public struct Configuration: Sendable {
        /// Finished requests kept for /debug/requests.
        public var finishedCount = 256
        /// Requests become spans of this tracer.
        public var tracer: OTLPTracer?
        /// A line for each finished request goes here, at `accessLevel`.
        public var logger: Logger?
        public var accessLevel = Logger.Level.debug

        public init() {}
    }

    private struct State {
        /// By the engine's ids: whose sequences they are, and how many are left.
        var owners: [RequestID: (request: FollowedRequest, openCount: Int)] = [:]
        /// By serial number.
        var following: [UInt64: FollowedRequest] = [:]
        var nextSerial: UInt64 = 0
        var finished: RecentList<RequestTimeline>
    }

    private let configuration: Configuration
    private let state: Mutex<State>
    /// What the engine's thread leaves to others.
    private let endings = DispatchQueue(label: "pagoda-journal", qos: .utility)

    public init(_ configuration: Configuration) {
        self.configuration = configuration
        state = Mutex(State(finished: RecentList(capacity: configuration.finishedCount)))
    }

    /// Follows a request from here on: its `answered` must be called once.
    public func follow(_ identity: RequestIdentity, _ subject: RequestSubject) -> FollowedRequest {
        let clock = ClockAnchor()
        let span = configuration.tracer?.startRequest(identity, at: clock.wallTime(of: subject.arrival))
        let timeline = RequestTimeline(identity: identity, subject: subject, clock: clock)
        return state.withLock { state in
            let request = FollowedRequest(timeline, serial: state.nextSerial, span: span, journal: self)
            state.following[state.nextSerial] = request
            state.nextSerial += 1
            return request
        }
    }

    // MARK: - The engine's thread

    public func stepEnded(_ step: borrowing StepStatistics) {
        guard !step.finished.isEmpty else { return }
        let step = copy step
        for sequence in step.finished {
            guard let owner = takeOwner(of: sequence), owner.add(sequence) else { continue }
            // The client has gone before: what is left to do takes longer than a look-up.
            endings.async { self.complete(owner) }
        }
    }

    /// Returns when all that has come from the engine is dealt with.
    public func settle() async {
        await withCheckedContinuation { continuation in
            endings.async { continuation.resume() }
        }
    }

    private func takeOwner(of sequence: SequenceStatistics) -> FollowedRequest? {
        state.withLock { state in
            guard var owner = state.owners.removeValue(forKey: sequence.request) else { return nil }
            owner.openCount -= 1
            if owner.openCount > 0 { state.owners[sequence.request] = owner }
            return owner.request
        }
    }

    // MARK: - Followed requests

    fileprivate func submit(_ id: RequestID, of request: FollowedRequest, sampleCount: Int) {
        state.withLock { $0.owners[id] = (request, sampleCount) }
    }

    fileprivate func withdraw(_ id: RequestID) {
        state.withLock { _ = $0.owners.removeValue(forKey: id) }
    }

    /// Its last sequence has ended, and its client has been answered or is gone.
    fileprivate func complete(_ request: FollowedRequest) {
        let timeline = request.current
        if let span = request.span { configuration.tracer?.end(span, of: timeline) }
        if let logger = configuration.logger { timeline.log(to: logger, at: configuration.accessLevel) }
        state.withLock { state in
            state.following[request.serial] = nil
            state.finished.append(timeline)
        }
    }

    // MARK: - Reading

    /// The requests in flight, oldest first, and the last finished ones, latest first, as a JSON document.
    ///
    /// - Parameter engine: Asks the engine for its sequences; it gets a second to answer, for it may be stuck.
    public func document(asking engine: @escaping @Sendable () async -> [SequenceStatistics]) async -> [UInt8] {
        let (answers, continuation) = AsyncStream.makeStream(of: [SequenceStatistics]?.self)
        Task { continuation.yield(await engine()) }
        let timer = Task {
            try await Task.sleep(for: .seconds(1))
            continuation.yield(nil)
        }
        defer { timer.cancel() }
        for await live in answers { return document(live: live) }
        return document(live: nil)
    }

    /// - Parameter live: The sequences that the engine has; nil: it did not answer.
    public func document(live: [SequenceStatistics]?, now: Instant = .now()) -> [UInt8] {
        let (following, owners, finished) = state.withLock { state in
            (
                state.following.sorted { $0.key < $1.key }.map(\.value),
                state.owners.mapValues { $0.request.serial }, state.finished.oldestFirst
            )
        }
        let bySerial = Dictionary(grouping: live ?? []) { owners[$0.request] }
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("now")
        writer.value(WallTime.now().iso8601)
        writer.key("engine_answered")
        writer.value(live != nil)
        writer.key("in_flight")
        writer.beginArray()
        for request in following {
            request.current.write(to: &writer, live: bySerial[request.serial] ?? [], now: now)
        }
        writer.endArray()
        writer.key("finished")
        writer.beginArray()
        for timeline in finished.reversed() { timeline.write(to: &writer, live: [], now: now) }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }
}

/// A request that a journal follows.
public final class FollowedRequest: Sendable {
    fileprivate let serial: UInt64
    fileprivate let span: OTLPSpan?
    private let journal: RequestJournal
    private let timeline: Mutex<RequestTimeline>

    fileprivate init(_ timeline: RequestTimeline, serial: UInt64, span: OTLPSpan?, journal: RequestJournal) {
        self.serial = serial
        self.span = span
        self.journal = journal
        self.timeline = Mutex(timeline)
    }

    fileprivate var current: RequestTimeline { timeline.withLock { $0 } }

    /// One of its prompts is about to be given to the engine.
    public func submit(_ id: RequestID, promptTokenCount: Int, sampleCount: Int) {
        timeline.withLock { $0.submit(id, promptTokenCount: promptTokenCount, sampleCount: sampleCount) }
        journal.submit(id, of: self, sampleCount: sampleCount)
    }

    /// The engine did not take it.
    public func withdraw(_ id: RequestID, sampleCount: Int) {
        journal.withdraw(id)
        timeline.withLock { $0.withdraw(sampleCount: sampleCount) }
    }

    /// The client has the last byte of its answer, or nobody is there to take it.
    ///
    /// - Parameter status: HTTP status; 0: none was sent.
    public func answered(status: Int, outcome: RequestOutcome, at moment: Instant = .now()) {
        let isComplete = timeline.withLock { timeline in
            guard timeline.answer == nil else { return false }
            timeline.close(RequestTimeline.Answer(moment: moment, status: status, outcome: outcome))
            return timeline.isComplete
        }
        if isComplete { journal.complete(self) }
    }

    /// Whether the request is complete with it.
    fileprivate func add(_ sequence: SequenceStatistics) -> Bool {
        timeline.withLock { timeline in
            timeline.add(sequence)
            return timeline.isComplete
        }
    }
}
