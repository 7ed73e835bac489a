// The ways to batch requests and to hold their keys and values that are compared.

internal import Workload

/// Who runs with whom, and what memory each holds.
public enum Arrangement: String, Sendable, CaseIterable {
    /// A batch is formed from the queue and runs until all of it has ended: whoever has ended keeps its place and its
    /// memory, and is computed on as padding. Each sequence holds as many slots as one may ever fill. Prompts are not
    /// padded, and tokens are delivered as they come, so that this is static batching at its best.
    case staticContiguous = "static, contiguous"
    /// Whoever ends makes place at once, but each still holds as many slots as one may ever fill.
    case continuousContiguous = "continuous, contiguous"
    /// What Pagoda does: blocks are taken as tokens come.
    case continuousPaged = "continuous, paged"

    var isStatic: Bool { self == .staticContiguous }

    /// The settings that stand for it, with no more slots than `settings` has: contiguous memory is a block that holds
    /// a whole sequence.
    func applied(to settings: WorkloadSettings) throws(SimulationError) -> WorkloadSettings {
        guard self != .continuousPaged else { return settings }
        var applied = settings
        let slots = settings.blockSize * settings.blockCount
        applied.blockSize = settings.maxModelLength
        applied.blockCount = try checked(
            slots / settings.maxModelLength, in: 1...ReplayLimits.mostBlocks, "sequences that fit the KV cache")
        applied.cachesPrefixes = false
        for index in applied.tenants.indices {
            // The same share of the memory.
            guard let blocks = applied.tenants[index].maxBlocks else { continue }
            let share = Double(blocks) / Double(settings.blockCount) * Double(applied.blockCount)
            applied.tenants[index].maxBlocks = max(1, Int(min(share, Double(applied.blockCount))))
        }
        if isStatic {
            applied.maxRunningSequences = min(applied.maxRunningSequences, applied.blockCount)
            applied.schedulerDelay = 0
        }
        return applied
    }
}
