// What a tenant has in the server, and what it has left of its quotas.

import Access
import Observability
import OpenAI
import Primitives

/// An allowance that fills up again: a minute's worth at most, and below nothing where what was taken came out larger.
struct Quota {
    private let perMinute: Double
    private var level: Double
    private var moment: Instant

    init(perMinute: Double, at now: Instant) {
        self.perMinute = perMinute
        level = perMinute
        moment = now
    }

    mutating func refill(at now: Instant) {
        level = min(perMinute, level + now.seconds(since: moment) * perMinute / 60)
        moment = max(moment, now)
    }

    mutating func take(_ amount: Double) {
        level -= amount
    }

    /// Seconds until there is `amount`; 0 if there is.
    func delay(for amount: Double) -> Double {
        max(0, amount - level) * 60 / perMinute
    }
}

struct TenantAccount {
    let settings: TenantSettings
    private var sequenceCount = 0
    private var requests: Quota?
    private var tokens: Quota?

    init(_ settings: TenantSettings, at now: Instant) {
        self.settings = settings
        requests = settings.requestsPerMinute.map { Quota(perMinute: $0, at: now) }
        tokens = settings.tokensPerMinute.map { Quota(perMinute: $0, at: now) }
    }

    // MARK: - Asking

    /// Why a request of `count` sequences more may not come in; nil: it may.
    func refusal(of count: Int) -> Refusal? {
        guard let limit = settings.maxQueued, count > limit - sequenceCount else { return nil }
        return Self.refusal("its tenant has \(sequenceCount) requests in flight, and may have \(limit)", seconds: 1)
    }

    /// Whether something is left for a request, whatever it takes in the end; called before it takes anything.
    mutating func quotaRefusal(at now: Instant) -> Refusal? {
        requests?.refill(at: now)
        tokens?.refill(at: now)
        if let delay = requests?.delay(for: 1), delay > 0 {
            return Self.refusal("its tenant has used up its requests of this minute", seconds: delay)
        }
        // One token is enough: how many it takes is not known yet.
        if let delay = tokens?.delay(for: 1), delay > 0 {
            return Self.refusal("its tenant has used up its tokens of this minute", seconds: delay)
        }
        return nil
    }

    private static func refusal(_ reason: String, seconds: Double) -> Refusal {
        Refusal(
            reason: .tenant, answer: RequestError(.quotaExceeded, "The request has to wait: \(reason)."),
            retrySeconds: seconds)
    }

    // MARK: - Taking

    mutating func enter() {
        sequenceCount += 1
        requests?.take(1)
    }

    mutating func widen(by count: Int) {
        sequenceCount += count
    }

    mutating func leave(_ count: Int) {
        sequenceCount -= count
    }

    mutating func spend(tokens count: Int) {
        tokens?.take(Double(count))
    }
}
