// The values that the codes of a group can mean, and how they are chosen.

/// value = scale × (code − zeroPoint), codes 0…greatest. The scale is one of fp16, as it will be stored.
struct GroupGrid: Equatable {
    var scale: Float
    var zeroPoint: Float
    let greatest: Float

    func code(_ value: Float) -> Float {
        let steps = min(max(value / scale, -zeroPoint), greatest - zeroPoint)
        return Self.nearest(steps) + zeroPoint
    }

    func value(ofCode code: Float) -> Float { scale * (code - zeroPoint) }

    /// To the nearest whole number, ties to even, of less than 2²².
    private static func nearest(_ value: Float) -> Float {
        let shift: Float = 0x1.8p23
        return value + shift - shift
    }

    /// The sum of squared errors of rounding `values`, which are padded with zeros.
    fileprivate func squaredError(_ values: [SIMD16<Float>]) -> Float {
        let shift = SIMD16<Float>(repeating: 0x1.8p23)
        let low = SIMD16<Float>(repeating: -zeroPoint), high = SIMD16<Float>(repeating: greatest - zeroPoint)
        let inverse = SIMD16<Float>(repeating: 1 / scale), scale = SIMD16<Float>(repeating: scale)
        var sum = SIMD16<Float>()
        for vector in values {
            // Not clamped(lowerBound:upperBound:), which goes lane by lane.
            var steps = vector * inverse
            steps.replace(with: low, where: steps .< low)
            steps.replace(with: high, where: steps .> high)
            let difference = (steps + shift - shift) * scale - vector
            sum += difference * difference
        }
        return sum.sum()
    }
}

/// Finds the grid of a group of weights.
struct GridSearch {
    private let greatest: Float
    private let isSymmetric: Bool
    private let searches: Bool

    /// Ranges tried, from the whole one down to a fifth of it.
    private static let steps = 40
    private static let stepShare: Float = 0.02

    init(_ recipe: QuantizationRecipe) {
        greatest = Float((1 << recipe.bits) - 1)
        isSymmetric = recipe.isSymmetric
        searches = recipe.scaleSearch == .mse
    }

    /// - Parameter values: The weights of a group, padded with zeros.
    func grid(of values: [SIMD16<Float>]) -> GroupGrid {
        var low: Float = 0, high: Float = 0
        for vector in values {
            low = min(low, vector.min())
            high = max(high, vector.max())
        }
        if isSymmetric {
            high = max(high, -low)
            low = -high
        }
        let whole = grid(low: low, high: high)
        guard searches, low < high else { return whole }
        var best = whole, least = whole.squaredError(values)
        for step in 1..<Self.steps {
            let share = 1 - Float(step) * Self.stepShare
            let candidate = grid(low: low * share, high: high * share)
            let error = candidate.squaredError(values)
            if error < least { (best, least) = (candidate, error) }
        }
        return best
    }

    /// The grid from `low` ≤ 0 to `high` ≥ 0. Zero points are at least 1: version 1 of the format stores them less one.
    private func grid(low: Float, high: Float) -> GroupGrid {
        guard low < high else { return GroupGrid(scale: 1, zeroPoint: ((greatest + 1) / 2), greatest: greatest) }
        let scale = Self.half((high - low) / greatest)
        guard !isSymmetric else {
            return GroupGrid(scale: scale, zeroPoint: (greatest + 1) / 2, greatest: greatest)
        }
        let zeroPoint = (-low / scale).rounded(.toNearestOrEven)
        guard zeroPoint >= 1 else {
            return GroupGrid(scale: Self.half(high / (greatest - 1)), zeroPoint: 1, greatest: greatest)
        }
        return GroupGrid(scale: scale, zeroPoint: min(zeroPoint, greatest), greatest: greatest)
    }

    /// The nearest fp16 number that can be a scale.
    private static func half(_ scale: Float) -> Float {
        Float(min(max(Float16(scale), .leastNonzeroMagnitude), .greatestFiniteMagnitude))
    }
}
