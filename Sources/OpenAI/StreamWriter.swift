// Chunks of a stream: what is the same in all of them is written once.

import JSON

/// New text of one choice, and what comes with it.
public struct StreamDelta: Sendable, Equatable {
    public var index: Int
    public var text: String
    public var logprobs: [LogprobPosition]?
    /// Characters of this choice's tokens so far (completions only): see `LogprobPosition.textLength(of:)`.
    public var textOffset = 0
    /// On the last delta of the choice: `stop`, `length` or `abort`.
    public var finishReason: String?
    public var stopReason: StopReason?
    public var tokenIDs: [Int32]?
    /// On the first delta of the choice (completions only; a chat has them on its role chunk).
    public var promptTokenIDs: [Int32]?
    /// Of this choice so far, if the client wants it on every chunk.
    public var usage: Usage?

    public init(index: Int, text: String, finishReason: String? = nil, stopReason: StopReason? = nil) {
        self.index = index
        self.text = text
        self.finishReason = finishReason
        self.stopReason = stopReason
    }

    /// Whether the chunk is nothing but text, as nearly all are.
    fileprivate var isPlain: Bool {
        logprobs == nil && finishReason == nil && tokenIDs == nil && promptTokenIDs == nil && usage == nil
    }
}

/// Writes the chunks of one streamed response; frames and `[DONE]` are the server's.
///
/// A plain chunk costs the escaping of its text: the rest is copied.
public struct StreamWriter: Sendable {
    public enum Endpoint: Sendable {
        case completions
        case chat
    }

    private let endpoint: Endpoint
    private let identity: ResponseIdentity
    private let sendsUsageLast: Bool
    /// Up to the opening bracket of the choices.
    private let head: [UInt8]
    /// From the choice's index to its text, and from its text to the end of a plain chunk.
    private let textHead: [UInt8]
    private let textTail: [UInt8]

    /// - Parameter sendsUsageLast: Whether `appendUsage` will follow; the fingerprint is on the last chunk only.
    public init(_ endpoint: Endpoint, identity: ResponseIdentity, sendsUsageLast: Bool) {
        self.endpoint = endpoint
        self.identity = identity
        self.sendsUsageLast = sendsUsageLast
        var writer = JSONWriter()
        writer.beginObject()
        switch endpoint {
        case .completions:
            identity.write(object: "text_completion", to: &writer)
            textHead = Array(#","text":""#.utf8)
            textTail = Array(
                (#"","logprobs":null,"finish_reason":null,"stop_reason":null,"#
                    + #""prompt_token_ids":null,"token_ids":null}]}"#).utf8)
        case .chat:
            identity.write(object: "chat.completion.chunk", to: &writer)
            textHead = Array(#","delta":{"content":""#.utf8)
            textTail = Array(#""},"logprobs":null,"finish_reason":null,"token_ids":null}]}"#.utf8)
        }
        writer.key("choices")
        writer.beginArray()
        head = writer.bytes
    }

    // MARK: - Text

    /// A chunk with new text, the end of a choice, or both.
    public func append(_ delta: StreamDelta, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: head)
        if delta.isPlain {
            bytes.append(contentsOf: #"{"index":"#.utf8)
            bytes.append(contentsOf: String(delta.index).utf8)
            bytes.append(contentsOf: textHead)
            JSONWriter.appendEscaped(delta.text, to: &bytes)
            bytes.append(contentsOf: textTail)
            return
        }
        var writer = JSONWriter(appendingTo: consume bytes)
        writer.beginObject()
        writer.member("index", delta.index)
        switch endpoint {
        case .completions: writeCompletion(delta, to: &writer)
        case .chat: writeChat(delta, to: &writer)
        }
        writer.endObject()
        writer.endArray()
        delta.usage?.write(endpoint == .chat ? .chatChunk : .completionChunk, to: &writer)
        if delta.finishReason != nil, !sendsUsageLast, let fingerprint = identity.systemFingerprint {
            writer.member("system_fingerprint", fingerprint)
        }
        writer.endObject()
        bytes = writer.bytes
    }

    private func writeCompletion(_ delta: StreamDelta, to writer: inout JSONWriter) {
        writer.member("text", delta.text)
        LogprobPosition.writeCompletion(delta.logprobs, textOffset: delta.textOffset, to: &writer)
        writer.member("finish_reason", delta.finishReason)
        StopReason.write(delta.stopReason, to: &writer)
        writer.member("prompt_token_ids", delta.promptTokenIDs)
        writer.member("token_ids", delta.tokenIDs)
    }

    private func writeChat(_ delta: StreamDelta, to writer: inout JSONWriter) {
        writer.key("delta")
        writer.beginObject()
        writer.member("content", delta.text)
        writer.endObject()
        LogprobPosition.writeChat(delta.logprobs, to: &writer)
        writer.member("finish_reason", delta.finishReason)
        if delta.finishReason != nil { StopReason.write(delta.stopReason, to: &writer) }
        writer.member("token_ids", delta.tokenIDs)
    }

    // MARK: - First and last chunks

    /// The first chunk of each choice of a chat. It goes out with the first output of the engine, not before.
    public func appendRole(
        index: Int, promptTokenIDs: [Int32]? = nil, promptText: String? = nil, usage: Usage? = nil,
        to bytes: inout [UInt8]
    ) {
        appendOpening(index: index, usage: usage, to: &bytes) { writer in
            writer.member("role", "assistant")
            writer.member("content", "")
        } trailing: { writer in
            writer.member("prompt_token_ids", promptTokenIDs)
            writer.member("prompt_text", promptText)
        }
    }

    /// After the role chunk of a chat with `echo`: the text of the message that is continued.
    public func appendEcho(index: Int, text: String, usage: Usage? = nil, to bytes: inout [UInt8]) {
        appendOpening(index: index, usage: usage, to: &bytes) { writer in
            writer.member("content", text)
        } trailing: { _ in
        }
    }

    private func appendOpening(
        index: Int, usage: Usage?, to bytes: inout [UInt8], delta: (inout JSONWriter) -> Void,
        trailing: (inout JSONWriter) -> Void
    ) {
        bytes.append(contentsOf: head)
        var writer = JSONWriter(appendingTo: consume bytes)
        writer.beginObject()
        writer.member("index", index)
        writer.key("delta")
        writer.beginObject()
        delta(&writer)
        writer.endObject()
        writer.nulls("logprobs", "finish_reason")
        writer.endObject()
        writer.endArray()
        usage?.write(.chatChunk, to: &writer)
        trailing(&writer)
        writer.endObject()
        bytes = writer.bytes
    }

    /// The last chunk before `[DONE]`, with the usage of all choices.
    public func appendUsage(_ usage: Usage, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: head)
        var writer = JSONWriter(appendingTo: consume bytes)
        writer.endArray()
        usage.write(.lastChunk, to: &writer)
        if let fingerprint = identity.systemFingerprint { writer.member("system_fingerprint", fingerprint) }
        writer.endObject()
        bytes = writer.bytes
    }
}
