// Who may wait, and for how long the others are told to stay away.

import Access
import Observability
import OpenAI
import Primitives
import Synchronization

/// A request that could be served at another time, and why not now.
struct Refusal: Error {
    let reason: RequestMetrics.Rejection
    let answer: RequestError
    /// When to come back; nil if that can't be told.
    var retrySeconds: Double?
}

/// How much may be in flight.
struct AdmissionLimits: Sendable, Equatable {
    /// Sequences, running ones too.
    var sequences: Int
    /// Prompt tokens of those that have no first token yet, above which no more come in; nil: any number.
    var queuedTokens: Int?
    /// Requests whose first token would come later are turned away; nil: none are.
    var firstTokenObjective: Duration?
}

/// Counts the requests in flight and what is left to do of their prompts, in one place, before anything is spent on
/// them: a place is taken before a request's body is looked at.
final class AdmissionControl: Sendable {
    private struct State {
        /// Client requests for generation, their sequences, and prompt tokens without a first token.
        var requestCount = 0
        var sequenceCount = 0
        var queuedTokenCount = 0
        var sequenceRate = BacklogRate()
        var tokenRate = BacklogRate()
        /// Those of the configuration.
        var tenants: [String: TenantAccount]

        mutating func pass(to now: Instant) {
            sequenceRate.pass(to: now, isBusy: sequenceCount > 0)
            tokenRate.pass(to: now, isBusy: queuedTokenCount > 0)
        }
    }

    private let limits: AdmissionLimits
    private let state: Mutex<State>

    /// - Parameter tenants: Those that have limits of their own; one named as `RequestOrigin.defaultTenant` stands for
    ///   everybody else.
    init(_ limits: AdmissionLimits, tenants: [TenantSettings] = []) {
        self.limits = limits
        let now = Instant.now()
        let accounts = tenants.map { ($0.name, TenantAccount($0, at: now)) }
        state = Mutex(State(tenants: Dictionary(accounts) { first, _ in first }))
    }

    var requestCount: Int { state.withLock { $0.requestCount } }

    private struct Holding {
        var sequenceCount = 1
        var spentTokenCount = 0
        /// By prompt; 0 once its first token is there. None: it never came so far.
        var queuedTokenCounts: [Int] = []
    }

    /// A place among the requests in flight, given back when it is let go.
    final class Place: Sendable {
        private let owner: AdmissionControl
        private let tenant: String
        private let holding = Mutex(Holding())

        fileprivate init(owner: AdmissionControl, tenant: String) {
            self.owner = owner
            self.tenant = tenant
        }

        deinit {
            let held = holding.withLock { $0 }
            owner.leave(tenant, held)
        }

        /// The request turns out to be for so many sequences.
        func widen(to sequenceCount: Int) throws {
            try owner.widen(by: sequenceCount - 1, sequenceCount: sequenceCount, of: tenant)
            holding.withLock { $0.sequenceCount = sequenceCount }
        }

        /// Its prompts turn out to have so many tokens.
        ///
        /// - Parameter deadline: When its client needs the first of them answered at the latest.
        func queue(promptTokenCounts: [Int], deadline: Instant?) throws {
            try owner.queue(promptTokenCounts.reduce(0, +), of: tenant, deadline: deadline)
            holding.withLock { $0.queuedTokenCounts = promptTokenCounts }
        }

        /// So many tokens of answers have come.
        func answered(tokenCount: Int) {
            holding.withLock { $0.spentTokenCount += tokenCount }
        }

        /// How long it takes until half of what is queued now is done; nil if that is not known.
        var secondsUntilEase: Double? { owner.secondsUntilEase }

        /// The first token of a prompt is there. Does nothing the second time.
        func began(prompt: Int) {
            let count = holding.withLock { holding -> Int in
                guard holding.queuedTokenCounts.indices.contains(prompt) else { return 0 }
                defer { holding.queuedTokenCounts[prompt] = 0 }
                return holding.queuedTokenCounts[prompt]
            }
            if count > 0 { owner.began(tokenCount: count) }
        }
    }

    // MARK: - Coming in

    /// A place for a request of which nothing but its head is known yet.
    func enter(tenant name: String) throws(Refusal) -> Place {
        let now = Instant.now()
        let refused = state.withLock { state -> Refusal? in
            let tenant = Self.account(of: name, state)
            state.pass(to: now)
            // The tenant's own limits first: what it does too much is not the server's fault.
            if let refusal = state.tenants[tenant]?.quotaRefusal(at: now) ?? state.tenants[tenant]?.refusal(of: 1) {
                return refusal
            }
            if let refusal = sequenceRefusal(of: 1, state) ?? tokenRefusal(state) { return refusal }
            state.requestCount += 1
            state.sequenceCount += 1
            state.tenants[tenant]?.enter()
            return nil
        }
        if let refused { throw refused }
        return Place(owner: self, tenant: name)
    }

