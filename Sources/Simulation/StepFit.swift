// How costs are found that fit measured steps.

internal import Primitives
internal import Workload

/// Iteratively reweighted least squares of the relative error, with costs of at least 0.
///
/// Steps of one kind and size, in powers of two, are a class; classes count by the square root of their steps, so that
/// some hundreds with prompts are not lost among thousands without. Within a class, what lies further off than usual
/// counts less (Huber's weights, by the class's median error), so that no class as a whole is taken for outliers.
struct StepFit {
    let steps: [StepSample]
    let basis: StepBasis
    private(set) var costs: [Double]
    /// Seconds of each step, above 0.
    private(set) var predicted: [Double]

    private static let rounds = 12
    private static let mostSteps = 8192
    /// In median errors scaled to standard deviations.
    private static let huberLimit = 1.5
    /// Relative; what a clock and a scheduler of threads blur.
    private static let leastDeviation = 0.005
    /// Beside the data, which always outweigh it: what nothing tells apart is the constant's rather than that of a
    /// size, and shared out evenly among sizes.
    private static let ridge = 1e-7

    /// At most 8,192 of `steps`, evenly over their order.
    static func sample(of steps: [StepSample]) -> [StepSample] {
        guard steps.count > mostSteps else { return steps }
        return (0..<mostSteps).map { steps[$0 * steps.count / mostSteps] }
    }

    init(_ steps: [StepSample]) {
        self.steps = steps
        let basis = StepBasis(of: steps)
        self.basis = basis
        let features = steps.map(basis.features)
        let classes = Self.classes(of: steps)
        var balance = [Double](repeating: 0, count: steps.count)
        for members in classes {
            for index in members { balance[index] = 1 / Double(members.count).squareRoot() }
        }
        // To begin with, relative to what was measured: that is blind to steps that took too long.
        var weights = zip(balance, steps).map { $0 / ($1.seconds * $1.seconds) }
        costs = []
        predicted = []
        for _ in 0..<Self.rounds {
            costs = Self.solve(features, steps, weights, basis)
            predicted = zip(features, steps).map { max(Self.sum(costs, $0), $1.seconds / 1000) }
            for members in classes {
                let errors = members.map { (steps[$0].seconds - predicted[$0]).magnitude / predicted[$0] }
                let deviation = max(Self.leastDeviation, 1.4826 * (errors.percentile(50) ?? 0))
                for (index, error) in zip(members, errors) {
                    let trust = min(1, Self.huberLimit * deviation / max(error, .leastNormalMagnitude))
                    weights[index] = balance[index] * trust / (predicted[index] * predicted[index])
                }
            }
        }
    }

    static func sum(_ costs: [Double], _ features: [Double]) -> Double {
        var sum = 0.0
        for index in costs.indices { sum += costs[index] * features[index] }
        return sum
    }

    private static func classes(of steps: [StepSample]) -> [[Int]] {
        var classes: [Int: [Int]] = [:]
        for (index, step) in steps.enumerated() {
            // From 1 row to 2^57.
            let size = Int(StepBasis.rowCount(step)).leadingZeroBitCount
            classes[step.prefillRowCount > 0 ? -size : size, default: []].append(index)
        }
        return classes.sorted { $0.key < $1.key }.map(\.value)
    }

    private static func solve(
        _ features: [[Double]], _ steps: [StepSample], _ weights: [Double], _ basis: StepBasis
    ) -> [Double] {
        let count = basis.featureCount
        var gram = [[Double]](repeating: [Double](repeating: 0, count: count), count: count)
        var rhs = [Double](repeating: 0, count: count)
        for (index, row) in features.enumerated() {
            for left in 0..<count where row[left] > 0 {
                let weighted = weights[index] * row[left]
                rhs[left] += weighted * steps[index].seconds
                for right in 0...left { gram[left][right] += weighted * row[right] }
            }
        }
        let span = basis.widths.reduce(0, +)
        for left in 0..<count {
            for right in 0..<left { gram[right][left] = gram[left][right] }
            // Of the rows' pieces so that slopes are alike where no step lies between two knots.
            let piece = left - StepBasis.firstPiece
            if left > 0 { gram[left][left] *= 1 + ridge * (piece >= 0 ? span / basis.widths[piece] : 1) }
        }
        return NonNegativeLeastSquares.solve(gram: gram, rhs: rhs)
    }
}
