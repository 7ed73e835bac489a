// Tokens a second, as of now.

import Primitives
import Synchronization

/// Counts tokens by the full second in which they came; remembers this second and the one before.
///
/// One thread adds and never waits, others read.
final class ThroughputWindow: Sendable {
    /// A second in the upper half, what came in it in the lower one.
    private let current = Atomic<UInt64>(0)
    private let previous = Atomic<UInt64>(0)

    func add(_ tokenCount: Int, at moment: Instant) {
        let second = Self.second(of: moment)
        let held = current.load(ordering: .relaxed)
        let isSame = held >> 32 == second
        // First the old one, then the new one, so that a reader of the new one finds it.
        if !isSame { previous.store(held, ordering: .releasing) }
        let count = (isSame ? Self.count(held) : 0) + min(UInt64(clamping: tokenCount), 1 << 31)
        current.store(second << 32 | min(count, UInt64(UInt32.max)), ordering: .releasing)
    }

    /// Tokens of the last second that is over; 0 if nothing came in it.
    func lastFullSecond(at moment: Instant) -> Int {
        let wanted = Self.second(of: moment) &- 1
        let held = [current.load(ordering: .acquiring), previous.load(ordering: .acquiring)]
        return held.first { $0 >> 32 == wanted }.map { Int(Self.count($0)) } ?? 0
    }

    private static func second(of moment: Instant) -> UInt64 {
        UInt64(UInt32(truncatingIfNeeded: moment.nanoseconds / 1_000_000_000))
    }

    private static func count(_ word: UInt64) -> UInt64 {
        word & UInt64(UInt32.max)
    }
}
