// The endpoints that generate text, and what they have in common: admission, counting, the client's presence.

import Access
import Generation
import JSON
import NIOCore
import NIOHTTP1
import Observability
import OpenAI
import Primitives

/// The client is gone: there is nobody to tell anything.
struct ClientGone: Error {}

struct GenerationEndpoints: Sendable {
    let configuration: ServerConfiguration
    let state: ServiceState
    let metrics: RequestMetrics
    /// Nil: nobody asks for timelines, spans or an access log.
    let journal: RequestJournal?

    func register(in router: inout Router) {
        router.on(.POST, "/v1/completions", "/completions", access: .api, endpoint: completions)
        router.on(.POST, "/v1/chat/completions", "/chat/completions", access: .api, endpoint: chat)
    }

    // MARK: - Endpoints

    @Sendable
    private func completions(_ exchange: HTTPExchange) async throws {
        let place = try enter(exchange, .completions)
        let request = try CompletionRequest(json: body(of: exchange), limits: configuration.requests)
        let options = effective(request.options)
        let sequenceCount = request.prompts.count * options.sampleCount
        try await counted(exchange, .completions, options: options, place, sequenceCount: sequenceCount) {
            generator, delivery in
            let run = try start(request, options: options, on: generator, for: exchange, place)
            delivery.begin(run.generations)
            let answer = CompletionAnswer(
                identity: identity(prefix: "cmpl-", options: options, generator: generator, exchange: exchange),
                options: options, run: run)
            return options.streams
                ? try await stream(CompletionChunks(answer: answer), of: run, to: exchange, delivery)
                : try await respond(try await answer.whole(), to: exchange, delivery)
        }
    }

    @Sendable
    private func chat(_ exchange: HTTPExchange) async throws {
        let place = try enter(exchange, .chatCompletions)
        let request = try ChatCompletionRequest(json: body(of: exchange), limits: configuration.requests)
        let options = effective(request.options)
        let sequenceCount = options.sampleCount
        try await counted(exchange, .chatCompletions, options: options, place, sequenceCount: sequenceCount) {
            generator, delivery in
            let run = try start(request, options: options, on: generator, for: exchange, place)
            delivery.begin(run.generations)
            let answer = ChatAnswer(
                identity: identity(prefix: "chatcmpl-", options: options, generator: generator, exchange: exchange),
                request: request, options: options, run: run)
            return options.streams
                ? try await stream(ChatChunks(answer: answer), of: run, to: exchange, delivery)
                : try await respond(try await answer.whole(), to: exchange, delivery)
        }
    }

    private func body(of exchange: HTTPExchange) throws(RequestError) -> JSONValue {
        try exchange.request.json(limitBytes: configuration.connections.requestBytes)
    }

    private func effective(_ options: RequestOptions) -> RequestOptions {
        var options = options
        options.returnsTokensAsTokenIDs = options.returnsTokensAsTokenIDs ?? configuration.returnsTokensAsTokenIDs
        if configuration.alwaysIncludesUsage {
            options.includesUsage = true
            options.continuousUsage = true
        }
        return options
    }

    private func identity(
        prefix: String, options: RequestOptions, generator: TextGenerator, exchange: HTTPExchange
    ) -> ResponseIdentity {
        return ResponseIdentity(
            id: prefix + exchange.identity.id, created: WallClock.seconds(), model: generator.model.name,
            systemFingerprint: configuration.systemFingerprint)
    }

    // MARK: - Counting

    /// Takes a place for a request before its body is looked at: a server that is full spends nothing on it. What it
    /// would have been is then not known, and it counts as one sequence.
    private func enter(
        _ exchange: HTTPExchange, _ endpoint: RequestMetrics.Endpoint
    ) throws -> AdmissionControl.Place {
        do throws(Refusal) {
            return try state.admission.enter(tenant: exchange.principal.tenant)
        } catch {
            follow(exchange, streams: false, sampleCount: 1)
            metrics.requestFinished(
                .rejected(error.reason, sequenceCount: 1), endpoint: endpoint, tenant: exchange.principal.tenant)
            exchange.noteFailure(error)
            if exchange.isClientGone { throw ClientGone() }
            throw error
        }
    }

