// What a step takes, learned from steps that were measured.

internal import Primitives
public import Workload

/// Seconds of a step from its sizes, fitted to steps of the machine.
///
/// A sum of non-negative costs of the step's features (`StepBasis`), which minimises the relative error, robustly
/// (`StepFit`): most of a machine's outliers are steps during which it did something else as well. What those add is
/// kept (`StepSpread`), for a replay to draw from.
public struct StepCostModel: Sendable, Equatable {
    /// Fewer say too little.
    static let leastSteps = 32

    private let basis: StepBasis
    private let costs: [Double]
    private let spread: StepSpread
    /// Median of |predicted − measured| ÷ measured over the steps it was fitted to.
    public let medianError: Double

    /// Steps that computed nothing, or have no time, are passed over. Throws if fewer than 32 are left, and for sizes
    /// and times that no step has.
    public init(fittedTo steps: [StepSample]) throws(SimulationError) {
        for (index, step) in steps.enumerated() { try Self.check(step, at: index) }
        let usable = steps.filter { $0.sequenceCount > 0 && StepBasis.rowCount($0) > 0 && $0.seconds >= 1e-9 }
        guard usable.count >= Self.leastSteps else { throw .tooFewSteps(usable.count) }
        let fit = StepFit(StepFit.sample(of: usable))
        basis = fit.basis
        costs = fit.costs
        spread = StepSpread(fit.steps, predicted: fit.predicted)
        let errors = zip(fit.steps, fit.predicted).map { ($1 - $0.seconds).magnitude / $0.seconds }
        medianError = errors.percentile(50) ?? 0
    }

    /// Costs that are assumed rather than measured, in seconds; every step takes exactly that.
    ///
    /// - Parameters:
    ///   - perStep: Whatever is in it: all weights are read.
    ///   - perRow: For each row of prompts or decoding sequences.
    ///   - perContextToken: For each token in the cache of the step's sequences, which is read.
    public init(perStep: Double, perRow: Double, perContextToken: Double) throws(SimulationError) {
        try checked(perStep, in: 0...3600, "seconds per step")
        try checked(perRow, in: 0...3600, "seconds per row")
        try checked(perContextToken, in: 0...3600, "seconds per context token")
        guard perStep + perRow > 0 else {
            throw .outOfRange(field: "seconds per step and row", value: "0", allowed: "more than 0 together")
        }
        basis = StepBasis()
        var costs = [Double](repeating: 0, count: basis.featureCount)
        costs[0] = perStep
        costs[StepBasis.contextTokens] = perContextToken
        costs[StepBasis.firstPiece] = perRow
        self.costs = costs
        spread = .none
        medianError = 0
    }

    private static func check(_ step: StepSample, at index: Int) throws(SimulationError) {
        let sizes = [
            ("sequenceCount", step.sequenceCount), ("prefillRowCount", step.prefillRowCount),
            ("decodeRowCount", step.decodeRowCount), ("logitRowCount", step.logitRowCount),
            ("attendedTokenCount", step.attendedTokenCount), ("contextTokenCount", step.contextTokenCount),
        ]
        for (name, size) in sizes { try checked(size, in: 0...(1 << 56), "steps[\(index)].\(name)") }
        try checked(step.seconds, in: 0...86_400, "steps[\(index)].seconds")
    }

    /// What such a step takes as a rule; ignores `step.seconds`.
    public func seconds(of step: StepSample) -> Double {
        StepFit.sum(costs, basis.features(of: step))
    }

    /// What such a step takes this time.
    func seconds(of step: StepSample, along walk: inout SpreadWalk) -> Double {
        seconds(of: step) * spread.ratio(hasPrompts: step.prefillRowCount > 0, along: &walk)
    }
}
