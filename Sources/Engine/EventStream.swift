// A request's events on their way from the engine's thread to the task that reads them.

import Primitives
import Synchronization

/// The events of one request, for one reader. Each element holds all that were pending; the laws are `EngineEvent`'s.
///
/// Cancelling the reading task ends the stream at once and cancels the request.
public struct EventStream: AsyncSequence, Sendable {
    public typealias Element = [EngineEvent]
    public typealias Failure = Never

    let queue: EventQueue

    public func makeAsyncIterator() -> Iterator {
        Iterator(queue: queue)
    }

    public struct Iterator: AsyncIteratorProtocol {
        let queue: EventQueue

        /// All events pending, after waiting for one; nil after the last.
        public mutating func next() async -> [EngineEvent]? {
            await queue.next()
        }

        public mutating func next(isolation actor: isolated (any Actor)?) async -> [EngineEvent]? {
            await queue.next()
        }
    }
}

/// A choice's end, and when it was.
struct ChoiceEnd: Sendable {
    var choice: Int
    var moment: Instant
}

/// The two ends of a stream. The engine appends under a lock and never waits for the reader, who can't fall further
/// behind than the tokens its request may have.
final class EventQueue: Sendable {
    /// What the reader finds.
    private enum Answer {
        case events([EngineEvent])
        case end
        case none
    }

    private typealias Reader = CheckedContinuation<[EngineEvent]?, Never>

    private struct State {
        var pending: [EngineEvent] = []
        var reader: Reader?
        var openChoiceCount: Int
        /// By choice.
        var endings: [Instant?]
        /// Known from the first token on.
        var cachedPromptTokenCount = 0
        var expiry: RequestExpiry?
        /// The reader was cancelled and nobody will ask again.
        var isAbandoned = false
    }

    let ticket: UInt64
    private let mailbox: Mailbox
    private let choiceCount: Int
    private let state: Mutex<State>

    init(ticket: UInt64, choiceCount: Int, mailbox: Mailbox) {
        self.ticket = ticket
        self.mailbox = mailbox
        self.choiceCount = choiceCount
        let endings = [Instant?](repeating: nil, count: max(0, choiceCount))
        state = Mutex(State(openChoiceCount: choiceCount, endings: endings))
    }

    // MARK: - The engine's end

    /// Hands over a step's events, and which choices they end.
    func deliver(_ events: [EngineEvent], endings: [ChoiceEnd]) {
        let (reader, pending) = state.withLock { state -> (Reader?, [EngineEvent]) in
            state.openChoiceCount -= endings.count
            for end in endings where state.endings.indices.contains(end.choice) {
                state.endings[end.choice] = end.moment
            }
            guard !state.isAbandoned else { return (nil, []) }
            state.pending.append(contentsOf: events)
            guard let reader = state.reader else { return (nil, []) }
            state.reader = nil
            let pending = state.pending
            state.pending = []
            return (reader, pending)
        }
        reader?.resume(returning: pending)
    }

    func tell(cachedPromptTokenCount count: Int) {
        if count > 0 { state.withLock { $0.cachedPromptTokenCount = count } }
    }

    /// Why what ends next by `.abort` does.
    func tell(expiry: RequestExpiry) {
        state.withLock { $0.expiry = expiry }
    }

    // MARK: - The reader's end

    func next() async -> [EngineEvent]? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                switch answer(orWaitWith: continuation) {
                case .events(let events): continuation.resume(returning: events)
                case .end: continuation.resume(returning: nil)
                case .none: break
                }
            }
        } onCancel: {
            abandon()
        }
    }

    private func answer(orWaitWith continuation: Reader) -> Answer {
        state.withLock { state in
            if state.isAbandoned { return .end }
            if !state.pending.isEmpty {
                let pending = state.pending
                state.pending = []
                return .events(pending)
            }
            // There is one reader; a second one at the same time gets nothing.
            if state.openChoiceCount == 0 || state.reader != nil { return .end }
            // Here rather than on the engine's thread.
            state.pending.reserveCapacity(choiceCount)
            state.reader = continuation
            return .none
        }
    }

    private func abandon() {
        let reader = state.withLock { state in
            let reader = state.reader
            state.isAbandoned = true
            state.reader = nil
            state.pending = []
            return reader
        }
        reader?.resume(returning: nil)
        cancel()
    }

    func cancel() {
        if hasOpenChoices { mailbox.post(.cancel(ticket: ticket)) }
    }

    func finish(choice: Int, reason: FinishReason) {
        if hasOpenChoices { mailbox.post(.finish(ticket: ticket, choice: choice, reason: reason)) }
    }

    /// When each choice ended; nil for those that go on.
    var endings: [Instant?] {
        state.withLock { $0.endings }
    }

    var expiry: RequestExpiry? {
        state.withLock { $0.expiry }
    }

    /// Tokens of the prompt that were found in the cache; 0 until the first token has come.
    var cachedPromptTokenCount: Int {
        state.withLock { $0.cachedPromptTokenCount }
    }

    private var hasOpenChoices: Bool {
        state.withLock { $0.openChoiceCount > 0 }
    }
}
