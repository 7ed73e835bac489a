// What looking at the server may cost it.

import Primitives
import Synchronization

/// Time that scrapes may take: a share of a core's, saved up for no more than some seconds. So a flood of them costs
/// the engine no more than that share, and a scraper that comes each second never notices.
final class ScrapeBudget: Sendable {
    private struct Account {
        var seconds: Double
        var since: Instant?
    }

    private let share: Double
    /// Saved up at most, in seconds of a core.
    private let capacity: Double
    private let account: Mutex<Account>

    /// What `share` earns in so long can be spent at once.
    private static let savingSeconds = 20.0

    init(share: Double) {
        self.share = share
        capacity = share * Self.savingSeconds
        account = Mutex(Account(seconds: capacity, since: nil))
    }

    /// Whether something is left to be spent.
    func allows(_ now: Instant) -> Bool {
        account.withLock { account in
            let earned = account.since.map { max(0, now.seconds(since: $0)) * share } ?? 0
            account.seconds = min(capacity, account.seconds + earned)
            account.since = now
            return account.seconds > 0
        }
    }

    func spent(_ seconds: Double) {
        account.withLock { $0.seconds -= seconds }
    }
}
