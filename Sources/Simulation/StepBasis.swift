// What of a step's sizes its time is made of.

internal import Workload

/// The features of a step whose weighted sum is its seconds.
///
/// A constant (all weights are read once) and a piecewise linear function of the rows: few rows are bound by memory,
/// more by arithmetic, in tiles of a size that differs between machines. Where its slope may change is fixed in powers
/// of two, as far as there are steps on both sides. Beside that, each size by itself. As no weight is negative, a
/// larger step never costs less, however far it lies outside of what was seen.
struct StepBasis: Sendable, Equatable {
    /// Rows at which a new slope begins, ascending; the first is 0.
    let knots: [Double]
    /// Of the slope's pieces, the last one up to the most rows seen.
    let widths: [Double]

    private static let ladder = (0...12).map { Double(1 << $0) }
    /// The constant and the sizes, without the rows' pieces.
    private static let otherCount = 6

    var featureCount: Int { Self.otherCount + knots.count }

    init(of steps: [StepSample]) {
        let rows = steps.map(Self.rowCount)
        let least = max(4, steps.count / 100)
        knots = [0] + Self.ladder.filter { knot in
            let above = rows.count { $0 > knot }
            return above >= least && rows.count - above >= least
        }
        let ends = Array(knots.dropFirst()) + [max(rows.max() ?? 0, (knots.last ?? 0) + 1)]
        widths = zip(knots, ends).map { $1 - $0 }
    }

    /// One slope for all rows.
    init() {
        knots = [0]
        widths = [1]
    }

    /// Where the features of context tokens and of the first piece stand.
    static let contextTokens = 5
    static let firstPiece = otherCount

    /// The features in order: the constant, prompts' rows, rows of logits, sequences, attended and context tokens, and
    /// the rows' pieces.
    func features(of step: StepSample) -> [Double] {
        var features = [
            1, Double(max(0, step.prefillRowCount)), Double(max(0, step.logitRowCount)),
            Double(max(0, step.sequenceCount)), Double(max(0, step.attendedTokenCount)),
            Double(max(0, step.contextTokenCount)),
        ]
        let rows = Self.rowCount(step)
        for (place, knot) in knots.enumerated() {
            let end = place + 1 < knots.count ? knots[place + 1] : .infinity
            features.append(max(0, min(rows, end) - knot))
        }
        return features
    }

    static func rowCount(_ step: StepSample) -> Double {
        Double(max(0, step.prefillRowCount)) + Double(max(0, step.decodeRowCount))
    }
}
