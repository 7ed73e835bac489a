// How memory is shared out at start, and the sum to show when it does not fit.

internal import Kernels

/// What the weights, a step's activations and the KV cache take.
struct MemoryPlan: Equatable {
    let limitBytes: Int
    let weightBytes: Int
    let activationBytes: Int
    let shape: KVCacheShape
    private(set) var blockCount: Int
    let maximumModelLength: Int

    /// Left to the program itself and to the system.
    private static let reserveBytes = 512 << 20

    var cacheBytes: Int { blockCount * shape.bytesPerBlock }
    var cacheTokens: Int { blockCount * shape.blockSize }

    /// - Parameters:
    ///   - asked: `--kv-cache-memory-bytes`. By default half of what the weights leave, but no more than the running
    ///     sequences can ever fill.
    init(
        limitBytes: Int, weightBytes: Int, activationBytes: Int, shape: KVCacheShape, maximumModelLength: Int,
        maximumSequences: Int, asked: Int?
    ) throws(CommandError) {
        self.limitBytes = limitBytes
        self.weightBytes = weightBytes
        self.activationBytes = activationBytes
        self.shape = shape
        self.maximumModelLength = maximumModelLength
        let blocksPerSequence = (maximumModelLength + shape.blockSize - 1) / shape.blockSize
        let left = limitBytes - weightBytes - activationBytes - Self.reserveBytes
        let most = Int.max / shape.bytesPerBlock / 2
        let useful = min(most, blocksPerSequence.multipliedReportingOverflow(by: maximumSequences).partialValue)
        let budget = asked ?? left / 2
        let affordable = max(0, budget) / shape.bytesPerBlock
        blockCount = asked == nil ? min(affordable, useful) : affordable
        guard blockCount >= blocksPerSequence, cacheBytes <= left else { throw .doesNotFit(self) }
    }

    /// The same with no more than `count` blocks.
    func limited(toBlocks count: Int) -> MemoryPlan {
        var plan = self
        plan.blockCount = min(blockCount, count)
        return plan
    }

    /// Why the server does not start, with the sum.
    var refusal: String {
        let needed = (maximumModelLength + shape.blockSize - 1) / shape.blockSize * shape.bytesPerBlock
        return """
            The model does not fit: \(Self.megabytes(weightBytes)) of weights + \(Self.megabytes(activationBytes)) of \
            activations + \(Self.megabytes(cacheBytes)) of KV cache + \(Self.megabytes(Self.reserveBytes)) reserve, of \
            \(Self.megabytes(limitBytes)) allowed; one sequence of --max-model-len \(maximumModelLength) needs \
            \(Self.megabytes(needed)) of KV cache. Lower --max-model-len or --kv-cache-memory-bytes, or take a smaller \
            model.
            """
    }

    static func megabytes(_ bytes: Int) -> String {
        bytes >= 10 << 30 ? "\(bytes >> 30) GiB" : "\(bytes >> 20) MiB"
    }
}
