// The device seam: the engine hands a batch down and gets logits back, and knows nothing else of the hardware.

public import Kernels

/// Size of an executor's KV cache.
public struct CacheCapacity: Sendable, Equatable {
    public var blockCount: Int
    /// Tokens a block holds.
    public var blockSize: Int

    public init(blockCount: Int, blockSize: Int) {
        self.blockCount = blockCount
        self.blockSize = blockSize
    }
}

/// Runs forward passes. Called by one thread at a time (the engine's).
public protocol Executor: AnyObject {
    var cacheCapacity: CacheCapacity { get }
    var vocabularySize: Int { get }
    /// The most rows a batch may have, and the most rows of it whose logits may be wanted.
    var maximumRows: Int { get }
    var maximumLogitRows: Int { get }

    /// Performs `batch.blockCopies`, computes the batch and writes row i of `logits` for `batch.logitRows[i]`.
    func execute(_ batch: borrowing ForwardBatch, into logits: LogitsBuffer) throws(ExecutionError)
}

/// Why a forward pass could not be done.
public enum ExecutionError: Error, Equatable, CustomStringConvertible {
    /// The batch contradicts itself or the executor's limits: a bug above, never a client's fault.
    case invalidBatch(String)
    /// A worker or a device stopped answering.
    case deviceLost(String)

    public var description: String {
        switch self {
        case .invalidBatch(let reason): "The batch is not valid: \(reason)."
        case .deviceLost(let reason): "The executor stopped working: \(reason)."
        }
    }
}
