// What all requests share: whether the model is there, whether the server is stopping, who is let in.

import Access
import Generation
import Observability
import OpenAI
import Synchronization

final class ServiceState: Sendable {
    private enum Phase {
        case loading
        case ready(TextGenerator)
        /// Nil: stopped before the model was there.
        case draining(TextGenerator?)
    }

    private struct State {
        var phase = Phase.loading
    }

    private let configuration: ServerConfiguration
    private let state = Mutex(State())
    let admission: AdmissionControl

    init(configuration: ServerConfiguration) {
        self.configuration = configuration
        admission = AdmissionControl(
            AdmissionLimits(
                sequences: configuration.maxQueuedRequests, queuedTokens: configuration.maxQueuedTokens,
                firstTokenObjective: configuration.firstTokenObjective), tenants: configuration.tenants)
    }

    // MARK: - Phases

    func modelReady(_ generator: TextGenerator) {
        state.withLock { state in
            switch state.phase {
            case .loading, .ready: state.phase = .ready(generator)
            case .draining: state.phase = .draining(generator)
            }
        }
    }

    /// From here on no new generation begins.
    func drain() -> TextGenerator? {
        state.withLock { state in
            let generator: TextGenerator?
            switch state.phase {
            case .loading: generator = nil
            case .ready(let ready): generator = ready
            case .draining(let draining): generator = draining
            }
            state.phase = .draining(generator)
            return generator
        }
    }

    var isDraining: Bool {
        state.withLock { if case .draining = $0.phase { true } else { false } }
    }

    /// The model, for requests of all kinds.
    func generator() throws(Refusal) -> TextGenerator {
        switch state.withLock({ $0.phase }) {
        case .ready(let generator), .draining(let generator?): return generator
        case .loading:
            throw Refusal(
                reason: .loading, answer: RequestError(.unavailable, "The model is loading. Try again soon."))
        case .draining(nil): throw Self.shuttingDown
        }
    }

    private static let shuttingDown = Refusal(
        reason: .draining, answer: RequestError(.unavailable, "The server is shutting down."))

    /// Throws unless a request for the model `name` is for the one that is served, or is going to be.
    func checkModel(name: String?, for principal: Principal) throws(RequestError) {
        if let generator = try? generator() { return try generator.model.check(name: name, for: principal) }
        let names = configuration.modelNames.filter { principal.allows(model: $0) }
        guard let name, !name.isEmpty, !configuration.modelNames.isEmpty, !names.contains(name) else { return }
        throw RequestError(unknownModel: name, among: names)
    }

    /// Client requests for generation in flight.
    var requestCount: Int { admission.requestCount }

    /// Whether a load balancer should send requests here.
    var isHealthy: Bool {
        guard case .ready(let generator) = state.withLock({ $0.phase }) else { return false }
        return generator.isHealthy(stallTimeout: configuration.engineStallTimeout)
    }

    /// Whether a supervisor should leave the process alone: while the model loads and while it drains, too.
    var isAlive: Bool {
        switch state.withLock({ $0.phase }) {
        case .loading, .draining(nil): true
        case .ready(let generator), .draining(let generator?):
            !generator.isStuck(stallTimeout: configuration.engineStallTimeout)
        }
    }

    /// The model, for a new generation.
    func acceptingGenerator() throws(Refusal) -> TextGenerator {
        if isDraining { throw Self.shuttingDown }
        return try generator()
    }
}
