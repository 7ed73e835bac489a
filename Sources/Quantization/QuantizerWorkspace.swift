// What every module is quantised with.

public import Kernels

/// The workers, and room for products as large as the largest module.
public struct QuantizerWorkspace {
    let pool: WorkerPool
    /// Of a depth of `InverseFactor.blockSize`.
    let product: WindowProduct
    /// For sums over inputs; its depth is the number that is added up at a time.
    let gramProduct: WindowProduct

    /// - Parameters:
    ///   - largestDimension: The most rows or columns of a module.
    ///   - inputsAtOnce: How many inputs come together, as far as is known.
    public init(
        largestDimension: Int, inputsAtOnce: Int, instructionSet: InstructionSet, pool: WorkerPool
    ) throws(KernelError) {
        let kernels = KernelSet(instructionSet)
        self.pool = pool
        product = try WindowProduct(
            rows: largestDimension, depth: InverseFactor.blockSize, kernels: kernels, pool: pool)
        gramProduct = try WindowProduct(
            rows: largestDimension, depth: max(1, min(512, inputsAtOnce)), kernels: kernels, pool: pool)
    }
}
