// `/dashboard`, its data, and the task that collects it.

import Access
import Diagnosis
import NIOHTTP1
import OpenAI
import Primitives
import Telemetry

/// The built-in dashboard: a page, and JSON for it.
struct DashboardEndpoints: Sendable {
    let registry: MetricRegistry
    let version: String
    private let history = MetricsHistory(instance: RandomID.make())
    private let page = DashboardPage()
    private let started = Instant.now()

    private static let interval = Duration.seconds(1)

    init(registry: MetricRegistry, version: String) {
        self.registry = registry
        self.version = version
    }

    func register(in router: inout Router) {
        router.on(.GET, "/dashboard", "/dashboard/", access: .metrics, endpoint: document)
        router.on(.GET, "/dashboard/data", "/dashboard/data/", access: .metrics, endpoint: data)
    }

    /// Samples the registry until the task is cancelled.
    func collect() async {
        var next = ContinuousClock.now
        repeat {
            history.record(registry.exposition(), seconds: uptime)
            next = max(next + Self.interval, .now)
        } while (try? await Task.sleep(until: next, tolerance: .milliseconds(50))) != nil
    }

    private var uptime: Double { Instant.now().seconds(since: started) }

    @Sendable
    private func document(_ exchange: HTTPExchange) async throws {
        let nonce = RandomID.make()
        try await respond(
            page.document(nonce: nonce), type: "text/html; charset=utf-8",
            ["content-security-policy": DashboardPage.contentSecurityPolicy(nonce: nonce)], to: exchange)
    }

    /// `step` is 1 or 10, `since` the time of the last row that the page has.
    @Sendable
    private func data(_ exchange: HTTPExchange) async throws {
        let step = Int(exchange.request.queryValue("step") ?? "1")
        guard let resolution = step.flatMap({ MetricsHistory.Resolution(rawValue: $0) }) else {
            throw RequestError(.invalid, "`step` must be 1 or 10.", param: "step")
        }
        let since = exchange.request.queryValue("since")
        let limit = since.flatMap { Double($0) }
        guard (since == nil) == (limit == nil) else {
            throw RequestError(.invalid, "`since` must be a number of seconds.", param: "since")
        }
        let body = history.json(after: limit, resolution, version: version, now: (uptime, WallClock.now()))
        try await respond(body, type: "application/json", to: exchange)
    }

    private func respond(
        _ body: [UInt8], type: String, _ more: HTTPHeaders = [:], to exchange: HTTPExchange
    ) async throws {
        var headers: HTTPHeaders = [
            "content-type": type, "cache-control": "no-store", "vary": "Accept-Encoding",
            "x-content-type-options": "nosniff", "referrer-policy": "no-referrer",
        ]
        headers.add(contentsOf: more)
        var response = HTTPResponse(headers: headers, body: body)
        GzipCoding.encode(
            &response, for: exchange.request.headers[canonicalForm: "accept-encoding"].joined(separator: ","))
        try await exchange.respond(response)
    }
}
