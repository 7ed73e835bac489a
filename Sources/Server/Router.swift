// Which endpoint answers which path and method.

import Access
import NIOHTTP1
import OpenAI

/// Paths are literal: there are few, and none has parameters.
struct Router: Sendable {
    typealias Endpoint = @Sendable (HTTPExchange) async throws -> Void

    private struct Route: Sendable {
        let method: HTTPMethod
        let access: RouteAccess
        let endpoint: Endpoint
    }

    private var endpoints: [String: [Route]] = [:]

    /// Methods and paths that are served, in the order of the paths.
    var routes: [(method: HTTPMethod, path: String)] {
        endpoints.sorted { $0.key < $1.key }.flatMap { path, candidates in
            candidates.map { (method: $0.method, path: path) }
        }
    }

    /// - Parameter access: What it takes to be answered. There is no default: a route says it.
    mutating func on(
        _ method: HTTPMethod, _ paths: String..., access: RouteAccess, endpoint: @escaping Endpoint
    ) {
        for path in paths {
            endpoints[path, default: []].append(Route(method: method, access: access, endpoint: endpoint))
        }
    }

    /// What it takes to be answered. The path is the one that `answer` looks up.
    func access(_ method: HTTPMethod, _ path: String) -> RouteAccess {
        endpoints[path]?.first { $0.method == method }?.access ?? .unknown
    }

    /// Answers a request; an error has not been told to the client yet.
    func answer(_ exchange: HTTPExchange) async throws {
        if let answer = exchange.request.preflightAnswer { return try await exchange.respond(answer) }
        guard let candidates = endpoints[exchange.request.path] else {
            throw RequestError(.unknownPath, "Not Found")
        }
        guard let match = candidates.first(where: { $0.method == exchange.request.method }) else {
            let error = RequestError(.methodNotAllowed, "Method Not Allowed")
            let allowed = candidates.map(\.method.rawValue).joined(separator: ", ")
            return try await exchange.respond(ErrorMapping.response(to: error, headers: ["allow": allowed]))
        }
        try await match.endpoint(exchange)
    }
}