    private static func account(of tenant: String, _ state: State) -> String {
        state.tenants[tenant] == nil ? RequestOrigin.defaultTenant : tenant
    }

    private func widen(by count: Int, sequenceCount: Int, of tenant: String) throws {
        guard sequenceCount <= limits.sequences else {
            let sentence =
                "The request asks for \(sequenceCount) sequences, and this server takes at most \(limits.sequences)."
            throw RequestError(.invalid, sentence, param: "n")
        }
        let refused = state.withLock { state -> Refusal? in
            let account = Self.account(of: tenant, state)
            if let refusal = state.tenants[account]?.refusal(of: count) ?? sequenceRefusal(of: count, state) {
                return refusal
            }
            state.sequenceCount += count
            state.tenants[account]?.widen(by: count)
            return nil
        }
        if let refused { throw refused }
    }

    private func queue(_ tokenCount: Int, of tenant: String, deadline: Instant?) throws(Refusal) {
        let now = Instant.now()
        let refused = state.withLock { state -> Refusal? in
            state.pass(to: now)
            if let refusal = tokenRefusal(state) ?? objectiveRefusal(tokenCount, deadline: deadline, now, state) {
                return refusal
            }
            state.queuedTokenCount += tokenCount
            state.tenants[Self.account(of: tenant, state)]?.spend(tokens: tokenCount)
            return nil
        }
        if let refused { throw refused }
    }

    // MARK: - Going

    private func began(tokenCount: Int) {
        let now = Instant.now()
        state.withLock { state in
            state.pass(to: now)
            state.queuedTokenCount -= tokenCount
            state.tokenRate.done(Double(tokenCount))
        }
    }

    private func leave(_ tenant: String, _ held: Holding) {
        let now = Instant.now()
        state.withLock { state in
            state.pass(to: now)
            state.requestCount -= 1
            state.sequenceCount -= held.sequenceCount
            state.queuedTokenCount -= held.queuedTokenCounts.reduce(0, +)
            if !held.queuedTokenCounts.isEmpty { state.sequenceRate.done(Double(held.sequenceCount)) }
            let account = Self.account(of: tenant, state)
            state.tenants[account]?.leave(held.sequenceCount)
            state.tenants[account]?.spend(tokens: held.spentTokenCount)
        }
    }

    private var secondsUntilEase: Double? {
        state.withLock { $0.tokenRate.seconds(for: Double($0.queuedTokenCount) / 2) }
    }

    // MARK: - Refusals

    private func sequenceRefusal(of count: Int, _ state: State) -> Refusal? {
        guard count > limits.sequences - state.sequenceCount else { return nil }
        let sentence =
            "The server has \(state.sequenceCount) requests in flight, and its limit is \(limits.sequences)."
        // Until half of them are gone, so that those who come back find room.
        let excess = Double(state.sequenceCount) - Double(limits.sequences) / 2
        return Refusal(
            reason: .queueFull, answer: RequestError(.overloaded, sentence + " Try again later."),
            retrySeconds: state.sequenceRate.seconds(for: excess))
    }

    /// As vLLM has it, a single prompt may be longer than the limit.
    private func tokenRefusal(_ state: State) -> Refusal? {
        guard let limit = limits.queuedTokens, state.queuedTokenCount >= limit else { return nil }
        let sentence =
            "Prompts of \(state.queuedTokenCount) tokens wait to be computed, and the server's limit is \(limit)."
        return Refusal(
            reason: .queueTokens, answer: RequestError(.overloaded, sentence + " Try again later."),
            retrySeconds: state.tokenRate.seconds(for: Double(state.queuedTokenCount) - Double(limit) / 2))
    }

    /// Nobody is turned away where nobody waits: what is predicted may be wrong.
    private func objectiveRefusal(
        _ tokenCount: Int, deadline: Instant?, _ now: Instant, _ state: State
    ) -> Refusal? {
        guard state.queuedTokenCount > 0,
            let predicted = state.tokenRate.seconds(for: Double(state.queuedTokenCount + tokenCount))
        else { return nil }
        let objective = limits.firstTokenObjective.map { $0 / .seconds(1) } ?? .infinity
        let remaining = deadline.map { $0.seconds(since: now) } ?? .infinity
        let bound = min(objective, remaining)
        guard predicted > bound else { return nil }
        let sentence =
            "The first token would come in \(Int(predicted * 1000)) ms, and is needed in \(Int(bound * 1000)) ms."
        return Refusal(
            reason: .firstToken, answer: RequestError(.overloaded, sentence + " Try again later."),
            retrySeconds: predicted - bound)
    }
}
