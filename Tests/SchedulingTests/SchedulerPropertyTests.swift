// Random loads on random machines: the laws hold after every step, and nobody's tokens depend on the others.

import Primitives
import Scheduling
import Testing

@Suite("Scheduler, properties")
struct SchedulerPropertyTests {
    @Test("every request ends once, with the tokens it has alone, however tight the machine", arguments: 0..<8)
    func sameTokensAsAlone(shard: Int) throws {
        for seed in (shard * 300)..<((shard + 1) * 300) {
            try check(seed: UInt64(seed))
        }
    }

    /// One random machine, load and set of cancellations.
    private func check(seed: UInt64) throws {
        var random = SplitMix64(state: seed)
        let limits = randomLimits(&random)
        let order = (0..<BlockID(limits.blockCount)).shuffled(using: &random)
        var simulation = Simulation(limits, blockOrder: order)
        var cancelled = Set<[Int]>()
        var steps = 0
        var left = Int.random(in: 1...12, using: &random)
        while left > 0 || simulation.scheduler.hasWork {
            if left > 0, Int.random(in: 0..<3, using: &random) == 0 {
                left -= 1
                let request = randomRequest(&random, limits: limits)
                // What can never fit is refused, and the rest must end.
                _ = try? simulation.submit(request)
            }
            if Int.random(in: 0..<25, using: &random) == 0 {
                try cancelOne(&simulation, &random, noting: &cancelled)
            }
            let prefillRows = Bool.random(using: &random) ? Int.random(in: 1...12, using: &random) : nil
            try simulation.step(prefillRows: prefillRows)
            steps += 1
            try #require(steps < 4_000, "seed \(seed): no end in sight")
        }
        #expect(simulation.scheduler.usedBlockCount == 0, "seed \(seed)")
        #expect(simulation.runs.isEmpty, "seed \(seed)")
        #expect(simulation.endings.values.allSatisfy { $0 == 1 }, "seed \(seed)")
        for (index, request) in simulation.requests.enumerated() {
            try compare(request, index, simulation.outputs, cancelled, limits, seed)
        }
    }

    private func compare(
        _ request: SimulatedRequest, _ index: Int, _ outputs: [[Int]: [UInt64]], _ cancelled: Set<[Int]>,
        _ limits: SchedulerLimits, _ seed: UInt64
    ) throws {
        var roomy = SchedulerLimits(
            maxModelLength: limits.maxModelLength, blockSize: limits.blockSize,
            blockCount: request.sampleCount * limits.blockCount(forTokens: limits.maxModelLength))
        roomy.maxBatchedTokens = 10_000
        var alone = Simulation(roomy)
        var unshared = request
        unshared.scope = nil
        try alone.submit(unshared)
        try alone.runToEnd()
        for sample in 0..<request.sampleCount {
            let expected = alone.outputs[[0, sample]] ?? []
            let found = outputs[[index, sample]]
            if cancelled.contains([index, sample]) {
                #expect(found.map { expected.starts(with: $0) } == true, "seed \(seed), request \(index), \(sample)")
            } else {
                #expect(found == expected, "seed \(seed), request \(index), sample \(sample)")
            }
        }
    }

    private func cancelOne(
        _ simulation: inout Simulation, _ random: inout SplitMix64, noting cancelled: inout Set<[Int]>
    ) throws {
        let handles = simulation.runs.keys.sorted { $0.index < $1.index }
        guard let victim = handles.randomElement(using: &random) else { return }
        for handle in [victim] + simulation.scheduler.unforkedSiblings(of: victim) {
            if let run = simulation.runs[handle] { cancelled.insert([run.request, run.sample]) }
        }
        try simulation.cancel(victim)
    }

    private func randomLimits(_ random: inout SplitMix64) -> SchedulerLimits {
        let blockSize = [1, 2, 3, 4, 8, 16].randomElement(using: &random) ?? 1
        var limits = SchedulerLimits(
            maxModelLength: Int.random(in: 4...48, using: &random), blockSize: blockSize,
            blockCount: Int.random(in: 2...max(3, 60 / blockSize), using: &random))
        limits.maxRunningSequences = Int.random(in: 1...8, using: &random)
        limits.maxBatchedTokens = Int.random(in: 1...24, using: &random)
        limits.maxLogitRows = Int.random(in: 1...12, using: &random)
        limits.maxPrefillChunk = Bool.random(using: &random) ? Int.random(in: 1...8, using: &random) : nil
        limits.policy = Bool.random(using: &random) ? .fcfs : .priority
        limits.priorityAging = [.zero, .milliseconds(3), .seconds(30)].randomElement(using: &random) ?? .zero
        limits.maxBypassCount = Int.random(in: 0...3, using: &random)
        limits.admissionDelay = Bool.random(using: &random) ? .zero : .milliseconds(5)
        return limits
    }

    private func randomRequest(_ random: inout SplitMix64, limits: SchedulerLimits) -> SimulatedRequest {
        let length = Int.random(in: 1...max(1, min(20, limits.maxModelLength - 1)), using: &random)
        var prompt = (0..<length).map { _ in UInt64.random(in: 0..<1_000, using: &random) }
        // Half of them begin as one of three others does.
        if Bool.random(using: &random) {
            let common = UInt64.random(in: 0..<3, using: &random)
            let count = Int.random(in: 0...length, using: &random)
            for index in 0..<count { prompt[index] = SplitMix64.mixed(common &+ UInt64(index)) % 1_000 }
        }
        var request = SimulatedRequest(prompt: prompt, maximumTokens: Int.random(in: 1...20, using: &random))
        request.sampleCount = Int.random(in: 0..<3, using: &random) == 0 ? Int.random(in: 1...4, using: &random) : 1
        request.priority = Int.random(in: -1...1, using: &random)
        request.wantsPromptLogits = Int.random(in: 0..<5, using: &random) == 0
        request.scope = Int.random(in: 0..<4, using: &random) == 0 ? nil : UInt64.random(in: 1...2, using: &random)
        return request
    }
}
