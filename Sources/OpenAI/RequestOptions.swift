// What both generation endpoints share: everything beside the prompt.

import JSON

/// From which end a prompt that is too long loses tokens.
public enum TruncationSide: String, Sendable, CaseIterable {
    case left
    case right
}

public struct RequestOptions: Sendable, Equatable {
    /// Nil or empty: the first model served.
    public var model: String?
    public var sampling = SamplingOptions()
    /// Independent samples for each prompt.
    public var sampleCount = 1
    public var streams = false
    /// A last chunk with the usage of the whole request; with `continuousUsage` one on every chunk too.
    public var includesUsage = false
    public var continuousUsage = false
    /// Tokens gathered into one chunk.
    public var streamInterval: Int?

    /// Most likely tokens to report at each position; 0: only the chosen one; -1: all; nil: none.
    public var logprobCount: Int?
    public var promptLogprobCount: Int?
    /// Tokens to report instead of the most likely ones.
    public var logprobTokenIDs: [Int32]?
    public var returnsTokenIDs = false
    /// Tokens in logprobs written as `token_id:N`; nil: the server's setting.
    public var returnsTokensAsTokenIDs: Bool?

    public var echo = false
    public var addsSpecialTokens: Bool
    public var skipsSpecialTokens = true
    public var spacesBetweenSpecialTokens = true
    /// Tokens kept of the prompt; -1: as many as the model takes.
    public var truncatedPromptLength: Int?
    /// Nil: the tokenizer's own.
    public var truncationSide: TruncationSide?

    /// Lower goes first.
    public var priority: Int64 = 0
    public var requestID: String?
    public var sessionID: String?
    public var user: String?
    /// Keeps this request's prefix cache apart from that of others.
    public var cacheSalt: String?

    init(_ fields: RequestFields, limits: RequestLimits, addsSpecialTokens: Bool) throws(RequestError) {
        try UnsupportedField.refuse(in: fields)
        model = try fields.string("model")
        sampling = try SamplingOptions(fields, limits: limits)
        sampleCount = try fields.count("n", in: 1...max(1, limits.samples)) ?? 1
        self.addsSpecialTokens = try fields.flag("add_special_tokens", default: addsSpecialTokens)
        try readStreaming(fields)
        try readLogprobs(fields, limits: limits)
        try readText(fields)
        try readIdentity(fields, limits: limits)
    }

    private mutating func readStreaming(_ fields: RequestFields) throws(RequestError) {
        streams = try fields.flag("stream")
        streamInterval = try fields.count("stream_interval", in: 1...Int.max, allowed: "at least 1")
        guard let options = try fields.object("stream_options"), !options.isEmpty else { return }
        guard streams else { throw fields.malformed("stream_options", "can only be given with `stream`: true.") }
        let nested = RequestFields(options, path: "stream_options.")
        includesUsage = try nested.flag("include_usage")
        continuousUsage = try nested.flag("continuous_usage_stats") && includesUsage
    }

    private mutating func readLogprobs(_ fields: RequestFields, limits: RequestLimits) throws(RequestError) {
        promptLogprobCount = try fields.logprobCount("prompt_logprobs", limits: limits)
        if let count = promptLogprobCount, count != 0, streams {
            throw fields.malformed("prompt_logprobs", "can't be given with `stream`: true.")
        }
        let ids = try fields.tokens("logprob_token_ids") ?? []
        guard ids.count <= limits.logprobTokens else {
            throw fields.invalid("logprob_token_ids", "must hold at most \(limits.logprobTokens) ids.")
        }
        logprobTokenIDs = ids.isEmpty ? nil : ids
        returnsTokenIDs = try fields.flag("return_token_ids")
        returnsTokensAsTokenIDs = try fields.optionalFlag("return_tokens_as_token_ids")
    }

    private mutating func readText(_ fields: RequestFields) throws(RequestError) {
        echo = try fields.flag("echo")
        skipsSpecialTokens = try fields.flag("skip_special_tokens", default: true)
        spacesBetweenSpecialTokens = try fields.flag("spaces_between_special_tokens", default: true)
        truncatedPromptLength = try fields.count(
            "truncate_prompt_tokens", in: -1...Int.max, allowed: "-1 (the model's length) or at least 0")
        truncationSide = try fields.word("truncation_side")
    }

    private mutating func readIdentity(_ fields: RequestFields, limits: RequestLimits) throws(RequestError) {
        priority = try fields.integer("priority") ?? 0
        requestID = try fields.name("request_id", limit: limits.nameLength)
        sessionID = try fields.name("session_id", limit: limits.nameLength)
        user = try fields.string("user")
        cacheSalt = try fields.name("cache_salt", limit: limits.nameLength)
        if let salt = cacheSalt {
            guard !salt.isEmpty else { throw fields.malformed("cache_salt", "must not be empty.") }
            guard !salt.unicodeScalars.contains(where: { "@/\\\0".unicodeScalars.contains($0) }) else {
                throw fields.malformed("cache_salt", #"must not contain '@', '/', '\' or NUL."#)
            }
        }
    }

    /// `min_tokens` against the limit that the request itself sets.
    func checkMinimumTokens(against limit: Int?, _ fields: RequestFields) throws(RequestError) {
        guard let limit, sampling.minimumTokens > limit else { return }
        throw fields.invalid("min_tokens", "must be at most max_tokens (\(limit)), got \(sampling.minimumTokens).")
    }
}

extension RequestFields {
    /// A number of logprobs: -1 for all, else at least 0, and at most what the server allows.
    func logprobCount(_ name: String, limits: RequestLimits) throws(RequestError) -> Int? {
        guard let count = try count(name, in: -1...Int.max, allowed: "at least 0, or -1 for all") else { return nil }
        if let limit = limits.logprobs, count == -1 || count > limit {
            throw invalid(name, "must be at most \(limit), got \(count).")
        }
        return count
    }
}
