// Blocks that one sequence computes and others take over.

import Primitives
import Scheduling
import Testing

@Suite("Prefix cache")
struct PrefixCacheTests {
    private static func limits(
        blocks: Int = 64, rows: Int = 1_000, _ change: (inout SchedulerLimits) -> Void = { _ in }
    ) -> SchedulerLimits {
        var limits = SchedulerLimits(maxModelLength: 200, blockSize: 4, blockCount: blocks)
        limits.maxBatchedTokens = rows
        limits.admissionDelay = .zero
        change(&limits)
        return limits
    }

    private static func request(
        common: Int = 40, own: [UInt64] = [], output: Int = 3, scope: UInt64? = 1
    ) -> SimulatedRequest {
        var request = SimulatedRequest(prompt: (0..<UInt64(common)).map { $0 + 1 } + own, maximumTokens: output)
        request.scope = scope
        return request
    }

    @Test("a later request computes only what follows the common prefix")
    func laterRequest() throws {
        var simulation = Simulation(Self.limits())
        try simulation.submit(Self.request(own: [900, 901]))
        try simulation.runToEnd()
        #expect(simulation.foundCount == 0)
        let before = simulation.computedCount
        let handle = try simulation.submit(Self.request(own: [950]))[0]
        try simulation.step()
        #expect(simulation.batch.prefixQueryCount == 41 && simulation.batch.prefixHitCount == 40)
        #expect(simulation.computedCount - before == 1)
        #expect(simulation.scheduler.foundTokenCount(of: handle) == 40)
    }

    @Test("a prompt that is cached whole still computes its last block, for its logits")
    func wholePrompt() throws {
        var simulation = Simulation(Self.limits())
        try simulation.submit(Self.request())
        try simulation.runToEnd()
        try simulation.submit(Self.request())
        try simulation.step()
        #expect(simulation.batch.prefixHitCount == 36 && simulation.batch.entries[0].count == 4)
        try simulation.runToEnd()
        #expect(simulation.outputs[[0, 0]] == simulation.outputs[[1, 0]])
    }

    @Test("requests that come together compute their common prefix once and hold one copy", arguments: [1_000, 24])
    func together(rows: Int) throws {
        var simulation = Simulation(Self.limits(rows: rows))
        for index in 0..<8 {
            try simulation.submit(Self.request(common: 80, own: [UInt64(500 + index)], output: 30))
        }
        while simulation.runs.values.contains(where: { $0.tokens.count == $0.promptCount }) { try simulation.step() }
        #expect(simulation.foundCount == 7 * 80)
        #expect(simulation.scheduler.usedBlockCount <= 20 + 8 * 3)
        #expect(simulation.computedCount < 80 + 8 * 20)
    }

    @Test("another scope, no scope, and prompts whose logits are wanted find nothing")
    func isolation() throws {
        var simulation = Simulation(Self.limits())
        try simulation.submit(Self.request(scope: 1))
        try simulation.runToEnd()
        var scored = Self.request(scope: 1)
        scored.wantsPromptLogits = true
        for request in [Self.request(scope: 2), Self.request(scope: nil), scored] {
            try simulation.submit(request)
            try simulation.runToEnd()
        }
        #expect(simulation.foundCount == 0)
    }

    @Test("the output of one request is found by the next turn of its conversation")
    func nextTurn() throws {
        var simulation = Simulation(Self.limits())
        try simulation.submit(Self.request(common: 10, output: 40))
        try simulation.runToEnd()
        let answer = try #require(simulation.outputs[[0, 0]])
        let known = 10 + answer.count - 1
        try simulation.submit(Self.request(common: 10, own: answer + [77, 78, 79, 80]))
        try simulation.step()
        #expect(simulation.batch.prefixHitCount == known / 4 * 4)
    }

    @Test("cached blocks give way to new ones, those used longest ago first")
    func eviction() throws {
        var simulation = Simulation(Self.limits(blocks: 24))
        try simulation.submit(Self.request(common: 40))
        try simulation.runToEnd()
        var other = Self.request(common: 0, own: (0..<80).map { 300 + $0 })
        other.scope = 1
        try simulation.submit(other)
        try simulation.runToEnd()
        try simulation.submit(Self.request(common: 40))
        try simulation.step()
        // Of the first one's 10 full blocks the tail had to go: its head was released last.
        #expect((1...7).contains(simulation.batch.prefixHitCount / 4))
    }

    @Test("a preempted sequence finds its own blocks again, and is not counted as a hit")
    func preemption() throws {
        var computed: [Int] = []
        for scope in [1, nil] as [UInt64?] {
            var preempted = 0
            computed.append(0)
            for variant in 0..<5 as Range<UInt64> {
                var simulation = Simulation(Self.limits(blocks: 14))
                for own in [[variant], (0..<20).map { 600 + $0 + variant }] {
                    try simulation.submit(Self.request(common: 21 - own.count, own: own, output: 20, scope: scope))
                }
                while simulation.scheduler.hasWork {
                    try simulation.step()
                    preempted += simulation.batch.preempted.count
                }
                #expect(simulation.foundCount == 0)
                computed[computed.count - 1] += simulation.computedCount
            }
            #expect(preempted > 0)
        }
        #expect(computed[0] < computed[1])
    }

    @Test("after a step that failed nothing that it should have computed is found")
    func abandonedStep() throws {
        var scheduler = Scheduler(limits: Self.limits())
        var batch = Batch()
        var numbers = SequenceRequest(promptCount: 40, maximumTokens: 3)
        numbers.blockHashes = Self.request().blockHashes(of: Self.request().prompt, blockSize: 4)
        let first = try scheduler.submit(numbers, at: Instant(nanoseconds: 0))[0]
        scheduler.schedule(at: Instant(nanoseconds: 1), into: &batch)
        scheduler.abandon(batch)
        scheduler.finish(first)
        try scheduler.checkInvariants()
        _ = try scheduler.submit(numbers, at: Instant(nanoseconds: 2))
        scheduler.schedule(at: Instant(nanoseconds: 3), into: &batch)
        #expect(batch.prefixHitCount == 0 && batch.entries[0].count == 40)
    }
}
