// Static and continuous batching, contiguous and paged memory.

import Primitives
import Simulation
import Testing
import Workload

@Suite("Arrangements")
struct ArrangementTests {
    /// 64 to 4,000 prompt tokens, and memory for eight of the longest sequences.
    private static func mixedSettings(_ change: (inout WorkloadSettings) -> Void = { _ in }) -> WorkloadSettings {
        settings(blockCount: 8 * 4512 / 16, maxModelLength: 4512, change)
    }

    private static func run(
        _ trace: Workload, _ own: WorkloadSettings, _ arrangement: Arrangement
    ) throws -> ReplayOutcome {
        try Replay(trace, settings: own, costs: plainCosts(), arrangement: arrangement).run()
    }

    @Test("a static batch goes on until its last member has ended, and computes the others' padding")
    func padding() throws {
        let own = settings(blockCount: 250, maxModelLength: 2000)
        let requests = [10, 40, 20].map {
            WorkloadRequest(arrival: 0, promptTokenCount: 100, generatedTokenCounts: [$0])
        }
        let replay = try Replay(
            workload(own, requests), settings: own, costs: plainCosts(), arrangement: .staticContiguous)
        var decodeRows: [Int] = []
        let outcome = try replay.run { decodeRows.append($0.decodeRowCount) }
        // Two have room: one step for their prompts and 39 more; then the third, alone, for 20.
        #expect(decodeRows == [0] + Array(repeating: 2, count: 39) + [0] + Array(repeating: 1, count: 19))
        #expect(outcome.generatedTokenCount == 70 && outcome.endLatencies.count == 3)
        #expect(outcome.endLatencies[0] < outcome.endLatencies[1] / 2)
        // 10 steps of two sequences, 30 of one, 20 of one; each of them with 2,000 slots.
        #expect(outcome.cacheUtilization < 0.08 && outcome.cacheUtilization > 0.03)
    }

    @Test("at equal memory each arrangement serves mixed lengths faster than the one before", arguments: 0..<5)
    func ratios(seed: Int) throws {
        var trace = MixedTrace()
        trace.requestCount = 150
        trace.seed = UInt64(seed)
        let own = Self.mixedSettings { $0.cachesPrefixes = false }
        let load = try trace.workload(settings: own)
        let outcomes = try Arrangement.allCases.map { try Self.run(load, own, $0) }
        for outcome in outcomes {
            #expect(outcome.generatedTokenCount == outcomes[0].generatedTokenCount && outcome.refusedCount == 0)
        }
        let rates = outcomes.map(\.outputTokensPerSecond)
        #expect(rates[0] < rates[1] && rates[1] < rates[2], "\(rates)")
        let used = outcomes.map(\.cacheUtilization)
        #expect(used[0] < used[1] && used[1] < 0.4 && used[2] > 0.98, "\(used)")
        #expect(outcomes[1].meanRunning <= 8 && outcomes[2].meanRunning > 12)
    }

    @Test("blocks of 16 are at least 99 % full under mixed lengths, also with preemption and shared prefixes")
    func utilization() throws {
        var trace = MixedTrace()
        trace.requestCount = 300
        let own = Self.mixedSettings()
        var load = try trace.workload(settings: own)
        let plain = try Self.run(load, own, .continuousPaged)
        #expect(plain.cacheUtilization >= 0.99, "\(plain.cacheUtilization)")

        // Outputs as long as prompts outgrow the memory that was enough to begin with.
        trace.outputTokens = 256...512
        trace.promptTokens = 64...4000
        let long = try trace.workload(settings: own)
        let preempting = try Self.run(long, own, .continuousPaged)
        #expect(preempting.preemptionCount > 0)
        #expect(preempting.cacheUtilization >= 0.99, "\(preempting.cacheUtilization)")

        // A system prompt of 64 tokens, and one of 512: the more is held once for all, the more the last blocks weigh.
        for (alike, least) in [(4, 0.99), (32, 0.985)] {
            for index in load.requests.indices {
                let count = load.requests[index].promptTokenCount / 16
                load.requests[index].prefixBlocks = (0..<count).map { block in
                    SplitMix64.mixed(block < alike ? UInt64(block) : UInt64(index * 1000 + block))
                }
            }
            let sharing = try Self.run(load, own, .continuousPaged)
            #expect(sharing.cachedPromptTokenCount > plain.cachedPromptTokenCount + alike * 16 * 200)
            #expect(sharing.cacheUtilization >= least, "\(alike) blocks: \(sharing.cacheUtilization)")
        }
    }

    @Test("a trace is the same for a seed, its lengths within bounds and even over their logarithms")
    func trace() throws {
        var trace = MixedTrace()
        trace.requestCount = 4000
        trace.requestRate = 50
        let load = try trace.workload(settings: settings())
        #expect(try trace.workload(settings: settings()) == load)
        let prompts = load.requests.map(\.promptTokenCount)
        #expect(prompts.allSatisfy { (64...4000).contains($0) })
        // Half of them are below the geometric mean, 506.
        #expect((1880...2120).contains(prompts.count { $0 < 506 }))
        #expect(load.requests.allSatisfy { (16...512).contains($0.generatedTokenCounts[0]) })
        #expect((70...90).contains(load.duration))
        #expect(zip(load.requests, load.requests.dropFirst()).allSatisfy { $0.arrival <= $1.arrival })
        trace.seed = 1
        #expect(try trace.workload(settings: settings()) != load)
        trace.promptTokens = 0...5
        #expect(throws: SimulationError.self) { try trace.workload(settings: settings()) }
    }
}
