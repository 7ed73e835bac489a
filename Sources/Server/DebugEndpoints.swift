// What the server knows of its requests, for the operator. Behind an option, since ids of requests are clients' own.

import Access
import Generation
import NIOHTTP1
import Observability

struct DebugEndpoints: Sendable {
    let state: ServiceState
    let journal: RequestJournal

    func register(in router: inout Router) {
        router.on(.GET, "/debug/requests", access: .admin, endpoint: requests)
    }

    @Sendable
    private func requests(_ exchange: HTTPExchange) async throws {
        let generator = try? state.generator()
        let document = await journal.document(asking: { await generator?.sequencesInFlight() ?? [] })
        try await exchange.respond(HTTPResponse(json: document))
    }
}
