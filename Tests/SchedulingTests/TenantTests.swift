// Whose turn it is, and what nobody may take from the others.

import Primitives
import Scheduling
import Testing

@Suite("Scheduler, tenants")
struct TenantTests {
    /// Everybody's requests are alike, and end after some tokens each.
    private struct Load: ~Copyable {
        var scheduler: Scheduler
        var batch = Batch()
        /// Tokens computed by tenant.
        var computed: [Int]
        private var left: [SequenceHandle: Int] = [:]
        private var tenantOf: [SequenceHandle: Int] = [:]
        private var now = Instant(nanoseconds: 0)

        init(
            _ tenants: [TenantLimits], places: Int = 4, rows: Int = 32, blockCount: Int = 200,
            policy: SchedulingPolicy = .fcfs
        ) {
            var limits = SchedulerLimits(maxModelLength: 100, blockSize: 4, blockCount: blockCount)
            limits.maxRunningSequences = places
            limits.maxBatchedTokens = rows
            limits.admissionDelay = .zero
            limits.tenants = tenants
            limits.policy = policy
            scheduler = Scheduler(limits: limits)
            computed = Array(repeating: 0, count: tenants.count)
        }

        @discardableResult
        mutating func submit(
            _ tenant: Int, prompt: Int = 8, output: Int = 8, priority: Int = 0
        ) throws -> SequenceHandle {
            var request = SequenceRequest(promptCount: prompt, maximumTokens: output)
            request.tenant = tenant
            request.priority = priority
            let handle = try scheduler.submit(request, at: now)[0]
            left[handle] = output
            tenantOf[handle] = tenant
            return handle
        }

        mutating func step() throws {
            now = now.advanced(by: .milliseconds(1))
            scheduler.schedule(at: now, into: &batch)
            try scheduler.checkInvariants(of: batch)
            scheduler.commit(batch)
            for entry in batch.entries {
                computed[tenantOf[entry.sequence] ?? 0] += entry.count
                guard entry.samples, let count = left[entry.sequence] else { continue }
                left[entry.sequence] = count - 1
                if count == 1 { scheduler.finish(entry.sequence) } else { scheduler.extend(entry.sequence) }
            }
            try scheduler.checkInvariants()
        }

        func runningCount(of tenant: Int) -> Int {
            tenantOf.count { $0.value == tenant && scheduler.isRunning($0.key) && (left[$0.key] ?? 0) > 0 }
        }
    }

    private static func tenant(_ change: (inout TenantLimits) -> Void = { _ in }) -> TenantLimits {
        var limits = TenantLimits()
        change(&limits)
        return limits
    }

    @Test("those with work to do share it by their weights, whoever came first and however much waits")
    func weights() throws {
        var load = Load([Self.tenant(), Self.tenant { $0.weight = 3 }, Self.tenant()])
        for _ in 0..<400 { try load.submit(0) }
        for _ in 0..<400 { try load.submit(1) }
        for _ in 0..<400 { try load.submit(2, prompt: 16, output: 4) }
        for _ in 0..<600 { try load.step() }
        let all = Double(load.computed.reduce(0, +))
        let shares = load.computed.map { Double($0) / all }
        for (share, due) in zip(shares, [0.2, 0.6, 0.2]) { #expect(abs(share - due) < 0.03, "\(shares)") }
    }

    @Test("what a tenant did not use while it had nothing to do is no claim later")
    func noCreditForIdleness() throws {
        var load = Load([Self.tenant(), Self.tenant()])
        for _ in 0..<300 { try load.submit(0) }
        for _ in 0..<100 { try load.step() }
        for _ in 0..<300 { try load.submit(1) }
        let before = load.computed[0]
        for _ in 0..<200 { try load.step() }
        let share = Double(load.computed[1]) / Double(load.computed[0] - before + load.computed[1])
        #expect(abs(share - 0.5) < 0.05, "\(share)")
    }

    @Test("alone, a tenant has the whole machine, whatever its weight")
    func workConserving() throws {
        var load = Load([Self.tenant(), Self.tenant { $0.weight = 0.01 }])
        for _ in 0..<10 { try load.submit(1) }
        try load.step()
        #expect(load.scheduler.runningCount == 4)
    }

    @Test("a tenant runs no more sequences than it may, and the others take the places behind it")
    func ceiling() throws {
        var load = Load([Self.tenant(), Self.tenant { $0.maxRunningSequences = 1 }], places: 3)
        for _ in 0..<50 { try load.submit(1) }
        for _ in 0..<2 { try load.submit(0) }
        try load.step()
        #expect(load.runningCount(of: 1) == 1 && load.runningCount(of: 0) == 2)
        #expect(load.batch.tenantCauses == [nil, .tenant] && load.batch.waitingCause == .tenant)
        for _ in 0..<40 {
            try load.step()
            #expect(load.runningCount(of: 1) <= 1)
        }
    }

    @Test("a tenant with all it may run waits for that also in steps that have no rows left for anybody")
    func ceilingInFullSteps() throws {
        var load = Load([Self.tenant(), Self.tenant { $0.maxRunningSequences = 1 }], rows: 8)
        for _ in 0..<3 { try load.submit(1, prompt: 80) }
        try load.step()
        #expect(load.batch.tenantCauses == [nil, .tenant] && load.batch.waitingCause == .tenant)
        try load.submit(0)
        try load.step()
        #expect(load.batch.tenantCauses == [.tokenBudget, .tenant] && load.batch.waitingCause == .tokenBudget)
    }

    @Test("a tenant whose blocks are used up waits for its own, and the others do not")
    func cacheShare() throws {
        var load = Load([Self.tenant(), Self.tenant { $0.maxBlocks = 6 }], places: 10, rows: 200, blockCount: 40)
        for _ in 0..<5 { try load.submit(1, prompt: 8, output: 4) }
        for _ in 0..<5 { try load.submit(0, prompt: 8, output: 4) }
        try load.step()
        // Two blocks each: a fourth one's would be beyond the share.
        #expect(load.runningCount(of: 1) == 3 && load.runningCount(of: 0) == 5)
        var request = SequenceRequest(promptCount: 20, maximumTokens: 6)
        request.tenant = 1
        #expect(throws: SchedulingError.neverFits(neededBlocks: 7, blockCount: 6)) {
            try load.scheduler.limits.check(request)
        }
    }

    @Test("priorities stand above weights, and an urgent tenant takes the places of another")
    func priorities() throws {
        var load = Load([Self.tenant(), Self.tenant { $0.weight = 100 }], places: 2, policy: .priority)
        for _ in 0..<6 { try load.submit(1, priority: 5) }
        try load.step()
        #expect(load.runningCount(of: 1) == 2)
        for _ in 0..<2 { try load.submit(0, priority: 0) }
        for _ in 0..<2 { try load.step() }
        #expect(load.runningCount(of: 0) == 2 && load.runningCount(of: 1) == 0)
    }

    @Test("a tenant that is not known is refused")
    func unknown() {
        let limits = SchedulerLimits(maxModelLength: 100, blockSize: 4, blockCount: 10)
        var request = SequenceRequest(promptCount: 1, maximumTokens: 1)
        request.tenant = 1
        #expect(throws: SchedulingError.unknownTenant(1)) { try limits.check(request) }
    }
}
