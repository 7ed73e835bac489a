// Answers of the endpoints that generate nothing.

import JSON

/// GET /v1/models.
public struct ModelList: Sendable, Equatable {
    public struct Card: Sendable, Equatable {
        /// The name under which the model is served.
        public var id: String
        /// Unix time in seconds.
        public var created: Int64
        /// Where the model comes from.
        public var root: String
        public var maxModelLength: Int
        /// `modelperm-…`.
        public var permissionID: String

        public init(id: String, created: Int64, root: String, maxModelLength: Int, permissionID: String) {
            self.id = id
            self.created = created
            self.root = root
            self.maxModelLength = maxModelLength
            self.permissionID = permissionID
        }
    }

    public var cards: [Card]

    public init(cards: [Card]) {
        self.cards = cards
    }

    public func serialized() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("object", "list")
        writer.key("data")
        writer.beginArray()
        for card in cards { card.write(to: &writer) }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }
}

extension ModelList.Card {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("id", id)
        writer.member("object", "model")
        writer.member("created", created)
        // Clients of vLLM look for this name.
        writer.member("owned_by", "vllm")
        writer.member("root", root)
        writer.nulls("parent")
        writer.member("max_model_len", maxModelLength)
        writer.key("permission")
        writer.beginArray()
        writer.beginObject()
        writer.member("id", permissionID)
        writer.member("object", "model_permission")
        writer.member("created", created)
        writer.member("allow_create_engine", false)
        writer.member("allow_sampling", true)
        writer.member("allow_logprobs", true)
        writer.member("allow_search_indices", false)
        writer.member("allow_view", true)
        writer.member("allow_fine_tuning", false)
        writer.member("organization", "*")
        writer.nulls("group")
        writer.member("is_blocking", false)
        writer.endObject()
        writer.endArray()
        writer.endObject()
    }
}

/// POST /tokenize.
public struct TokenizeResponse: Sendable, Equatable {
    public var tokens: [Int32]
    public var tokenStrings: [String]?
    public var maxModelLength: Int

    public init(tokens: [Int32], tokenStrings: [String]? = nil, maxModelLength: Int) {
        self.tokens = tokens
        self.tokenStrings = tokenStrings
        self.maxModelLength = maxModelLength
    }

    public func serialized() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("count", tokens.count)
        writer.member("max_model_len", maxModelLength)
        writer.member("tokens", tokens)
        writer.member("token_strs", tokenStrings)
        writer.endObject()
        return writer.bytes
    }
}

/// Answers of a single member.
public enum ServiceResponse {
    /// POST /detokenize.
    public static func detokenized(_ text: String) -> [UInt8] { object("prompt", .string(text)) }

    /// GET /version.
    public static func version(_ version: String) -> [UInt8] { object("version", .string(version)) }

    /// GET /load: requests in flight.
    public static func load(_ count: Int) -> [UInt8] { object("server_load", .integer(Int64(count))) }

    private static func object(_ key: String, _ value: JSONValue) -> [UInt8] {
        ([key: value] as JSONValue).serializedBytes()
    }
}
