// Requests through the engine: tokens, samples, logprobs, refusals.

import Engine
import EngineTesting
import Models
import Primitives
import Sampling
import Testing

@Suite("Inference engine")
struct InferenceEngineTests {
    @Test("64 requests at once on a tight machine get the tokens they get alone", arguments: [1, 4, 16, 32])
    func concurrentRequestsEqualLoneOnes(blockSize: Int) async throws {
        let harness = try Harness { configuration, model in
            configuration.maxRunningSequences = 9
            configuration.maxBatchedTokens = 24
            configuration.schedulerDelay = .milliseconds(blockSize)
            model.capacity = CacheCapacity(blockCount: 96 / blockSize, blockSize: blockSize)
            model.maximumLogitRows = 12
        }
        var random = SplitMix64(state: UInt64(blockSize))
        let requests = (0..<64).map { randomRequest(UInt64($0), using: &random) }
        let outcomes = try await withThrowingTaskGroup(of: (Int, CheckedStream.Outcome).self) { group in
            for (index, request) in requests.enumerated() {
                group.addTask { (index, try await harness.run(request)) }
            }
            return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        for (index, request) in requests.enumerated() {
            let expected = try await Harness.alone(request)
            #expect(outcomes[index] == expected, "request \(index)")
        }
        await harness.engine.shutdown(draining: .seconds(10))
        let steps = harness.observer.steps
        #expect(steps.contains { $0.preemptionCount > 0 }, "the machine was not tight")
        #expect(blockSize == 1 || harness.record.batches.contains { $0.copyCount > 0 }, "no shared block was written")
        #expect(steps.last?.usedBlockCount == 0)
    }

    @Test("samples of one prompt compute it once and share its blocks")
    func samplesShareTheirPrompt() async throws {
        let harness = try Harness()
        var shared = request(3, length: 21, maximumTokens: 4)
        shared.sampleCount = 3
        shared.parameters.temperature = 1
        shared.parameters.seed = 7
        let outcome = try await harness.run(shared)
        // 21 rows of prompt, then three more tokens to compute for each of the samples.
        #expect(harness.record.rowCount == 21 + 3 * 3)
        #expect(harness.record.batches.map(\.copyCount).reduce(0, +) == 2)
        #expect(Set(outcome.choices.map(\.tokenIDs)).count > 1)
        for (sample, choice) in outcome.choices.enumerated() {
            var single = shared
            single.sampleCount = 1
            single.parameters.seed = 7 + UInt64(sample)
            let alone = try await Harness.alone(single)
            #expect(alone.choices[0].tokenIDs == choice.tokenIDs)
        }
    }

    @Test("prompt logprobs are those of the whole prompt however it is cut", arguments: [1, 2, 5])
    func promptLogprobs(logitRows: Int) async throws {
        var asking = request(4, length: 17, maximumTokens: 3)
        asking.promptLogprobCount = 2
        let harness = try Harness { _, model in model.maximumLogitRows = logitRows }
        let outcome = try await harness.run(asking)
        let logprobs = try #require(outcome.promptLogprobs)
        #expect(logprobs.map(\.chosen.token) == Array(asking.promptTokenIDs.dropFirst()))
        #expect(harness.record.batches.allSatisfy { $0.logitRowCount <= logitRows })
        let whole = try await Harness.alone(asking)
        #expect(outcome == whole)
    }

    @Test("a prompt of one token has no prompt logprobs, which is told")
    func promptLogprobsOfOneToken() async throws {
        var asking = request(4, length: 1, maximumTokens: 1)
        asking.promptLogprobCount = 0
        let outcome = try await Harness.alone(asking)
        #expect(outcome.promptLogprobs?.isEmpty == true)
    }

    @Test("what can't be served is refused with the reason")
    func refusals() throws {
        let harness = try Harness { configuration, model in
            configuration.maxRunningSequences = 4
            model.capacity = CacheCapacity(blockCount: 4, blockSize: 16)
        }
        func refusal(_ change: (inout EngineRequest) -> Void) -> EngineError? {
            var changed = request(1)
            change(&changed)
            do throws(EngineError) {
                _ = try harness.engine.submit(changed)
                return nil
            } catch {
                return error
            }
        }
        #expect(refusal { $0.promptTokenIDs = [] } == .emptyPrompt)
        #expect(refusal { $0.promptTokenIDs = [64] } == .tokenOutOfVocabulary(64, vocabularySize: 64))
        #expect(refusal { $0.promptTokenIDs = [-1] } == .tokenOutOfVocabulary(-1, vocabularySize: 64))
        let long = Array(repeating: TokenID(1), count: 128)
        #expect(refusal { $0.promptTokenIDs = long } == .promptTooLong(tokenCount: 128, limit: 128))
        #expect(refusal { $0.sampleCount = 5 } == .tooManySamples(count: 5, limit: 4))
        #expect(refusal { $0.sampleCount = 0 } == .tooManySamples(count: 0, limit: 4))
        #expect(refusal { $0.sampleCount = .min } == .tooManySamples(count: .min, limit: 4))
        #expect(refusal { $0.parameters.maximumTokens = 0 } == .nothingToGenerate)
        #expect(refusal { $0.parameters.maximumTokens = .max } == .neverFits(neededBlocks: 8, blockCount: 4))
        #expect(refusal { $0.parameters.maximumTokens = 60 } == nil)
        #expect(refusal { $0.parameters.maximumTokens = 61 } == .neverFits(neededBlocks: 5, blockCount: 4))
    }

    @Test("a configuration that can't work is refused")
    func invalidConfigurations() {
        #expect(throws: EngineError.self) { try Harness { configuration, _ in configuration.maxBatchedTokens = 0 } }
        #expect(throws: EngineError.self) { try Harness { configuration, _ in configuration.maxModelLength = .max } }
        #expect(throws: EngineError.self) {
            try Harness { _, model in model.capacity = CacheCapacity(blockCount: 0, blockSize: 16) }
        }
    }

