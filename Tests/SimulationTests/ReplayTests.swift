// A workload again, in simulated time.

import Primitives
import Simulation
import Testing
import Workload

@Suite("Replay")
struct ReplayTests {
    @Test("a request alone waits for its prompt's steps and nothing else, and each token for one step")
    func alone() throws {
        let costs = try plainCosts()
        let own = settings { $0.maxBatchedTokens = 64 }
        let request = WorkloadRequest(arrival: 5, promptTokenCount: 100, generatedTokenCounts: [3])
        let outcome = try Replay(workload(own, [request]), settings: own, costs: costs).run()
        // 64 and 36 rows, then single ones behind 101 and 102 tokens.
        let first = 0.01 + 0.064 + 64e-6 + 0.01 + 0.036 + 100e-6
        #expect(outcome.firstTokenLatencies.count == 1 && abs(outcome.firstTokenLatencies[0] - first) < 1e-8)
        #expect(outcome.interTokenLatencies.count == 2)
        #expect(abs(outcome.interTokenLatencies[0] - 0.011101) < 1e-8)
        #expect(abs(outcome.interTokenLatencies[1] - 0.011102) < 1e-8)
        #expect(abs(outcome.makespan - first - 0.022203) < 1e-8 && outcome.endLatencies == [outcome.makespan])
        #expect(outcome.generatedTokenCount == 3 && outcome.promptTokenCount == 100 && outcome.stepCount == 4)
        #expect(outcome.meanRunning == 1)
    }

    @Test("arrivals wait for the step under way; on an idle server they don't")
    func arrivals() throws {
        let requests = [0, 0.001, 100].map {
            WorkloadRequest(arrival: $0, promptTokenCount: 90, generatedTokenCounts: [1])
        }
        let outcome = try Replay(workload(settings(), requests), settings: settings(), costs: plainCosts()).run()
        let step = 0.01 + 0.09 + 90e-6
        let expected = [step, 2 * step - 0.001, step]
        #expect(zip(outcome.firstTokenLatencies, expected).allSatisfy { abs($0 - $1) < 1e-8 })
    }

    @Test("whoever came first runs first, in whatever order the file has them")
    func order() throws {
        var requests = (0..<20).map {
            WorkloadRequest(arrival: Double($0) * 1e-4, promptTokenCount: 64, generatedTokenCounts: [5])
        }
        let own = settings { $0.maxRunningSequences = 1 }
        let sorted = try Replay(workload(own, requests), settings: own, costs: plainCosts()).run()
        #expect(zip(sorted.firstTokenLatencies, sorted.firstTokenLatencies.dropFirst()).allSatisfy { $0 < $1 })
        requests.reverse()
        #expect(try Replay(workload(own, requests), settings: own, costs: plainCosts()).run() == sorted)
    }

    @Test("every request ends with the tokens it had, whatever comes together, and always alike", arguments: 0..<40)
    func everythingEnds(seed: Int) throws {
        var random = SplitMix64(state: UInt64(seed))
        let requests = randomRequests(60, using: &random)
        let blockCount = Int.random(in: 23...64, using: &random) * (Bool.random(using: &random) ? 1 : 4)
        var own = settings(blockCount: blockCount, maxModelLength: 400)
        own.maxBatchedTokens = Int.random(in: 16...256, using: &random)
        own.maxRunningSequences = Int.random(in: 3...16, using: &random)
        own.policy = Bool.random(using: &random) ? "fcfs" : "priority"
        own.schedulerDelay = Bool.random(using: &random) ? 0.01 : 0
        own.maxDecodeSlowdown = Bool.random(using: &random) ? 2.5 : 0
        own.maxPrefillChunk = Bool.random(using: &random) ? 40 : nil
        own.cachesPrefixes = Bool.random(using: &random)
        own.tenants = [WorkloadTenant(name: "a"), WorkloadTenant(name: "b")]
        own.tenants[1].weight = 3
        let replicas = Int.random(in: 1...3, using: &random)
        for arrangement in Arrangement.allCases {
            guard arrangement == .continuousPaged || own.blockSize * own.blockCount >= 3 * 400 else { continue }
            let replay = try Replay(
                workload(settings(), requests), settings: own, costs: plainCosts(), replicas: replicas,
                arrangement: arrangement)
            var stepCount = 0
            let outcome = try replay.run { step in
                stepCount += 1
                #expect(step.prefillRowCount + step.decodeRowCount <= own.maxBatchedTokens)
                #expect(step.seconds >= 0.01)
            }
            let staying = requests.filter { !$0.wasAborted }
            if arrangement == .continuousPaged {
                #expect(outcome.refusedCount == 0)
                #expect(outcome.endLatencies.count == staying.count)
                #expect(outcome.firstTokenLatencies.count == staying.count)
                let tokens = requests.reduce(0) { $0 + $1.generatedTokenCounts.reduce(0, +) }
                #expect(outcome.generatedTokenCount == tokens)
                let withTokens = requests.flatMap(\.generatedTokenCounts).count { $0 > 0 }
                #expect(outcome.interTokenLatencies.count == tokens - withTokens)
            } else {
                // A request with more samples than sequences have room is refused.
                #expect(outcome.endLatencies.count + outcome.refusedCount >= staying.count)
            }
            #expect(outcome.stepCount == stepCount)
            #expect(outcome.endLatencies.allSatisfy { $0 > 0 && $0 <= outcome.makespan + 1e-9 })
            #expect(outcome.cacheUtilization > 0 && outcome.cacheUtilization <= 1)
            #expect(try replay.run() == outcome)
        }
    }

