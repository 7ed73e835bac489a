// What the modules of one site are rounded along.

public import Kernels

/// U of the damped Hessian of a site, and the order in which its columns are taken.
public struct SiteFactor {
    let factor: FloatMatrix
    let order: [Int]
    let isUnused: [Bool]
    /// Share of the mean of the Hessian's diagonal that was added to it.
    public let damping: Double

    /// - Parameters:
    ///   - statistics: Complete.
    ///   - module: For errors.
    public init(
        _ statistics: InputStatistics, _ recipe: QuantizationRecipe, workspace: QuantizerWorkspace, module: String,
        in arena: Arena
    ) throws {
        let columns = statistics.columnCount
        order = recipe.ordersByActivation ? statistics.descendingOrder() : Array(0..<columns)
        isUnused = order.map(statistics.isUnused)
        factor = try FloatMatrix(rows: columns, columns: columns, in: arena, purpose: "factor of a Hessian")
        let inverse = try InverseFactor(product: workspace.product, in: arena)
        // What the text says too little of, more damping makes up for.
        for share in [1.0, 10, 100].map({ min(1, recipe.damping * $0) }) {
            statistics.copyDamped(by: share, order: order, to: factor)
            if inverse.replace(factor) {
                damping = share
                return
            }
        }
        throw QuantizationError.notPositiveDefinite(module: module)
    }
}
