// A server's settings, as far as they decide what runs when.

internal import Engine
internal import Kernels
internal import Models
internal import Primitives
internal import Scheduling
internal import Workload

extension WorkloadSettings {
    /// Nil if the engine will refuse to start with them.
    init?(_ plan: LoadPlan, on executor: any Executor) {
        let capacity = executor.cacheCapacity
        guard
            let limits = try? plan.engine.limits(
                capacity, maximumRows: executor.maximumRows, maximumLogitRows: executor.maximumLogitRows)
        else { return nil }
        self.init(maxModelLength: limits.maxModelLength, blockSize: limits.blockSize, blockCount: limits.blockCount)
        maxRunningSequences = limits.maxRunningSequences
        maxBatchedTokens = limits.maxBatchedTokens
        maxLogitRows = limits.maxLogitRows
        maxPrefillChunk = limits.maxPrefillChunk
        maxBypassCount = limits.maxBypassCount
        maxDecodeSlowdown = plan.engine.maxDecodeSlowdown
        policy = limits.policy.rawValue
        priorityAging = limits.priorityAging.inSeconds
        urgentPriority = limits.urgentPriority
        schedulerDelay = limits.admissionDelay.inSeconds
        cachesPrefixes = plan.engine.cachesPrefixes
        // Of all processes: --kv-cache-memory-bytes is for them together.
        cacheBytesPerToken = plan.memory.shape.bytesPerToken * plan.ranks.processCount
        let others = plan.engine.tenants.map(\.name).filter { $0 != RequestOrigin.defaultTenant }
        tenants = zip([RequestOrigin.defaultTenant] + others, limits.tenants).map { name, own in
            var tenant = WorkloadTenant(name: name)
            tenant.weight = own.weight
            tenant.maxRunningSequences = own.maxRunningSequences
            tenant.maxBlocks = own.maxBlocks
            return tenant
        }
    }
}

extension Duration {
    var inSeconds: Double { self / .seconds(1) }
}
