// Requests that begin alike.

import Engine
import EngineTesting
import ModelFiles
import Models
import Primitives
import Sampling
import Testing

@Suite("Prefix caching")
struct PrefixCachingTests {
    private static func harness(caches: Bool = true) throws -> Harness {
        try Harness { configuration, model in
            configuration.cachesPrefixes = caches
            model.capacity = CacheCapacity(blockCount: 40, blockSize: 4)
        }
    }

    @Test("the second of two equal requests computes a block of its prompt, and says and reports what it found")
    func equalRequests() async throws {
        let harness = try Self.harness()
        let first = try await harness.run(request(1, length: 20))
        let rows = harness.record.rowCount
        let handle = try harness.engine.submit(request(1, length: 20))
        let second = try await CheckedStream(handle.events, choiceCount: 1).collect()
        #expect(second == first)
        #expect(handle.cachedPromptTokenCount == 16)
        #expect(harness.record.rowCount - rows == rows - 16)
        await harness.engine.shutdown(draining: .seconds(1))
        let steps = harness.observer.steps
        #expect(steps.reduce(0) { $0 + $1.prefixQueryTokenCount } == 40)
        #expect(steps.reduce(0) { $0 + $1.prefixHitTokenCount } == 16)
        #expect(steps.reduce(0) { $0 + $1.cachedPromptTokenCount } == 16)
        #expect(steps.flatMap(\.finished).map(\.cachedPromptTokenCount) == [0, 16])
        #expect(steps.last?.usedBlockCount == 0, "what is cached alone counts as free")
    }

    @Test("a sequence that ends tells by which short names its prompt's blocks go: equal ones up to where prompts are")
    func blockNames() async throws {
        let harness = try Self.harness()
        var other = request(1, length: 22)
        other.promptTokenIDs[9] ^= 1
        other.priority = 3
        var apart = request(1, length: 20)
        apart.prefixScope = nil
        for request in [request(1, length: 20), other, apart] { _ = try await harness.run(request) }
        await harness.engine.shutdown(draining: .seconds(1))
        let ended = harness.observer.steps.flatMap(\.finished)
        let names = ended.map(\.blockNames)
        #expect(names.map(\.count) == [5, 5, 0])
        #expect(names[0][..<2] == names[1][..<2] && Set(names[0] + names[1]).count == 8)
        #expect(ended.map(\.priority) == [0, 3, 0])
    }

    @Test("nothing is found in another scope, without one, or with caching off")
    func scopes() async throws {
        for (caches, scopes) in [(true, ["a", "b"]), (true, [nil, nil]), (true, ["a", nil]), (false, ["a", "a"])] {
            let harness = try Self.harness(caches: caches)
            for scope in scopes {
                var request = request(1, length: 20)
                request.prefixScope = scope
                _ = try await harness.run(request)
            }
            await harness.engine.shutdown(draining: .seconds(1))
            #expect(harness.observer.steps.allSatisfy { $0.prefixHitTokenCount == 0 }, "\(scopes)")
        }
    }

    @Test("where long prompts are rotated otherwise, short ones find nothing of theirs, nor they of short ones")
    func rotaryVariants() async throws {
        let harness = try Harness { configuration, model in
            configuration.rotaryVariants = RotaryVariants(.dynamicNTK(trainedLength: 24))
            model.capacity = CacheCapacity(blockCount: 40, blockSize: 4)
        }
        let short = request(1, length: 20)
        var long = request(2, length: 10)
        long.promptTokenIDs = short.promptTokenIDs + long.promptTokenIDs
        var found: [Int] = []
        for next in [short, long, short, long] {
            let handle = try harness.engine.submit(next)
            _ = try await CheckedStream(handle.events, choiceCount: 1).collect()
            found.append(handle.cachedPromptTokenCount)
        }
        #expect(found == [0, 0, 16, 28])
        await harness.engine.shutdown(draining: .seconds(1))
    }

    @Test("a conversation's next turn finds the answer before it")
    func nextTurn() async throws {
        let harness = try Self.harness()
        let first = request(2, length: 9, maximumTokens: 12)
        let answer = try #require(try await harness.run(first).choices.first).tokenIDs
        var next = request(3, length: 6)
        next.promptTokenIDs = first.promptTokenIDs + answer + next.promptTokenIDs
        let handle = try harness.engine.submit(next)
        let outcome = try await CheckedStream(handle.events, choiceCount: 1).collect()
        // 9 and 12 tokens, of which the last was never computed.
        #expect(handle.cachedPromptTokenCount == 20)
        #expect(outcome == (try await Harness.alone(next)))
        await harness.engine.shutdown(draining: .seconds(1))
    }

    @Test("a step that fails leaves nothing to be found")
    func failedStep() async throws {
        let harness = try Harness { _, model in
            model.capacity = CacheCapacity(blockCount: 40, blockSize: 4)
            model.beforeStep = { step throws(ExecutionError) in
                if step == 0 { throw .deviceLost("a test") }
            }
        }
        let failed = try await harness.run(request(1, length: 20))
        #expect(failed.choices[0].reason == .error)
        let handle = try harness.engine.submit(request(1, length: 20))
        let outcome = try await CheckedStream(handle.events, choiceCount: 1).collect()
        #expect(handle.cachedPromptTokenCount == 0)
        #expect(outcome == (try await Harness.alone(request(1, length: 20))))
        await harness.engine.shutdown(draining: .seconds(1))
    }
}
