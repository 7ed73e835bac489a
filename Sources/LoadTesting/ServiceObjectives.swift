// What a request must keep to count for goodput.

/// Limits in milliseconds, by metric; a request that keeps all of them is a good one (DistServe, 2024).
public struct ServiceObjectives: Sendable, Equatable {
    private static let known: [LatencyMetric] = [.timeToFirstToken, .timePerOutputToken, .endToEndLatency]

    private var limits: [LatencyMetric: Double] = [:]

    /// - Parameter pairs: As `--goodput` gives them: `ttft:200` and the like.
    public init(_ pairs: [String] = []) throws(LoadTestError) {
        for pair in pairs {
            let parts = pair.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, let limit = Double(parts[1]), limit >= 0 else {
                throw .invalidOption(
                    name: "goodput", value: pair, allowed: "NAME:MILLISECONDS, such as ttft:200 tpot:50 e2el:5000")
            }
            guard let metric = LatencyMetric(rawValue: parts[0]), Self.known.contains(metric) else {
                throw .unsupported(option: "goodput", value: parts[0], supported: Self.known.map(\.rawValue))
            }
            limits[metric] = limit
        }
    }

    public var isEmpty: Bool { limits.isEmpty }

    /// - Parameter seconds: The request's latency by each metric.
    func areKept(by seconds: (LatencyMetric) -> Double) -> Bool {
        limits.allSatisfy { seconds($0.key) <= $0.value / 1000 }
    }
}
