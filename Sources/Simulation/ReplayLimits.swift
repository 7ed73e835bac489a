// What of a workload is taken as it comes, and what is refused: it may be a file that anybody wrote.

internal import Primitives
internal import Scheduling
internal import Workload

/// Bounds of what is replayed, far above what one machine serves.
enum ReplayLimits {
    static let mostBlocks = 1 << 22
    static let mostBlocksOfAll = 1 << 23
    static let mostReplicas = 64
    static let mostRequests = 1 << 20
    static let mostSamples = 1 << 22
    static let mostTokens = 1 << 24
    static let mostPromptBlocks = 1 << 24
    static let mostSteps = 5_000_000
    /// Some thirty years, and a moment that 64 bits of nanoseconds still hold.
    static let mostSeconds = 1e9
    static let mostElapsedSeconds = 4e9

    /// - Parameter blockSize: That of the replay, by which prompts are named.
    static func check(_ workload: Workload, blockSize: Int) throws(SimulationError) {
        try checked(workload.settings.blockSize, in: 1...mostTokens, "settings.blockSize")
        try checked(workload.requests.count, in: 0...mostRequests, "number of requests")
        var sampleCount = 0, promptBlockCount = 0
        for (index, request) in workload.requests.enumerated() {
            func name(_ field: String) -> String { "requests[\(index)].\(field)" }
            try checked(request.arrival, in: 0...mostSeconds, name("arrival"))
            try checked(request.promptTokenCount, in: 1...Int(Int32.max), name("promptTokenCount"))
            try checked(request.generatedTokenCounts.count, in: 1...65_536, "number of \(name("generatedTokenCounts"))")
            for count in request.generatedTokenCounts {
                try checked(count, in: 0...Int(Int32.max), name("generatedTokenCounts"))
            }
            if let latency = request.endLatency {
                try checked(latency, in: 0...mostSeconds, name("endLatency"))
            }
            sampleCount += request.generatedTokenCounts.count
            promptBlockCount += request.promptTokenCount / blockSize
        }
        try checked(promptBlockCount, in: 0...mostPromptBlocks, "blocks of all prompts")
        try checked(sampleCount, in: 0...mostSamples, "number of all requests' samples")
    }
}

extension SchedulerLimits {
    /// The limits that these settings set.
    init(_ settings: WorkloadSettings) throws(SimulationError) {
        let large = Int(Int32.max)
        self.init(
            maxModelLength: try checked(settings.maxModelLength, in: 2...ReplayLimits.mostTokens, "maxModelLength"),
            blockSize: try checked(settings.blockSize, in: 1...ReplayLimits.mostTokens, "blockSize"),
            blockCount: try checked(settings.blockCount, in: 1...ReplayLimits.mostBlocks, "blockCount"))
        // Both are at most 24 bits wide.
        try checked(blockSize * blockCount, in: 1...large, "slots of the KV cache")
        maxRunningSequences = try checked(settings.maxRunningSequences, in: 1...large, "maxRunningSequences")
        maxBatchedTokens = try checked(settings.maxBatchedTokens, in: 1...large, "maxBatchedTokens")
        maxLogitRows = try checked(settings.maxLogitRows, in: 1...large, "maxLogitRows")
        if let chunk = settings.maxPrefillChunk {
            maxPrefillChunk = try checked(chunk, in: 1...large, "maxPrefillChunk")
        }
        maxBypassCount = try checked(settings.maxBypassCount, in: 0...large, "maxBypassCount")
        guard let policy = SchedulingPolicy(rawValue: settings.policy) else {
            let known = SchedulingPolicy.allCases.map(\.rawValue).joined(separator: " or ")
            throw .outOfRange(field: "policy", value: settings.policy, allowed: known)
        }
        self.policy = policy
        priorityAging = .seconds(
            try checked(settings.priorityAging, in: 0...ReplayLimits.mostSeconds, "priorityAging"))
        urgentPriority = settings.urgentPriority
        admissionDelay = .seconds(try checked(settings.schedulerDelay, in: 0...3600, "schedulerDelay"))
        try checked(settings.maxDecodeSlowdown, in: 0...1_000_000, "maxDecodeSlowdown")
        try checked(settings.tenants.count, in: 1...4096, "number of tenants")
        tenants = []
        for (index, tenant) in settings.tenants.enumerated() {
            var own = TenantLimits()
            own.weight = try checked(tenant.weight, in: 1e-6...1e6, "tenants[\(index)].weight")
            if let count = tenant.maxRunningSequences {
                own.maxRunningSequences = try checked(count, in: 1...large, "tenants[\(index)].maxRunningSequences")
            }
            if let count = tenant.maxBlocks {
                own.maxBlocks = try checked(count, in: 1...large, "tenants[\(index)].maxBlocks")
            }
            tenants.append(own)
        }
    }
}
