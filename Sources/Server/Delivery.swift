// A request's answer on its way to the client, and what is counted when it is there.

import Generation
import Observability
import Primitives
import Synchronization

/// Counts one generation request once: when the last byte of its answer is with the system, or when it is clear that
/// this will not come about.
final class Delivery: Sendable {
    private struct State {
        var generations: [TextGeneration] = []
        /// Whether the answer is that of a generation that came to its own end; nil while that is open.
        var isSuccess: Bool?
        var isCounted = false
    }

    private let metrics: RequestMetrics
    private let endpoint: RequestMetrics.Endpoint
    private let origin: RequestOrigin
    private let state = Mutex(State())

    init(_ endpoint: RequestMetrics.Endpoint, of origin: RequestOrigin, metrics: RequestMetrics) {
        self.endpoint = endpoint
        self.origin = origin
        self.metrics = metrics
    }

    func begin(_ generations: [TextGeneration]) {
        state.withLock { $0.generations = generations }
    }

    /// The last piece of the answer is about to be written.
    func willEnd(isSuccess: Bool) {
        state.withLock { $0.isSuccess = isSuccess }
    }

    /// The last byte is with the system.
    func ended() {
        let now = Instant.now()
        guard state.withLock({ $0.isSuccess }) == true else { return count(.failed, at: now) }
        count(.success(latencySeconds: now.seconds(since: origin.arrival), trace: origin.trace), at: now)
    }

    /// There is no such answer.
    func failed(_ outcome: RequestMetrics.Outcome) {
        count(outcome, at: .now())
    }

    private func count(_ outcome: RequestMetrics.Outcome, at now: Instant) {
        let generations = state.withLock { state -> [TextGeneration]? in
            guard !state.isCounted else { return nil }
            state.isCounted = true
            return state.generations
        }
        guard let generations else { return }
        // From the end of each sequence in the engine. Those that go on have none of this time.
        let nanoseconds = generations.flatMap(\.endings).reduce(Int64(0)) { sum, ending in
            sum + max(0, now.nanoseconds - (ending?.nanoseconds ?? now.nanoseconds))
        }
        metrics.requestFinished(
            outcome, endpoint: endpoint, tenant: origin.tenant, deliveryNanoseconds: nanoseconds)
    }
}
