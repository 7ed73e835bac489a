// A generation under way: the engine's tokens, read as text.

import Engine
public import Primitives
import Sampling
import Tokenization

/// The batches of one generation, for one reader; each holds all that came since the one before. Every choice ends
/// exactly once, and the sequence with the last of them.
///
/// Letting go of it cancels what is unfinished, and so does cancelling the task that reads.
public struct TextGeneration: AsyncSequence, Sendable {
    public typealias Element = TextBatch
    public typealias Failure = Never

    private let handle: GenerationHandle
    private let prepared: PreparedGeneration
    private let tokenizer: Tokenizer

    init(handle: GenerationHandle, prepared: PreparedGeneration, tokenizer: Tokenizer) {
        self.handle = handle
        self.prepared = prepared
        self.tokenizer = tokenizer
    }

    public var promptTokenCount: Int { prepared.promptTokenIDs.count }
    public var choiceCount: Int { prepared.request.sampleCount }

    /// When the engine ended each choice, by choice; nil for those that go on.
    public var endings: [Instant?] { handle.endings }

    /// Why it was dropped, if its time was over.
    public var expiry: RequestExpiry? { handle.expiry }

    /// Tokens of the prompt that were found in the prefix cache; 0 until the first token has come.
    public var cachedPromptTokenCount: Int { handle.cachedPromptTokenCount }

    /// Ends all choices as soon as the engine can, with `.abort`; the sequence goes on to its end.
    public func cancel() {
        handle.cancel()
    }

    public func makeAsyncIterator() -> Iterator {
        Iterator(handle: handle, prepared: prepared, tokenizer: tokenizer)
    }

    public struct Iterator: AsyncIteratorProtocol {
        private let handle: GenerationHandle
        private var events: EventStream.Iterator
        private var choices: [ChoiceDecoder]
        private let tokenizer: Tokenizer
        private let isPromptOnly: Bool
        private let firstPromptToken: TokenID?

        init(handle: GenerationHandle, prepared: PreparedGeneration, tokenizer: Tokenizer) {
            self.handle = handle
            self.tokenizer = tokenizer
            events = handle.events.makeAsyncIterator()
            let choice = ChoiceDecoder(prepared: prepared, tokenizer: tokenizer)
            choices = Array(repeating: choice, count: prepared.request.sampleCount)
            isPromptOnly = prepared.isPromptOnly
            firstPromptToken = prepared.promptTokenIDs.first
        }

        public mutating func next() async -> TextBatch? {
            while choices.contains(where: { !$0.isFinished }), let events = await events.next() {
                let batch = decode(events)
                if batch.promptLogprobs != nil || !batch.deltas.isEmpty { return batch }
            }
            return nil
        }

        private mutating func decode(_ events: [EngineEvent]) -> TextBatch {
            var batch = TextBatch()
            for event in events {
                switch event {
                case .promptLogprobs(let positions):
                    batch.promptLogprobs = tokenizer.readable(positions, afterPromptToken: firstPromptToken)
                case .token(let choice, let token):
                    guard choices.indices.contains(choice), !choices[choice].isFinished, !isPromptOnly else { continue }
                    let delta = choices[choice].append(token, choice: choice)
                    if delta.ending != nil { handle.finish(choice: choice, reason: .stop) }
                    batch.merge(delta)
                case .finished(let choice, let reason, let stopTokenID):
                    guard choices.indices.contains(choice), !choices[choice].isFinished else { continue }
                    batch.merge(choices[choice].finish(reason, stopTokenID: stopTokenID, choice: choice))
                }
            }
            return batch
        }
    }
}

extension TextBatch {
    fileprivate mutating func merge(_ delta: TextDelta) {
        if let index = deltas.firstIndex(where: { $0.choice == delta.choice }) {
            deltas[index].append(delta)
        } else {
            deltas.append(delta)
        }
    }
}