    @Test("too few blocks mean preemption, and what was lost is computed again")
    func preemption() throws {
        let requests = (0..<6).map { _ in
            WorkloadRequest(arrival: 0, promptTokenCount: 60, generatedTokenCounts: [100])
        }
        let roomy = settings { $0.cachesPrefixes = false }
        let small = settings(blockCount: 30) { $0.cachesPrefixes = false }
        var rows = [0, 0]
        let easy = try Replay(workload(roomy, requests), settings: roomy, costs: plainCosts()).run {
            rows[0] += $0.prefillRowCount
        }
        let tight = try Replay(workload(roomy, requests), settings: small, costs: plainCosts()).run {
            rows[1] += $0.prefillRowCount
        }
        #expect(easy.preemptionCount == 0 && rows[0] == 360)
        #expect(tight.preemptionCount > 0 && rows[1] > 360)
        #expect(tight.makespan > easy.makespan && tight.generatedTokenCount == easy.generatedTokenCount)
    }

    @Test("prompts that begin alike are computed once, at the captured block size and at others")
    func prefixes() throws {
        let shared = (0..<10).map { SplitMix64.mixed(UInt64($0)) }
        let requests = (0..<8).map { number in
            var request = WorkloadRequest(
                arrival: Double(number), promptTokenCount: 200, generatedTokenCounts: [2])
            request.prefixBlocks = shared + [1000, 2000].map { SplitMix64.mixed($0 + UInt64(number)) }
            return request
        }
        func rows(_ change: @escaping (inout WorkloadSettings) -> Void) throws -> Int {
            var rows = 0
            let captured = settings()
            let outcome = try Replay(
                workload(captured, requests), settings: settings(blockCount: 4096, change), costs: plainCosts()
            ).run { rows += $0.prefillRowCount }
            #expect(outcome.cachedPromptTokenCount == 1600 - rows)
            return rows
        }
        // 160 tokens are alike: ten blocks of 16, twenty of 8, five of 32, two of 64, none of 256.
        #expect(try rows { _ in } == 1600 - 7 * 160)
        #expect(try rows { $0.blockSize = 8 } == 1600 - 7 * 160)
        #expect(try rows { $0.blockSize = 32 } == 1600 - 7 * 160)
        #expect(try rows { $0.blockSize = 64 } == 1600 - 7 * 128)
        #expect(try rows { $0.blockSize = 256 } == 1600)
        #expect(try rows { $0.cachesPrefixes = false } == 1600)
    }

    @Test("samples share their prompt, and a client that leaves takes no more than it had")
    func samplesAndDepartures() throws {
        var leaver = WorkloadRequest(arrival: 0, promptTokenCount: 50, generatedTokenCounts: [4])
        leaver.wasAborted = true
        var impatient = WorkloadRequest(arrival: 0, promptTokenCount: 5000, generatedTokenCounts: [0])
        impatient.wasAborted = true
        impatient.endLatency = 0.5
        let group = WorkloadRequest(arrival: 0, promptTokenCount: 50, generatedTokenCounts: [2, 6, 4])
        let own = settings(maxModelLength: 8192) { $0.maxBatchedTokens = 100 }
        var rows = 0
        let outcome = try Replay(workload(own, [leaver, group, impatient]), settings: own, costs: plainCosts()).run {
            rows += $0.prefillRowCount
        }
        #expect(outcome.generatedTokenCount == 4 + 12)
        #expect(outcome.firstTokenLatencies.count == 1 && outcome.endLatencies.count == 1)
        #expect(outcome.promptTokenCount == 100)
        // Half a second is enough for some of the long prompt, not for all of it.
        #expect(rows > 100 && rows < 1000)
    }

    @Test("a second replica takes half of the load")
    func replicas() throws {
        let requests = (0..<40).map {
            WorkloadRequest(arrival: Double($0) * 0.01, promptTokenCount: 128, generatedTokenCounts: [32])
        }
        let own = settings { $0.maxRunningSequences = 4 }
        let one = try Replay(workload(own, requests), settings: own, costs: plainCosts()).run()
        let two = try Replay(workload(own, requests), settings: own, costs: plainCosts(), replicas: 2).run()
        #expect(two.generatedTokenCount == one.generatedTokenCount && two.endLatencies.count == 40)
        #expect((0.4...0.6).contains(two.makespan / one.makespan))
    }

    @Test("what the settings can't hold is refused and counted, and the rest goes on")
    func refusals() throws {
        let requests = [
            WorkloadRequest(arrival: 0, promptTokenCount: 5000, generatedTokenCounts: [4]),
            WorkloadRequest(arrival: 0, promptTokenCount: 5, generatedTokenCounts: Array(repeating: 1, count: 200)),
            WorkloadRequest(arrival: 0, promptTokenCount: 5, generatedTokenCounts: [4]),
            // As long as a sequence may be.
            WorkloadRequest(arrival: 0, promptTokenCount: 4000, generatedTokenCounts: [4000]),
        ]
        let outcome = try Replay(workload(settings(), requests), settings: settings(), costs: plainCosts()).run()
        #expect(outcome.refusedCount == 2 && outcome.endLatencies.count == 2)
        #expect(outcome.generatedTokenCount == 4 + 96)
    }

    @Test("thousands of requests take a moment")
    func speed() throws {
        var trace = MixedTrace()
        trace.requestCount = 3000
        trace.requestRate = 20
        let own = settings(blockCount: 5000, maxModelLength: 4512)
        let clock = ContinuousClock()
        let begun = clock.now
        let outcome = try Replay(try trace.workload(settings: own), settings: own, costs: plainCosts()).run()
        #expect(outcome.endLatencies.count == 3000)
        // It takes a tenth of that; the machine is not ours alone.
        #expect(clock.now - begun < .seconds(20))
    }
}
