// How a request wants its tokens to be drawn.

import JSON

/// Sampling fields of both generation endpoints. Nil means not given: then the model's generation configuration
/// decides, and after it the default of the API.
public struct SamplingOptions: Sendable, Equatable {
    /// In [0, 2].
    public var temperature: Double?
    /// In (0, 1].
    public var topP: Double?
    /// 0: off.
    public var topK: Int?
    /// In [0, 1].
    public var minP: Double?
    /// In [-2, 2], as the next one.
    public var presencePenalty: Double?
    public var frequencyPenalty: Double?
    /// Above 0.
    public var repetitionPenalty: Double?
    public var seed: Int64?
    public var stop: [String] = []
    public var stopTokenIDs: [Int32] = []
    public var includesStopString = false
    public var ignoresEOS = false
    public var minimumTokens = 0
    /// In [-100, 100].
    public var logitBias: [Int32: Float] = [:]
    public var allowedTokenIDs: [Int32]?
    public var badWords: [String] = []

    public init() {}

    init(_ fields: RequestFields, limits: RequestLimits) throws(RequestError) {
        temperature = try fields.number("temperature", allowed: "in [0, 2]") { (0...2).contains($0) }
        topP = try fields.number("top_p", allowed: "in (0, 1]") { $0 > 0 && $0 <= 1 }
        topK = try fields.count("top_k", in: -1...Int.max, allowed: "0 (off) or at least 1").map { max(0, $0) }
        minP = try fields.number("min_p", allowed: "in [0, 1]") { (0...1).contains($0) }
        presencePenalty = try fields.number("presence_penalty", allowed: "in [-2, 2]") { (-2...2).contains($0) }
        frequencyPenalty = try fields.number("frequency_penalty", allowed: "in [-2, 2]") { (-2...2).contains($0) }
        repetitionPenalty = try fields.number("repetition_penalty", allowed: "finite and greater than zero") {
            $0 > 0 && $0.isFinite
        }
        // vLLM takes -1 for no seed.
        seed = try fields.integer("seed").flatMap { $0 == -1 ? nil : $0 }
        stop = try Self.stopStrings(fields, limit: limits.stopStrings)
        stopTokenIDs = try fields.tokens("stop_token_ids") ?? []
        includesStopString = try fields.flag("include_stop_str_in_output")
        ignoresEOS = try fields.flag("ignore_eos")
        minimumTokens = try fields.count("min_tokens", in: 0...Int.max, allowed: "at least 0") ?? 0
        logitBias = try Self.logitBias(fields)
        allowedTokenIDs = try fields.tokens("allowed_token_ids")
        if allowedTokenIDs?.isEmpty == true { throw fields.invalid("allowed_token_ids", "must not be empty.") }
        badWords = try fields.strings("bad_words") ?? []
        if badWords.contains("") { throw fields.invalid("bad_words", "must not contain an empty string.") }
    }

    private static func stopStrings(_ fields: RequestFields, limit: Int) throws(RequestError) -> [String] {
        if let text = fields.value("stop")?.stringValue {
            guard !text.isEmpty else { throw fields.invalid("stop", "must not be an empty string.") }
            return [text]
        }
        guard fields.value("stop")?.arrayValue != nil || fields.value("stop") == nil else {
            throw fields.malformed("stop", "must be a string or an array of strings.")
        }
        let strings = try fields.strings("stop") ?? []
        guard strings.count <= limit else { throw fields.malformed("stop", "must hold at most \(limit) strings.") }
        guard !strings.contains("") else { throw fields.invalid("stop", "must not contain an empty string.") }
        return strings
    }

    private static func logitBias(_ fields: RequestFields) throws(RequestError) -> [Int32: Float] {
        guard let object = try fields.object("logit_bias") else { return [:] }
        var biases: [Int32: Float] = [:]
        for member in object.members {
            guard let token = Int32(member.key), token >= 0 else {
                throw fields.invalid("logit_bias", "must have ids of tokens as its keys.")
            }
            guard let bias = member.value.doubleValue else {
                throw fields.malformed("logit_bias", "must have numbers as its values.")
            }
            biases[token] = Float(min(max(bias, -100), 100))
        }
        return biases
    }
}
