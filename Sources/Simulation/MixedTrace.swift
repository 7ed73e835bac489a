// Requests that nobody sent: mixed lengths, from a seed.

internal import Primitives
public import Workload

/// A trace of requests whose lengths are spread evenly over the orders of magnitude, as those of real traffic are more
/// nearly than over lengths.
public struct MixedTrace: Sendable, Equatable {
    public var requestCount = 1000
    /// Tokens, log-uniform.
    public var promptTokens = 64...4000
    public var outputTokens = 16...512
    /// Requests a second, at random intervals (a Poisson process); nil: all at once.
    public var requestRate: Double?
    public var seed: UInt64 = 0

    public init() {}

    /// Throws for ranges that begin below 1, and rates that are none.
    public func workload(settings: WorkloadSettings) throws(SimulationError) -> Workload {
        try checked(requestCount, in: 1...ReplayLimits.mostRequests, "number of requests")
        for (name, range) in [("prompt tokens", promptTokens), ("output tokens", outputTokens)] {
            try checked(range.lowerBound, in: 1...ReplayLimits.mostTokens, name)
            try checked(range.upperBound, in: 1...ReplayLimits.mostTokens, name)
        }
        if let requestRate { try checked(requestRate, in: 1e-3...1e6, "request rate") }
        var random = SplitMix64(seed: seed)
        var arrival = 0.0
        var requests: [WorkloadRequest] = []
        for _ in 0..<requestCount {
            let prompt = random.nextLogUniform(promptTokens), output = random.nextLogUniform(outputTokens)
            if let requestRate { arrival += random.nextExponential() / requestRate }
            requests.append(
                WorkloadRequest(arrival: arrival, promptTokenCount: prompt, generatedTokenCounts: [output]))
        }
        var workload = Workload(duration: arrival, settings: settings)
        workload.requests = requests
        return workload
    }
}
