// What speaks against a what-if's numbers.

internal import Workload

/// What makes a prediction a guess, in sentences.
struct WhatIfWarnings {
    private(set) var sentences: [String] = []
    private let captured: WorkloadSettings
    /// Of the largest steps seen.
    private let rowCount: Int
    private let sequenceCount: Int
    private let hasPriorities: Bool

    /// So many values are needed for one to be beyond their P99.
    private static let leastRequests = 100

    init(_ workload: Workload) {
        captured = workload.settings
        rowCount = workload.steps.map { $0.prefillRowCount + $0.decodeRowCount }.max() ?? 0
        sequenceCount = workload.steps.map(\.sequenceCount).max() ?? 0
        hasPriorities = workload.requests.contains { $0.priority != 0 }
        let count = workload.requests.count { !$0.wasAborted && $0.firstTokenLatency != nil }
        if count < Self.leastRequests {
            sentences.append(
                "\(count) requests are too few for a P99: of fewer than \(Self.leastRequests) it is the slowest one. "
                    + "Take a longer capture (--range).")
        }
    }

    /// - Parameter refusedCount: Requests that the settings can't hold at all.
    mutating func add(of name: String, _ settings: WorkloadSettings, refusedCount: Int) {
        if refusedCount > 0 {
            sentences.append(
                "\(name): \(refusedCount) of the requests would be refused, and are not in its numbers.")
        }
        // Only where the server ran into the limit that is raised will there be larger steps.
        if settings.maxBatchedTokens > captured.maxBatchedTokens, rowCount * 10 >= captured.maxBatchedTokens * 9 {
            sentences.append(
                "\(name): steps of more than \(rowCount) tokens were not seen, so that their cost is a guess.")
        }
        if settings.maxRunningSequences > captured.maxRunningSequences, sequenceCount >= captured.maxRunningSequences {
            sentences.append(
                "\(name): steps of more than \(sequenceCount) sequences were not seen, so that their cost is a guess.")
        }
        if settings.policy == "priority", !hasPriorities {
            sentences.append("\(name): no request has a priority, so that the policy makes no difference.")
        }
        if settings.cachesPrefixes, !captured.cachesPrefixes {
            sentences.append(
                "\(name): without a prefix cache the server does not know which prompts begin alike; what it would "
                    + "save is not in these numbers.")
        }
    }
}