    /// Lets a request in and runs it, and counts it once, when the last byte of its answer is with the system.
    ///
    /// - Parameter body: Whether the generation came to its own end; an error has not been told to the client yet.
    private func counted(
        _ exchange: HTTPExchange, _ endpoint: RequestMetrics.Endpoint, options: RequestOptions,
        _ place: AdmissionControl.Place, sequenceCount: Int,
        _ body: (TextGenerator, Delivery) async throws -> Bool
    ) async throws {
        try state.checkModel(name: options.model, for: exchange.principal)
        if let id = options.requestID, exchange.request.headers.requestID == nil, RequestIdentity.isValid(id) {
            exchange.identity.id = id
        }
        follow(exchange, streams: options.streams, sampleCount: options.sampleCount)
        let origin = exchange.identity.origin(arrival: exchange.request.receivedAt)
        let delivery = Delivery(endpoint, of: origin, metrics: metrics)
        do {
            let generator = try state.acceptingGenerator()
            try place.widen(to: sequenceCount)
            exchange.whenDelivered { delivery.ended() }
            let isSuccess = try await body(generator, delivery)
            withExtendedLifetime(place) {}
            exchange.followed?.answered(status: exchange.status, outcome: isSuccess ? .success : .failed)
        } catch {
            // Before the error is told, so that whoever is told finds it counted.
            if let refusal = error as? Refusal {
                delivery.failed(.rejected(refusal.reason, sequenceCount: sequenceCount))
            } else if ErrorMapping.isFailure(error) {
                delivery.failed(.failed)
            }
            exchange.whenDelivered {}
            exchange.noteFailure(error)
            throw exchange.isClientGone ? ClientGone() : error
        }
    }

    /// Has the journal, if there is one, tell of the request from here on.
    private func follow(_ exchange: HTTPExchange, streams: Bool, sampleCount: Int) {
        guard let journal else { return }
        exchange.note(
            journal.follow(
                exchange.identity,
                RequestSubject(
                    endpoint: exchange.request.path, arrival: exchange.request.receivedAt, streams: streams,
                    sampleCount: sampleCount)))
    }

    // MARK: - Starting

    private func start(
        _ request: CompletionRequest, options: RequestOptions, on generator: TextGenerator, for exchange: HTTPExchange,
        _ place: AdmissionControl.Place
    ) throws -> GenerationRun {
        try start(
            request.prompts.map { prompt in
                switch prompt {
                case .text(let text): .text(text)
                case .tokens(let ids): .tokens(ids)
                }
            }, options: options, maximumTokens: request.maximumTokens, on: generator, for: exchange, place)
    }

    private func start(
        _ request: ChatCompletionRequest, options: RequestOptions, on generator: TextGenerator,
        for exchange: HTTPExchange, _ place: AdmissionControl.Place
    ) throws -> GenerationRun {
        let prompt = ChatPrompt(request.messages, request.template, format: generator.model.contentFormat)
        return try start(
            [.chat(prompt)], options: options, maximumTokens: request.maximumTokens, on: generator, for: exchange,
            place)
    }

    /// Checks all prompts before the first is submitted, so that a request runs as a whole or not at all.
    private func start(
        _ prompts: [GenerationRequest.Prompt], options: RequestOptions, maximumTokens: Int?,
        on generator: TextGenerator, for exchange: HTTPExchange, _ place: AdmissionControl.Place
    ) throws -> GenerationRun {
        guard options.logprobTokenIDs == nil else {
            let sentence = "`logprob_token_ids` is not supported by this server."
            throw RequestError(.invalid, sentence, param: "logprob_token_ids")
        }
        let priority = try exchange.request.priority()
        let deadline = try exchange.request.deadline()
        var prepared: [PreparedGeneration] = []
        for prompt in prompts {
            var request = GenerationRequest(prompt: prompt, options: options, maximumTokens: maximumTokens)
            request.priority = configuration.priority(
                priority ?? request.priority, of: exchange.principal.tenant)
            request.deadline = deadline
            request.startBy = configuration.maxQueueTime.map { exchange.request.receivedAt.advanced(by: $0) }
            let origin = exchange.identity.origin(arrival: exchange.request.receivedAt)
            prepared.append(try generator.prepare(request, origin: origin))
            if exchange.isClientGone { throw ClientGone() }
        }
        if let deadline, deadline <= .now() { throw Refusal(reason: .deadline, answer: Expired.deadlineAnswer) }
        try place.queue(promptTokenCounts: prepared.map(\.promptTokenIDs.count), deadline: deadline)
        let generations = try submit(prepared, to: generator, for: exchange)
        exchange.whenClientGoes {
            for generation in generations { generation.cancel() }
        }
        return GenerationRun(
            prepared: prepared, generations: generations, sampleCount: options.sampleCount,
            tellsCachedTokens: configuration.tellsCachedTokens, place: place,
            mayExpire: deadline != nil || configuration.maxQueueTime != nil)
    }

