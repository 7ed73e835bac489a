// What the engine reports of tenants.

import Engine
import EngineTesting
import Models
import Primitives
import Scheduling
import Testing

@Suite("Tenants' statistics")
struct TenantStatisticsTests {
    @Test("what tenants have and what is computed for them sums to the whole, after every step")
    func sums() async throws {
        let harness = try Harness { configuration, model in
            configuration.maxRunningSequences = 4
            configuration.maxBatchedTokens = 40
            model.capacity = CacheCapacity(blockCount: 24, blockSize: 4)
        }
        var random = SplitMix64(state: 3)
        let names = ["a", "b", "default"]
        let requests = (0..<60).map { id in
            var request = randomRequest(UInt64(id), using: &random)
            request.origin.tenant = names[id % 3]
            return request
        }
        await withTaskGroup(of: Void.self) { group in
            for request in requests {
                group.addTask { _ = try? await harness.run(request) }
            }
        }
        await harness.engine.shutdown(draining: .zero)
        let steps = harness.observer.steps
        for step in steps {
            let present = step.tenants.reduce(0) { $0 + $1.unansweredCount + $1.answeredCount }
            #expect(present == step.runningCount + step.waitingCount)
            let computed = step.tenants.reduce(0) { $0 + $1.computedTokenCount }
            #expect(computed == step.prefillTokenCount + step.decodeTokenCount)
            #expect(step.tenants.allSatisfy { $0.unansweredCount >= 0 && $0.answeredCount >= 0 })
        }
        let last = try #require(steps.last)
        #expect(Set(last.tenants.map(\.name)) == Set(names))
        #expect(last.tenants.allSatisfy { $0.unansweredCount == 0 && $0.answeredCount == 0 })
        for name in names {
            let finished = harness.observer.finished.filter { $0.origin.tenant == name && $0.firstToken != nil }
            #expect(steps.flatMap(\.firstTokens).count { $0.tenant == name } == finished.count)
        }
    }

    @Test("a sequence that never had a token leaves nothing behind")
    func aborted() async throws {
        let gate = Gate()
        let harness = try Harness { configuration, model in
            configuration.maxRunningSequences = 1
            model.beforeStep = { _ in gate.pass() }
        }
        let running = try harness.engine.submit(request(1, maximumTokens: 2))
        let waiting = try harness.engine.submit(request(2))
        await gate.waitForArrival()
        waiting.cancel()
        gate.open()
        _ = try await CheckedStream(running.events).collect()
        await harness.engine.shutdown(draining: .zero)
        let last = try #require(harness.observer.steps.last)
        #expect(last.tenants.map(\.name) == ["default"])
        #expect(last.tenants[0].unansweredCount == 0 && last.tenants[0].answeredCount == 0)
    }

    @Test("where tenants differ in urgency, prompts that give way are computed in short steps")
    func urgency() async throws {
        var batch = EngineTenant(name: "batch")
        batch.priority = 1_000
        for (policy, rowCount) in [(SchedulingPolicy.priority, 64), (.fcfs, 100)] {
            let harness = try Harness { configuration, _ in
                configuration.tenants = [batch]
                configuration.policy = policy
                configuration.maxDecodeSlowdown = 2.5
            }
            var request = request(1, length: 100)
            request.priority = 1_000
            request.origin.tenant = "batch"
            _ = try await harness.run(request)
            await harness.engine.shutdown(draining: .zero)
            #expect(harness.record.batches.first?.rowCounts == [rowCount])
        }
    }
}
