// What every response of generation says about itself: its name, its model, its cost.

import JSON

/// Constant over all chunks of a stream.
public struct ResponseIdentity: Sendable, Equatable {
    /// `cmpl-…` or `chatcmpl-…`.
    public var id: String
    /// Unix time in seconds.
    public var created: Int64
    /// The first name under which the model is served.
    public var model: String
    public var systemFingerprint: String?

    public init(id: String, created: Int64, model: String, systemFingerprint: String? = nil) {
        self.id = id
        self.created = created
        self.model = model
        self.systemFingerprint = systemFingerprint
    }

    func write(object: String, to writer: inout JSONWriter) {
        writer.member("id", id)
        writer.member("object", object)
        writer.member("created", created)
        writer.member("model", model)
    }
}

/// Tokens that a request took.
public struct Usage: Sendable, Equatable {
    public var promptTokens: Int
    public var completionTokens: Int
    /// Of the prompt, tokens found in the prefix cache; nil: not told.
    public var cachedTokens: Int?

    public init(promptTokens: Int, completionTokens: Int, cachedTokens: Int? = nil) {
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
        self.cachedTokens = cachedTokens
    }

    /// Which members vLLM leaves out of a usage object; it differs with the body that holds it.
    enum Form {
        /// A whole body: every member.
        case whole
        /// The last chunk of a stream: no nulls.
        case lastChunk
        /// Any other chunk: counts, and in a chat one null.
        case completionChunk
        case chatChunk
    }

    func write(_ form: Form, to writer: inout JSONWriter) {
        writer.key("usage")
        writer.beginObject()
        writer.member("prompt_tokens", promptTokens)
        writer.member("total_tokens", promptTokens &+ completionTokens)
        writer.member("completion_tokens", completionTokens)
        if let cachedTokens, form == .whole || form == .lastChunk {
            writer.key("prompt_tokens_details")
            writer.beginObject()
            writer.member("cached_tokens", cachedTokens)
            if form == .whole { writer.nulls("created_cache_tokens", "multimodal_tokens") }
            writer.endObject()
        } else if form == .whole {
            writer.nulls("prompt_tokens_details")
        }
        if form == .whole || form == .chatChunk { writer.nulls("completion_tokens_details") }
        writer.endObject()
    }
}

/// What ended a text that was not ended by the model's own end of sequence.
public enum StopReason: Sendable, Equatable {
    case string(String)
    case token(Int32)

    static func write(_ reason: StopReason?, to writer: inout JSONWriter) {
        switch reason {
        case .string(let text): writer.member("stop_reason", text)
        case .token(let id): writer.member("stop_reason", id)
        case nil: writer.nulls("stop_reason")
        }
    }
}
