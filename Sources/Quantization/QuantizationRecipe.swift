// How a checkpoint is to be quantised.

public struct QuantizationRecipe: Sendable, Equatable {
    public enum Method: String, Sendable, CaseIterable {
        /// Rounds column after column, and makes up for the error of each by those after it (Frantar et al., 2022).
        case gptq
        /// Rounds every weight to nearest.
        case rtn
    }

    /// How the scale of a group is found.
    public enum ScaleSearch: String, Sendable, CaseIterable {
        /// From the least and the greatest weight.
        case minmax
        /// The one that gives the least sum of squared errors, among those that clip more and more.
        case mse
    }

    public var method = Method.gptq
    /// 2, 3, 4 or 8.
    public var bits = 4
    /// Inputs that share a scale; nil: all of them.
    public var groupSize: Int?
    /// Zero points are all in the middle.
    public var isSymmetric = true
    /// Takes the columns with the largest inputs first (act-order, `desc_act`).
    public var ordersByActivation = false
    public var scaleSearch = ScaleSearch.mse
    /// Share of the mean of the Hessian's diagonal that is added to it.
    public var damping = 0.01

    public init() {}

    public static let widths = [2, 3, 4, 8]

    /// The largest of the usual group sizes that divides all of `columnCounts`; nil if there is none.
    public static func usualGroupSize(dividing columnCounts: [Int]) -> Int? {
        [128, 64, 32].first { size in columnCounts.allSatisfy { $0 % size == 0 } }
    }

    /// Columns of a group in a row of `columnCount`.
    func groupColumns(_ columnCount: Int) -> Int { groupSize ?? columnCount }
}
