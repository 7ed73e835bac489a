// What came in lately and what steps took, to be replayed elsewhere: for whoever may administer the server.

import Access
import NIOHTTP1
import Observability
import OpenAI
import Workload

struct WorkloadEndpoint: Sendable {
    let recorder: WorkloadRecorder

    private static let seconds = 1.0...86_400
    private static let usualSeconds = 300.0

    func register(in router: inout Router) {
        router.on(.GET, "/debug/workload", access: .admin, endpoint: workload)
    }

    @Sendable
    private func workload(_ exchange: HTTPExchange) async throws {
        let text = exchange.request.queryValue("seconds")
        let seconds = text.map { Double($0) ?? .nan } ?? Self.usualSeconds
        guard Self.seconds.contains(seconds) else {
            throw RequestError(.invalid, "`seconds` must be a number from 1 to 86400.", param: "seconds")
        }
        guard let workload = recorder.workload(lastSeconds: seconds) else {
            throw RequestError(.unavailable, "The model is loading. Try again soon.")
        }
        var response = HTTPResponse(json: workload.serialized())
        GzipCoding.encode(
            &response, for: exchange.request.headers[canonicalForm: "accept-encoding"].joined(separator: ","))
        try await exchange.respond(response)
    }
}
