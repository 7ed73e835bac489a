// The generations of one client request: one for each prompt.

import Generation
import OpenAI
import Primitives

struct GenerationRun: Sendable {
    let prepared: [PreparedGeneration]
    let generations: [TextGeneration]
    /// Choices of each prompt.
    let sampleCount: Int
    /// Whether the client is told what of its prompts was cached.
    let tellsCachedTokens: Bool
    /// Where what its prompts have in the queue is counted.
    let place: AdmissionControl.Place
    /// Whether the engine may drop it since its time is over.
    let mayExpire: Bool

    /// Of all prompts.
    var promptTokenCount: Int { prepared.reduce(0) { $0 + $1.promptTokenIDs.count } }
    var choiceCount: Int { prepared.count * sampleCount }

    /// What the client is told of its tokens.
    func usage(completionTokens: Int) -> Usage {
        let cached = generations.reduce(0) { $0 + $1.cachedPromptTokenCount }
        return Usage(
            promptTokens: promptTokenCount, completionTokens: completionTokens,
            cachedTokens: tellsCachedTokens ? cached : nil)
    }

    /// Where a choice stands in the response: all of the first prompt, then those of the second, and so on.
    func index(ofChoice choice: Int, prompt: Int) -> Int { prompt * sampleCount + choice }

    /// Calls `body` with the batches of all prompts as they come.
    func forEachBatch(_ body: (_ prompt: Int, TextBatch) async throws -> Void) async throws {
        guard generations.count != 1 else {
            for await batch in generations[0] {
                note(batch, prompt: 0)
                try await body(0, batch)
            }
            return
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            let (batches, continuation) = AsyncStream.makeStream(of: (prompt: Int, batch: TextBatch).self)
            group.addTask {
                await withDiscardingTaskGroup { readers in
                    for (prompt, generation) in generations.enumerated() {
                        readers.addTask {
                            for await batch in generation { continuation.yield((prompt, batch)) }
                        }
                    }
                }
                continuation.finish()
            }
            for await (prompt, batch) in batches {
                note(batch, prompt: prompt)
                try await body(prompt, batch)
            }
        }
    }

    private func note(_ batch: TextBatch, prompt: Int) {
        place.began(prompt: prompt)
        place.answered(tokenCount: batch.deltas.reduce(0) { $0 + $1.tokenIDs.count })
    }

    /// What one prompt came to.
    struct Outcome: Sendable {
        var promptLogprobs: [PositionLogprob]?
        /// By choice, each with all of its tokens.
        var choices: [TextDelta]
    }

    /// Waits for the end of everything.
    func collect() async throws -> [Outcome] {
        var outcomes: [Outcome] = []
        for (prompt, generation) in generations.enumerated() {
            var outcome = Outcome(choices: (0..<sampleCount).map { TextDelta(choice: $0) })
            for await batch in generation {
                note(batch, prompt: prompt)
                try checkEndings(of: batch, prompt: prompt)
                outcome.promptLogprobs = batch.promptLogprobs ?? outcome.promptLogprobs
                for delta in batch.deltas where outcome.choices.indices.contains(delta.choice) {
                    outcome.choices[delta.choice].append(delta)
                }
            }
            outcomes.append(outcome)
        }
        return outcomes
    }

    /// Throws what the client is told if a choice did not come to its own end.
    func checkEndings(of batch: TextBatch, prompt: Int) throws {
        for delta in batch.deltas {
            switch delta.ending?.reason {
            case .abort:
                guard let expiry = generations[prompt].expiry else {
                    throw RequestError(.unavailable, "The server stopped the request before its end.")
                }
                throw Expired(expiry, retrySeconds: place.secondsUntilEase)
            case .error: throw RequestError(.internalFailure, "The engine failed to compute the request.")
            case .stop, .length, nil: continue
            }
        }
    }
}

/// The engine dropped a request, since its time was over.
struct Expired: Error {
    let answer: RequestError
    /// When to come back; nil if that is the client's to know.
    let retrySeconds: Double?

    static let deadlineAnswer = RequestError(
        .deadlineExceeded, "The time that the request's X-Request-Timeout-Ms gave is over.")

    init(_ expiry: RequestExpiry, retrySeconds: Double?) {
        switch expiry {
        case .deadline:
            answer = Self.deadlineAnswer
            self.retrySeconds = nil
        case .queueTime:
            answer = RequestError(
                .overloaded, "The request has waited in the queue for as long as the server lets any. Try again later.")
            self.retrySeconds = retrySeconds
        }
    }
}
