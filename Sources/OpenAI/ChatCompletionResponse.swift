// The whole answer of POST /v1/chat/completions.

import JSON

public struct ChatCompletionResponse: Sendable, Equatable {
    public struct Choice: Sendable, Equatable {
        public var content: String?
        public var logprobs: [LogprobPosition]?
        /// `stop`, `length` or `abort`.
        public var finishReason: String?
        public var stopReason: StopReason?
        public var tokenIDs: [Int32]?

        public init(content: String?, finishReason: String?, stopReason: StopReason? = nil) {
            self.content = content
            self.finishReason = finishReason
            self.stopReason = stopReason
        }
    }

    public var identity: ResponseIdentity
    public var choices: [Choice]
    public var usage: Usage
    public var promptLogprobs: [LogprobPosition]?
    public var promptTokenIDs: [Int32]?
    public var promptText: String?

    public init(identity: ResponseIdentity, choices: [Choice], usage: Usage) {
        self.identity = identity
        self.choices = choices
        self.usage = usage
    }

    public func serialized() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        identity.write(object: "chat.completion", to: &writer)
        writer.key("choices")
        writer.beginArray()
        for (index, choice) in choices.enumerated() { choice.write(index: index, to: &writer) }
        writer.endArray()
        writer.nulls("service_tier")
        writer.member("system_fingerprint", identity.systemFingerprint)
        usage.write(.whole, to: &writer)
        LogprobPosition.writePrompt(promptLogprobs, to: &writer)
        writer.member("prompt_token_ids", promptTokenIDs)
        writer.member("prompt_text", promptText)
        writer.nulls("kv_transfer_params", "ec_transfer_params", "metrics")
        writer.endObject()
        return writer.bytes
    }
}

extension ChatCompletionResponse.Choice {
    fileprivate func write(index: Int, to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("index", index)
        writer.key("message")
        writer.beginObject()
        writer.member("role", "assistant")
        writer.member("content", content)
        writer.nulls("refusal", "annotations", "audio", "function_call", "reasoning")
        writer.endObject()
        LogprobPosition.writeChat(logprobs, to: &writer)
        writer.member("finish_reason", finishReason)
        StopReason.write(stopReason, to: &writer)
        writer.member("token_ids", tokenIDs)
        writer.nulls("routed_experts")
        writer.endObject()
    }
}
