// How far steps lie from what they should take.

internal import Workload

/// Ratios of measured to predicted seconds, of steps that only decode and of those with prompts: what a machine does
/// beside, and what a step's sizes don't say.
///
/// Their mean is what makes the sum of all predictions that of all measured seconds.
struct StepSpread: Sendable, Equatable {
    /// Each as likely as the others, ascending; never empty.
    private var decode: [Double]
    private var prefill: [Double]

    /// Further off, a step was interrupted by what has nothing to do with it.
    private static let largestRatio = 20.0
    private static let pointCount = 512
    /// Fewer of a kind are taken together with the other's.
    private static let leastCount = 32

    /// Every step takes what is predicted.
    static let none = StepSpread(decode: [1], prefill: [1])

    private init(decode: [Double], prefill: [Double]) {
        self.decode = decode
        self.prefill = prefill
    }

    /// - Parameters:
    ///   - steps: With measured seconds above 0.
    ///   - predicted: Seconds of each, above 0.
    init(_ steps: [StepSample], predicted: [Double]) {
        let all = steps.indices
        let prompts = all.filter { steps[$0].prefillRowCount > 0 }
        let others = all.filter { steps[$0].prefillRowCount <= 0 }
        func points(_ own: [Int]) -> [Double] {
            Self.points(own.count >= Self.leastCount ? own : Array(all), of: steps, predicted: predicted)
        }
        self.init(decode: points(others), prefill: points(prompts))
    }

    private static func points(_ members: [Int], of steps: [StepSample], predicted: [Double]) -> [Double] {
        var measuredSum = 0.0, predictedSum = 0.0
        var ratios: [Double] = []
        for index in members {
            let ratio = min(largestRatio, steps[index].seconds / predicted[index])
            ratios.append(ratio)
            measuredSum += ratio * predicted[index]
            predictedSum += predicted[index]
        }
        ratios.sort()
        guard predictedSum > 0, let last = ratios.indices.last else { return [1] }
        let count = min(pointCount, ratios.count)
        let points = (0..<count).map { ratios[min(last, (2 * $0 + 1) * ratios.count / (2 * count))] }
        let mean = points.reduce(0, +) / Double(count)
        guard mean > 0 else { return [1] }
        return points.map { $0 * measuredSum / predictedSum / mean }
    }

    /// A ratio of a step with or without prompts.
    func ratio(hasPrompts: Bool, using random: inout SplitMix64) -> Double {
        let points = hasPrompts ? prefill : decode
        return points[min(points.count - 1, Int(random.nextUniform() * Double(points.count)))]
    }
}