    /// Once the engine takes no more, what it did not take counts as turned away; the rest is cancelled.
    private func submit(
        _ prepared: [PreparedGeneration], to generator: TextGenerator, for exchange: HTTPExchange
    ) throws -> [TextGeneration] {
        var generations: [TextGeneration] = []
        for one in prepared {
            do {
                generations.append(try submit(one, to: generator, for: exchange))
            } catch GenerationError.stopped {
                let refused = prepared[generations.count...].reduce(0) { $0 + $1.sampleCount }
                metrics.sequencesRefused(refused)
                throw GenerationError.stopped
            }
        }
        return generations
    }

    private func submit(
        _ prepared: PreparedGeneration, to generator: TextGenerator, for exchange: HTTPExchange
    ) throws -> TextGeneration {
        guard let followed = exchange.followed else { return try generator.start(prepared) }
        followed.submit(
            prepared.id, promptTokenCount: prepared.promptTokenIDs.count, sampleCount: prepared.sampleCount)
        do {
            return try generator.start(prepared)
        } catch {
            followed.withdraw(prepared.id, sampleCount: prepared.sampleCount)
            throw error
        }
    }

    // MARK: - Answering

    private func respond(_ body: [UInt8], to exchange: HTTPExchange, _ delivery: Delivery) async throws -> Bool {
        delivery.willEnd(isSuccess: true)
        try await exchange.respond(HTTPResponse(json: body))
        return true
    }

    /// Streams a run: one write for all that has come since the last one was taken.
    private func stream(
        _ chunks: some StreamChunks, of run: GenerationRun, to exchange: HTTPExchange, _ delivery: Delivery
    ) async throws -> Bool {
        var chunks = chunks
        // What may be dropped before its first token is to have the status of that then.
        var hasBegun = !run.mayExpire
        if hasBegun { try await exchange.begin(.ok, headers: ServerSentEvents.headers) }
        var failure: RequestError?
        do {
            try await run.forEachBatch { prompt, batch in
                try run.checkEndings(of: batch, prompt: prompt)
                if !hasBegun { try await exchange.begin(.ok, headers: ServerSentEvents.headers) }
                hasBegun = true
                var events = ServerSentEvents()
                chunks.append(batch, prompt: prompt, to: &events)
                if !events.bytes.isEmpty { try await exchange.write(ByteBuffer(bytes: events.bytes)) }
            }
        } catch  where hasBegun && !exchange.isClientGone {
            guard let answer = ErrorMapping.requestError(for: error) else { throw error }
            failure = answer
        }
        if !hasBegun { try await exchange.begin(.ok, headers: ServerSentEvents.headers) }
        var events = ServerSentEvents()
        if let failure { events.append(failure) } else { chunks.appendUsage(to: &events) }
        events.appendDone()
        delivery.willEnd(isSuccess: failure == nil)
        try await exchange.end(with: ByteBuffer(bytes: events.bytes))
        return failure == nil
    }
}

extension HTTPExchange {
    /// Tells the journal how the request ends whose error has not been told to the client yet.
    fileprivate func noteFailure(_ error: any Error) {
        guard let followed else { return }
        guard !isClientGone, let answer = ErrorMapping.requestError(for: error) else {
            return followed.answered(status: status, outcome: .clientGone)
        }
        let code = Int(ErrorMapping.status(of: answer.kind).code)
        followed.answered(status: code, outcome: ErrorMapping.isFailure(error) ? .failed : .invalid)
    }
}
