// Text in, text out: one model on one engine.

public import Engine
public import Primitives
import Sampling
import Synchronization
import Tokenization

/// A request that has passed every check but the engine's own.
public struct PreparedGeneration: Sendable {
    /// By what the engine will know it.
    public var id: RequestID { engineRequest.id }
    public var sampleCount: Int { request.sampleCount }
    public let promptTokenIDs: [TokenID]
    /// What `echo` gives back.
    public let promptText: String
    /// Nothing but the prompt is wanted.
    public let isPromptOnly: Bool
    let request: GenerationRequest
    let engineRequest: EngineRequest
}

public final class TextGenerator: Sendable {
    public let model: LoadedModel
    let engine: InferenceEngine
    /// Tokens of prompt and output together.
    public let maxModelLength: Int
    private let allowsSpecialInContent: Bool
    private let lastRequestID = Atomic<UInt64>(0)

    /// - Parameter allowsSpecialInContent: `--allow-special-in-content`.
    public init(model: LoadedModel, engine: InferenceEngine, allowsSpecialInContent: Bool = false) {
        self.model = model
        self.engine = engine
        self.allowsSpecialInContent = allowsSpecialInContent
        maxModelLength = engine.configuration.maxModelLength
    }

    // MARK: - The engine's state

    public var engineStatus: EngineStatus { engine.status }

    /// Every sequence that the engine has, in order of arrival, as of its next step.
    public func sequencesInFlight() async -> [SequenceStatistics] {
        await engine.sequencesInFlight()
    }

    /// Whether the engine works and takes new work.
    public func isHealthy(stallTimeout: Duration, now: Instant = .now()) -> Bool {
        engine.status.phase == .running && !isStuck(stallTimeout: stallTimeout, now: now)
    }

    /// Whether only a new start can help, as far as can be seen: steps fail, or one that has work has not come round
    /// lately. An engine that drains, or has ended, is not stuck.
    public func isStuck(stallTimeout: Duration, now: Instant = .now()) -> Bool {
        let status = engine.status
        if status.phase == .failed { return true }
        return status.hasWork && now >= status.heartbeat.advanced(by: stallTimeout)
    }

    /// Refuses new work, lets what runs go on for so long, and ends the rest.
    public func shutdown(draining: Duration) async {
        await engine.shutdown(draining: draining)
    }

    // MARK: - Text and tokens

    /// As a request's prompt would be tokenised.
    public func encode(
        _ prompt: GenerationRequest.Prompt, addsSpecialTokens: Bool
    ) throws(GenerationError) -> [TokenID] {
        try model.encode(
            prompt, addsSpecialTokens: addsSpecialTokens, allowsSpecialInContent: allowsSpecialInContent
        ).tokenIDs
    }

    /// The vocabulary's own writing of each token.
    public func tokenStrings(_ tokenIDs: [TokenID]) -> [String] {
        tokenIDs.map { model.tokenizer.tokenText($0) ?? "" }
    }

    public func decode(_ tokenIDs: [TokenID]) throws(GenerationError) -> String {
        try checkVocabulary(tokenIDs, parameter: "tokens")
        return model.tokenizer.decode(tokenIDs, skipSpecialTokens: false)
    }

    // MARK: - Generation

    /// Renders, tokenises and checks; takes a while for a long prompt, and does not need the engine.
    public func prepare(
        _ request: GenerationRequest, origin: RequestOrigin = RequestOrigin()
    ) throws(GenerationError) -> PreparedGeneration {
        try checkVocabulary(of: request)
        guard request.priority == 0 || engine.configuration.heedsPriorities else {
            throw .invalid(
                "priority \(request.priority) means nothing here: the server would have to be started with "
                    + "--scheduling-policy priority.", parameter: "priority")
        }
        var encoded = try model.encode(
            request.prompt, addsSpecialTokens: request.addsSpecialTokens,
            allowsSpecialInContent: allowsSpecialInContent)
        if let truncation = request.truncation { try truncate(&encoded.tokenIDs, truncation) }
        let parameters = try parameters(of: request, promptCount: encoded.tokenIDs.count)
        let id = RequestID(lastRequestID.wrappingAdd(1, ordering: .relaxed).newValue)
        var engineRequest = EngineRequest(
            id: id, promptTokenIDs: encoded.tokenIDs, parameters: parameters, origin: origin)
        engineRequest.sampleCount = request.sampleCount
        engineRequest.priority = request.priority
        engineRequest.startBy = request.startBy
        engineRequest.deadline = request.deadline
        // Whether a prefix is cached shows in the time to the first token: no tenant is to learn that of another's.
        engineRequest.prefixScope = origin.tenant + "\0" + (request.cacheSalt ?? "")
        engineRequest.promptLogprobCount = request.promptLogprobCount.map(logprobCount)
        return PreparedGeneration(
            promptTokenIDs: encoded.tokenIDs,
            promptText: encoded.text ?? model.tokenizer.decode(encoded.tokenIDs, skipSpecialTokens: false),
            isPromptOnly: request.maximumTokens == 0, request: request, engineRequest: engineRequest)
    }

    /// Puts a prepared request in the engine's queue. Letting go of the result cancels it.
    public func start(_ prepared: PreparedGeneration) throws(GenerationError) -> TextGeneration {
        do throws(EngineError) {
            return TextGeneration(
                handle: try engine.submit(prepared.engineRequest), prepared: prepared, tokenizer: model.tokenizer)
        } catch {
            throw GenerationError(error)
        }
    }

    private func truncate(_ ids: inout [TokenID], _ truncation: PromptTruncation) throws(GenerationError) {
        let (count, keepsEnd) =
            switch truncation {
            case .keepingEnd(let count): (count, true)
            case .keepingStart(let count): (count, false)
            }
        guard count <= maxModelLength else {
            throw .invalid(
                "truncate_prompt_tokens must be at most \(maxModelLength), the model's length; got \(count).",
                parameter: "truncate_prompt_tokens")
        }
        // Without a number: all that leaves room for one token.
        let limit = count < 0 ? maxModelLength - 1 : count
        guard ids.count > limit else { return }
        ids = Array(keepsEnd ? ids.suffix(limit) : ids.prefix(limit))
    }
}
