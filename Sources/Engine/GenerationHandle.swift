// A client's hold on its request.

public import Primitives

/// A request inside the engine. Letting go of the handle cancels what is unfinished.
public final class GenerationHandle: Sendable {
    public let id: RequestID
    public let events: EventStream

    init(id: RequestID, queue: EventQueue) {
        self.id = id
        events = EventStream(queue: queue)
    }

    deinit {
        cancel()
    }

    /// When the engine ended each choice, by choice; nil for those that go on.
    public var endings: [Instant?] { events.queue.endings }

    /// Why the engine dropped it; nil if it did not.
    public var expiry: RequestExpiry? { events.queue.expiry }

    /// Tokens of the prompt that were found in the cache; 0 until the first token has come.
    public var cachedPromptTokenCount: Int { events.queue.cachedPromptTokenCount }

    /// Ends all choices before the next step, with `.abort`. Harmless after the end.
    public func cancel() {
        events.queue.cancel()
    }

    /// Ends one choice before the next step, with `reason`: what its text says, as a stop string, the engine can't see.
    ///
    /// Nothing happens if the choice has ended, or has no token yet.
    public func finish(choice: Int, reason: FinishReason) {
        events.queue.finish(choice: choice, reason: reason)
    }
}
