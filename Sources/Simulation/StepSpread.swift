// How far steps lie from what they should take.

internal import Primitives
internal import Workload

/// Ratios of measured to predicted seconds, in the order of the steps: what a machine does beside, and what a step's
/// sizes don't say.
///
/// Neighbours are alike (a machine is slow for a while), and what is slow together delays whoever waits then. So a
/// replay takes runs of them as they were, from places drawn at random: the stationary bootstrap (Politis and Romano,
/// 1994). Steps with prompts and those that only decode each have their own ratios. The mean of either is what makes
/// the sum of all predictions that of all measured seconds.
struct StepSpread: Sendable, Equatable {
    private var ratios: [Double]
    /// For steps that only decode, and for those with prompts: at each place, the next one of that kind, or itself.
    private var following: [[Int]]

    /// Further off, a step was interrupted by what has nothing to do with it.
    private static let largestRatio = 20.0
    /// Fewer of a kind are taken together with the other's.
    private static let leastCount = 32
    /// Steps of a run, in the mean.
    fileprivate static let meanRun = 64.0

    /// Every step takes what is predicted.
    static let none = StepSpread(ratios: [1], following: [[0], [0]])

    private init(ratios: [Double], following: [[Int]]) {
        self.ratios = ratios
        self.following = following
    }

    /// - Parameters:
    ///   - steps: With measured seconds above 0.
    ///   - predicted: Seconds of each, above 0.
    init(_ steps: [StepSample], predicted: [Double]) {
        guard !steps.isEmpty else {
            self = .none
            return
        }
        ratios = zip(steps, predicted).map { min(Self.largestRatio, $0.seconds / $1) }
        following = []
        let kinds = [false, true].map { hasPrompts in
            steps.indices.filter { (steps[$0].prefillRowCount > 0) == hasPrompts }
        }
        let areApart = kinds.allSatisfy { $0.count >= Self.leastCount }
        for kind in areApart ? kinds : [Array(steps.indices)] { balance(kind, predicted: predicted) }
        following = kinds.map { Self.following(areApart ? $0 : Array(steps.indices), of: steps.count) }
    }

    /// Scales the ratios of some steps, so that their mean is the ratio of all their seconds.
    private mutating func balance(_ members: [Int], predicted: [Double]) {
        var sum = 0.0, measured = 0.0, all = 0.0
        for place in members {
            sum += ratios[place]
            measured += ratios[place] * predicted[place]
            all += predicted[place]
        }
        guard sum > 0, all > 0 else { return }
        let factor = measured / all / (sum / Double(members.count))
        for place in members { ratios[place] *= factor }
    }

    private static func following(_ members: [Int], of count: Int) -> [Int] {
        var following = [Int](repeating: 0, count: count)
        // Behind the last one comes the first again.
        var next = members.first ?? 0, rest = members
        for place in following.indices.reversed() {
            if rest.last == place { next = rest.removeLast() }
            following[place] = next
        }
        return following
    }

    /// The ratio of the next step of a replay, with or without prompts.
    func ratio(hasPrompts: Bool, along walk: inout SpreadWalk) -> Double {
        let place = following[hasPrompts ? 1 : 0][walk.next(of: ratios.count)]
        walk.place = place
        return ratios[place]
    }
}

/// Where a replay is among the ratios.
struct SpreadWalk: Sendable {
    private var random: SplitMix64
    fileprivate var place: Int?

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
    }

    fileprivate mutating func next(of count: Int) -> Int {
        if let place, random.nextUniform() >= 1 / StepSpread.meanRun { return (place + 1) % count }
        return min(count - 1, Int(random.nextUniform() * Double(count)))
    }
}
