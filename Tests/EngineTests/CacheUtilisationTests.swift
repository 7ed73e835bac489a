// How much of the KV blocks in use holds tokens.

import Engine
import EngineTesting
import Models
import Primitives
import Testing

@Suite("KV utilisation")
struct CacheUtilisationTests {
    /// Of all steps together, tokens held ÷ token slots of the blocks in use, and ÷ what as many sequences would take
    /// if each had its longest length in one piece.
    private struct Utilisation {
        var ofBlocks: Double
        var ofContiguousSpace: Double

        init(_ steps: [StepStatistics], blockSize: Int, maxModelLength: Int) {
            let held = Double(steps.reduce(0) { $0 + $1.cachedTokenCount })
            let slots = steps.reduce(0) { $0 + $1.usedBlockCount * blockSize }
            let reserved = steps.reduce(0) { $0 + $1.runningCount * maxModelLength }
            ofBlocks = held / Double(slots)
            ofContiguousSpace = held / Double(reserved)
        }
    }

    private static func held(_ harness: Harness) -> [[Int]] {
        harness.observer.steps.filter { $0.sequenceCount > 0 }.map { [$0.cachedTokenCount, $0.usedBlockCount] }
    }

    @Test("tokens are counted as they are computed, and blocks as they are taken")
    func oneSequence() async throws {
        let harness = try Harness()
        _ = try await harness.run(request(1, length: 31, maximumTokens: 4))
        await harness.engine.shutdown(draining: .zero)
        #expect(Self.held(harness) == [[31, 2], [32, 2], [33, 3], [0, 0]])
    }

    @Test("what samples share is counted once, and what each has of its own for each")
    func samples() async throws {
        let harness = try Harness()
        var request = request(1, length: 20, maximumTokens: 3)
        request.sampleCount = 2
        _ = try await harness.run(request)
        await harness.engine.shutdown(draining: .zero)
        #expect(Self.held(harness) == [[20, 2], [16 + 2 * 5, 3], [0, 0]])
    }

    @Test("a chunk holds what it has computed, not what it will")
    func chunks() async throws {
        let harness = try Harness { configuration, _ in configuration.maxBatchedTokens = 24 }
        _ = try await harness.run(request(1, length: 60, maximumTokens: 1))
        await harness.engine.shutdown(draining: .zero)
        #expect(Self.held(harness) == [[24, 2], [48, 3], [0, 0]])
    }

    @Test(
        "under mixed lengths at least 99 % of the slots in use hold a token, preempted or with common prefixes too",
        arguments: [(blockCount: 3_072, prefix: 0), (900, 0), (3_072, 1_000)])
    func mixedLengths(blockCount: Int, prefix: Int) async throws {
        let harness = try Harness { configuration, model in
            configuration = EngineConfiguration(maxModelLength: 4_096)
            configuration.schedulerDelay = .zero
            configuration.maxRunningSequences = 12
            model.capacity = CacheCapacity(blockCount: blockCount, blockSize: 16)
        }
        var random = SplitMix64(state: 8)
        let lengths = (0..<48).map { _ in Int.random(in: 64...4_000, using: &random) }
        await withTaskGroup(of: Void.self) { group in
            for (id, length) in lengths.enumerated() {
                let output = min(length / 2, Int.random(in: 16...200, using: &random))
                var request = request(UInt64(id), length: length - output, maximumTokens: output)
                let common = min(prefix, request.promptTokenIDs.count)
                request.promptTokenIDs[..<common] = ArraySlice((0..<common).map { TokenID($0 % 61) })
                let ready = request
                group.addTask { _ = try? await harness.run(ready) }
            }
        }
        await harness.engine.shutdown(draining: .zero)
        let finished = harness.observer.finished
        #expect(finished.count == 48 && finished.allSatisfy { $0.reason == .length })
        #expect(finished.contains { $0.preemptionCount > 0 } == (blockCount == 900))
        #expect(finished.contains { $0.cachedPromptTokenCount >= 900 } == (prefix > 0))
        let utilisation = Utilisation(harness.observer.steps, blockSize: 16, maxModelLength: 4_096)
        #expect(utilisation.ofBlocks >= 0.99 && utilisation.ofBlocks <= 1, "\(utilisation)")
        #expect(prefix > 0 || utilisation.ofContiguousSpace < 0.7, "\(utilisation)")
    }
}
