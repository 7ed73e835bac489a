// Logprobs in the two shapes of the API, and in vLLM's own for prompts.

import JSON

/// One token with its logprob.
public struct LogprobEntry: Sendable, Equatable {
    public var token: Int32
    public var text: String
    /// The token's own bytes, which may be a part of a character where `text` is U+FFFD.
    public var bytes: [UInt8]
    /// Natural logarithm; nil where there is none, as for the first token of a prompt.
    public var logprob: Double?
    /// 1 for the most likely token.
    public var rank: Int

    /// - Parameter bytes: Nil: those of `text`.
    public init(token: Int32, text: String, bytes: [UInt8]? = nil, logprob: Double?, rank: Int = 1) {
        self.token = token
        self.text = text
        self.bytes = bytes ?? Array(text.utf8)
        self.logprob = logprob
        self.rank = rank
    }

    /// How a token is named under `return_tokens_as_token_ids`.
    public static func placeholder(for token: Int32) -> String { "token_id:\(token)" }

    /// JSON has no infinity; OpenAI writes -9999.
    fileprivate var finiteLogprob: Double { max(logprob ?? -9999, -9999) }
}

/// The token at one position and those that might have stood there.
public struct LogprobPosition: Sendable, Equatable {
    public var chosen: LogprobEntry
    /// Most likely first, the chosen one among them if it is likely enough. Exactly as many as were asked for.
    public var top: [LogprobEntry]
    /// Whether `top` holds tokens that the client named: then a chat lists all of them beside the chosen one.
    public var isSelection: Bool

    public init(chosen: LogprobEntry, top: [LogprobEntry], isSelection: Bool = false) {
        self.chosen = chosen
        self.top = top
        self.isSelection = isSelection
    }

    /// vLLM's order: the chosen token, then the likeliest others.
    private var entries: [LogprobEntry] {
        [chosen] + top.filter { $0.token != chosen.token }
    }

    /// Characters (Unicode scalars) of the tokens' texts: what a stream adds to its text offset after a chunk.
    public static func textLength(of positions: [LogprobPosition]) -> Int {
        positions.reduce(0) { $0 &+ $1.chosen.text.unicodeScalars.count }
    }
}

// MARK: - Completions

extension LogprobPosition {
    /// `{"text_offset","token_logprobs","tokens","top_logprobs"}`. The top list may be one longer than asked for.
    static func writeCompletion(_ positions: [LogprobPosition]?, textOffset: Int, to writer: inout JSONWriter) {
        guard let positions else { return writer.nulls("logprobs") }
        writer.key("logprobs")
        writer.beginObject()
        writer.key("text_offset")
        writer.beginArray()
        var offset = textOffset
        for position in positions {
            writer.value(offset)
            offset &+= position.chosen.text.unicodeScalars.count
        }
        writer.endArray()
        writer.key("token_logprobs")
        writer.beginArray()
        for position in positions {
            if position.chosen.logprob == nil { writer.null() } else { writer.value(position.chosen.finiteLogprob) }
        }
        writer.endArray()
        writer.member("tokens", positions.map(\.chosen.text))
        writer.key("top_logprobs")
        writer.beginArray()
        for position in positions { position.writeTexts(to: &writer) }
        writer.endArray()
        writer.endObject()
    }

    /// An object from texts to logprobs; of tokens with equal text the last one counts.
    private func writeTexts(to writer: inout JSONWriter) {
        guard chosen.logprob != nil else { return writer.null() }
        var texts = JSONObject()
        for entry in entries { texts[entry.text] = .number(entry.finiteLogprob) }
        writer.value(JSONValue.object(texts))
    }
}

// MARK: - Chat

extension LogprobPosition {
    /// `{"content":[{"token","logprob","bytes","top_logprobs":[…]}]}`. The top list is cut to what was asked for.
    static func writeChat(_ positions: [LogprobPosition]?, to writer: inout JSONWriter) {
        guard let positions else { return writer.nulls("logprobs") }
        writer.key("logprobs")
        writer.beginObject()
        writer.key("content")
        writer.beginArray()
        for position in positions {
            writer.beginObject()
            position.chosen.writeChatMembers(to: &writer)
            writer.key("top_logprobs")
            writer.beginArray()
            for entry in position.entries.prefix(position.isSelection ? .max : position.top.count) {
                writer.beginObject()
                entry.writeChatMembers(to: &writer)
                writer.endObject()
            }
            writer.endArray()
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
    }
}

extension LogprobEntry {
    fileprivate func writeChatMembers(to writer: inout JSONWriter) {
        writer.member("token", text)
        writer.key("logprob")
        writer.value(finiteLogprob)
        writer.key("bytes")
        writer.beginArray()
        for byte in bytes { writer.value(byte) }
        writer.endArray()
    }
}

// MARK: - Prompts

extension LogprobPosition {
    /// `[null,{"<id>":{"logprob","rank","decoded_token"}}]`.
    static func writePrompt(_ positions: [LogprobPosition]?, to writer: inout JSONWriter) {
        guard let positions else { return writer.nulls("prompt_logprobs") }
        writer.key("prompt_logprobs")
        writer.beginArray()
        for position in positions {
            guard position.chosen.logprob != nil else {
                writer.null()
                continue
            }
            writer.beginObject()
            for entry in position.entries {
                writer.key(String(entry.token))
                writer.beginObject()
                writer.key("logprob")
                writer.value(entry.finiteLogprob)
                writer.member("rank", entry.rank)
                writer.member("decoded_token", entry.text)
                writer.endObject()
            }
            writer.endObject()
        }
        writer.endArray()
    }
}
