// The endpoints that generate nothing.

import Access
import Generation
import JSON
import NIOHTTP1
import Observability
import OpenAI
import Primitives
import Telemetry

struct ServiceEndpoints: Sendable {
    let configuration: ServerConfiguration
    let state: ServiceState
    let metrics: ServiceMetrics
    private let scrapes: ScrapeBudget

    init(configuration: ServerConfiguration, state: ServiceState, metrics: ServiceMetrics) {
        self.configuration = configuration
        self.state = state
        self.metrics = metrics
        scrapes = ScrapeBudget(share: configuration.scrapeShare)
    }

    func register(in router: inout Router) {
        router.on(.GET, "/version", access: .api, endpoint: version)
        router.on(.GET, "/load", access: .api, endpoint: load)
        router.on(.GET, "/v1/models", "/models", access: .api, endpoint: models)
        router.on(.POST, "/tokenize", access: .api, endpoint: tokenize)
        router.on(.POST, "/detokenize", access: .api, endpoint: detokenize)
    }

    func registerProbes(in router: inout Router) {
        router.on(.GET, "/health", "/ping", access: .open, endpoint: health)
        router.on(.POST, "/ping", access: .open, endpoint: health)
        router.on(.GET, "/live", access: .open, endpoint: live)
    }

    func registerMetrics(in router: inout Router) {
        router.on(.GET, "/metrics", "/metrics/", access: .metrics, endpoint: scrape)
        router.on(.HEAD, "/metrics", "/metrics/", access: .metrics, endpoint: scrape)
    }

    @Sendable
    private func health(_ exchange: HTTPExchange) async throws {
        guard state.isHealthy else {
            return try await exchange.respond(HTTPResponse(status: .serviceUnavailable, headers: ["retry-after": "1"]))
        }
        try await exchange.respond(HTTPResponse())
    }

    @Sendable
    private func live(_ exchange: HTTPExchange) async throws {
        try await exchange.respond(HTTPResponse(status: state.isAlive ? .ok : .serviceUnavailable))
    }

    @Sendable
    private func version(_ exchange: HTTPExchange) async throws {
        try await exchange.respond(HTTPResponse(json: ServiceResponse.version(configuration.version)))
    }

    @Sendable
    private func load(_ exchange: HTTPExchange) async throws {
        try await exchange.respond(HTTPResponse(json: ServiceResponse.load(state.requestCount)))
    }

    @Sendable
    private func scrape(_ exchange: HTTPExchange) async throws {
        func header(_ name: String) -> String {
            exchange.request.headers[canonicalForm: name].joined(separator: ",")
        }
        let begun = Instant.now()
        guard scrapes.allows(begun) else {
            let sentence = "Scrapes have used up their share of the machine. Try again later."
            let error = RequestError(.overloaded, sentence)
            return try await exchange.respond(ErrorMapping.response(to: error, headers: ["retry-after": "1"]))
        }
        let format = ExpositionFormat(accept: header("accept"))
        var response = HTTPResponse(
            headers: ["content-type": format.contentType, "vary": "Accept, Accept-Encoding"],
            body: metrics.registry.exposition(as: format))
        GzipCoding.encode(&response, for: header("accept-encoding"))
        let seconds = Instant.now().seconds(since: begun)
        scrapes.spent(seconds)
        metrics.scraped(seconds: seconds)
        try await exchange.respond(response)
    }

    @Sendable
    private func models(_ exchange: HTTPExchange) async throws {
        let generator = try state.generator()
        let created = WallClock.seconds()
        let names = generator.model.names.filter { exchange.principal.allows(model: $0) }
        let cards = names.map { name in
            ModelList.Card(
                id: name, created: created, root: generator.model.root, maxModelLength: generator.maxModelLength,
                permissionID: "modelperm-" + RandomID.make())
        }
        try await exchange.respond(HTTPResponse(json: ModelList(cards: cards).serialized()))
    }

    @Sendable
    private func tokenize(_ exchange: HTTPExchange) async throws {
        let generator = try state.generator()
        let request = try TokenizeRequest(json: body(of: exchange), limits: configuration.requests)
        try generator.model.check(name: request.model, for: exchange.principal)
        let prompt: GenerationRequest.Prompt =
            switch request.input {
            case .prompt(let text): .text(text)
            case .messages(let messages, let template):
                .chat(ChatPrompt(messages, template, format: generator.model.contentFormat))
            }
        let ids = try generator.encode(prompt, addsSpecialTokens: request.addsSpecialTokens)
        var response = TokenizeResponse(tokens: ids, maxModelLength: generator.maxModelLength)
        if request.returnsTokenStrings {
            response.tokenStrings = generator.tokenStrings(ids)
        }
        try await exchange.respond(HTTPResponse(json: response.serialized()))
    }

    private func body(of exchange: HTTPExchange) throws(RequestError) -> JSONValue {
        try exchange.request.json(limitBytes: configuration.connections.requestBytes)
    }

    @Sendable
    private func detokenize(_ exchange: HTTPExchange) async throws {
        let generator = try state.generator()
        let request = try DetokenizeRequest(json: body(of: exchange))
        try generator.model.check(name: request.model, for: exchange.principal)
        let text = try generator.decode(request.tokens)
        try await exchange.respond(HTTPResponse(json: ServiceResponse.detokenized(text)))
    }
}

extension LoadedModel {
    /// Throws unless a request for the model `name` is for this one. A model that the principal may not use is, to it,
    /// none that is served.
    func check(name: String?, for principal: Principal) throws(RequestError) {
        let asked = name.flatMap { $0.isEmpty ? nil : $0 } ?? self.name
        guard isNamed(name), principal.allows(model: asked) else {
            throw RequestError(unknownModel: name, among: names.filter { principal.allows(model: $0) })
        }
    }
}

extension RequestError {
    init(unknownModel name: String?, among names: [String]) {
        // A name is as long as its client wants it to be.
        let asked = String((name ?? "").unicodeScalars.prefix(128))
        let known = names.map { "`\($0)`" }.joined(separator: ", ")
        self.init(.unknownModel, "The model `\(asked)` does not exist. Models served here: \(known).", param: "model")
    }
}
