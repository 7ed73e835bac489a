// Guessing slows down whoever guesses.

internal import Synchronization

/// An allowance of wrong credentials for each neighbourhood of addresses, which comes back with time.
final class FailureLimiter: Sendable {
    private struct Allowance {
        var left: Double
        var since: Double
    }

    private let capacity: Double
    private let perSecond: Double
    /// Neighbourhoods remembered; of more, some are forgotten.
    private let limit: Int
    private let allowances = Mutex<[[UInt8]: Allowance]>([:])

    init(capacity: Double = 20, perSecond: Double = 20.0 / 60, limit: Int = 4096) {
        self.capacity = capacity
        self.perSecond = perSecond
        self.limit = limit
    }

    /// Counts a wrong credential; nil while that is within what is allowed, else the seconds until it is again.
    func failed(_ peer: PeerAddress, now: Double) -> Int? {
        allowances.withLock { allowances in
            let key = peer.neighbourhood
            var allowance = current(allowances[key], now: now)
            allowance.left -= 1
            let isWithin = allowance.left >= 0
            allowance.left = max(0, allowance.left)
            if allowances[key] == nil, allowances.count >= limit { makeRoom(in: &allowances, now: now) }
            allowances[key] = allowance
            return isWithin ? nil : delay(allowance)
        }
    }

    /// The seconds until another wrong one is allowed; nil: it is now.
    func delay(for peer: PeerAddress, now: Double) -> Int? {
        allowances.withLock { allowances in
            let allowance = current(allowances[peer.neighbourhood], now: now)
            return allowance.left >= 1 ? nil : delay(allowance)
        }
    }

    private func delay(_ allowance: Allowance) -> Int {
        max(1, Int(((1 - allowance.left) / perSecond).rounded(.up)))
    }

    private func current(_ allowance: Allowance?, now: Double) -> Allowance {
        guard let allowance else { return Allowance(left: capacity, since: now) }
        let earned = max(0, now - allowance.since) * perSecond
        return Allowance(left: min(capacity, allowance.left + earned), since: now)
    }

    private func makeRoom(in allowances: inout [[UInt8]: Allowance], now: Double) {
        allowances = allowances.filter { current($0.value, now: now).left < capacity }
        while allowances.count >= limit, let first = allowances.keys.first { allowances[first] = nil }
    }
}
