// What all replicas of a replay have in common.

internal import Primitives
internal import Scheduling
internal import Workload

/// Checked requests, the scheduler's limits, and what steps cost.
struct ReplayPlan: Sendable {
    let requests: [WorkloadRequest]
    let limits: SchedulerLimits
    let costs: StepCostModel
    let names: BlockNames
    let cachesPrefixes: Bool
    let maxDecodeSlowdown: Double
    let isStatic: Bool
    let seed: UInt64
    /// Indexes of `requests` in the order of their arrival.
    let order: [Int]

    /// Places of a static batch.
    var batchPlaces: Int { min(limits.maxRunningSequences, limits.blockCount) }

    func arrival(of request: Int) -> Instant {
        Instant(nanoseconds: Int64((requests[request].arrival * 1e9).rounded()))
    }

    /// When a client leaves that never got a token; nil: it did not, or nobody knows when.
    func departure(of request: Int) -> Instant? {
        let own = requests[request]
        guard own.wasAborted, let latency = own.endLatency, own.generatedTokenCounts.allSatisfy({ $0 == 0 }) else {
            return nil
        }
        return Instant(nanoseconds: Int64(((own.arrival + latency) * 1e9).rounded()))
    }

    /// Tokens of a sample that count: what it had, as far as its sequence may be so long.
    func tokenCount(of request: Int, sample: Int) -> Int {
        let own = requests[request]
        return min(own.generatedTokenCounts[sample], limits.maxModelLength - own.promptTokenCount)
    }

    /// What the scheduler is told of a request. Throws if it can't hold it.
    func sequenceRequest(_ request: Int) throws(SchedulingError) -> SequenceRequest {
        let own = requests[request]
        let longest = own.generatedTokenCounts.reduce(1, max)
        var numbers = SequenceRequest(promptCount: own.promptTokenCount, maximumTokens: longest)
        numbers.sampleCount = own.generatedTokenCounts.count
        numbers.priority = own.priority
        numbers.tenant = own.tenant
        // Before its blocks are named, which may be as many as a file likes.
        try limits.check(numbers)
        if cachesPrefixes { numbers.blockHashes = names.names(of: own, at: request) }
        return numbers
    }
}
