// How fast a queue gets shorter, as measured.

import Primitives

/// What was done a second while there was something to do, the last seconds counting most.
struct BacklogRate {
    private var amount = 0.0
    private var busySeconds = 0.0
    private var moment = Instant(nanoseconds: 0)

    /// Busy seconds after which what happened counts a third.
    private static let memory = 10.0
    /// Less is no measurement.
    private static let leastSeconds = 0.02

    /// Time passes, with something to do or without: idle time neither counts nor makes anything forgotten.
    mutating func pass(to now: Instant, isBusy: Bool) {
        defer { moment = max(moment, now) }
        guard isBusy else { return }
        let seconds = now.seconds(since: moment)
        let share = 1 / (1 + seconds / Self.memory)
        amount *= share
        busySeconds = busySeconds * share + seconds
    }

    mutating func done(_ amount: Double) {
        self.amount += amount
    }

    /// Nil: not enough has been seen.
    var perSecond: Double? {
        busySeconds >= Self.leastSeconds && amount > 0 ? amount / busySeconds : nil
    }

    /// Seconds that `amount` takes; nil if that is not known.
    func seconds(for amount: Double) -> Double? {
        perSecond.map { max(0, amount) / $0 }
    }
}
