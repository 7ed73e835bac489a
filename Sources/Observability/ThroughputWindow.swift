// Tokens a second, as of now.

import Primitives

/// Counts tokens by the full second in which they came; remembers this second and the one before.
struct ThroughputWindow: Sendable {
    private var second: Int64 = 0
    private var current = 0
    private var previous = 0

    mutating func add(_ tokenCount: Int, at moment: Instant) {
        advance(to: moment)
        current += tokenCount
    }

    /// Tokens of the last second that is over; 0 if nothing came in it.
    mutating func lastFullSecond(at moment: Instant) -> Int {
        advance(to: moment)
        return previous
    }

    private mutating func advance(to moment: Instant) {
        let now = moment.nanoseconds / 1_000_000_000
        guard now > second else { return }
        previous = now == second + 1 ? current : 0
        current = 0
        second = now
    }
}