    @Test("a sequence whose logits are no numbers ends alone")
    func poisonedSequence() async throws {
        let harness = try Harness { _, model in model.poison = 63 }
        var poisoned = request(1)
        poisoned.promptTokenIDs = [1, 2, 63]
        poisoned.sampleCount = 2
        var healthy = request(2, maximumTokens: 20)
        healthy.parameters.allowedTokenIDs = [5, 6]
        async let failing = harness.run(poisoned)
        async let lasting = harness.run(healthy)
        #expect(try await failing.choices.map(\.reason) == [.error, .error])
        #expect(try await failing.choices.allSatisfy { $0.tokens.isEmpty })
        #expect(try await lasting.choices[0].reason == .length)
    }

    @Test("what is reported adds up to what was delivered")
    func statisticsAddUp() async throws {
        let harness = try Harness { configuration, model in
            configuration.maxBatchedTokens = 16
            model.capacity = CacheCapacity(blockCount: 24, blockSize: 2)
        }
        var random = SplitMix64(state: 5)
        let requests = (0..<20).map { randomRequest(UInt64($0), using: &random) }
        let outcomes = try await withThrowingTaskGroup(of: CheckedStream.Outcome.self) { group in
            for request in requests {
                group.addTask { try await harness.run(request) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        await harness.engine.shutdown(draining: .zero)
        let steps = harness.observer.steps
        let sampleCount = requests.map(\.sampleCount).reduce(0, +)
        let tokenCount = outcomes.flatMap(\.choices).map(\.tokens.count).reduce(0, +)
        #expect(steps.map(\.arrivedCount).reduce(0, +) == sampleCount)
        #expect(harness.observer.finished.count == sampleCount)
        #expect(steps.map(\.generatedTokenCount).reduce(0, +) == tokenCount)
        #expect(steps.map(\.firstTokens.count).reduce(0, +) == sampleCount)
        #expect(steps.map(\.interTokenLatencies.count).reduce(0, +) == tokenCount - sampleCount)
        #expect(
            steps.map(\.promptTokenCount).reduce(0, +)
                == requests.map { $0.sampleCount * $0.promptTokenIDs.count }.reduce(0, +))
        #expect(
            steps.map { $0.prefillTokenCount + $0.decodeTokenCount }.reduce(0, +) == harness.record.rowCount)
        #expect(steps.allSatisfy { $0.cachedTokenCount <= $0.usedBlockCount * 2 && $0.usedBlockCount <= 24 })
        #expect(
            steps.map(\.preemptionCount).reduce(0, +) == harness.observer.finished.map(\.preemptionCount).reduce(0, +))
        for sequence in harness.observer.finished {
            let scheduled = try #require(sequence.scheduled)
            let first = try #require(sequence.firstToken)
            let last = try #require(sequence.lastToken)
            #expect(sequence.arrival <= sequence.queued && sequence.queued <= scheduled)
            #expect(scheduled <= first && first <= last && last <= sequence.finished)
        }
    }
}
