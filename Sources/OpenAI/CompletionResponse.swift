// The whole answer of POST /v1/completions.

import JSON

public struct CompletionResponse: Sendable, Equatable {
    public struct Choice: Sendable, Equatable {
        public var text: String
        public var logprobs: [LogprobPosition]?
        /// `stop`, `length` or `abort`.
        public var finishReason: String?
        public var stopReason: StopReason?
        public var tokenIDs: [Int32]?
        public var promptLogprobs: [LogprobPosition]?
        public var promptTokenIDs: [Int32]?

        public init(text: String, finishReason: String?, stopReason: StopReason? = nil) {
            self.text = text
            self.finishReason = finishReason
            self.stopReason = stopReason
        }
    }

    public var identity: ResponseIdentity
    /// All samples of the first prompt, then those of the second, and so on.
    public var choices: [Choice]
    public var usage: Usage

    public init(identity: ResponseIdentity, choices: [Choice], usage: Usage) {
        self.identity = identity
        self.choices = choices
        self.usage = usage
    }

    public func serialized() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        identity.write(object: "text_completion", to: &writer)
        writer.key("choices")
        writer.beginArray()
        for (index, choice) in choices.enumerated() { choice.write(index: index, to: &writer) }
        writer.endArray()
        writer.nulls("service_tier")
        writer.member("system_fingerprint", identity.systemFingerprint)
        usage.write(.whole, to: &writer)
        writer.nulls("kv_transfer_params", "ec_transfer_params", "metrics")
        writer.endObject()
        return writer.bytes
    }
}

extension CompletionResponse.Choice {
    fileprivate func write(index: Int, to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("index", index)
        writer.member("text", text)
        LogprobPosition.writeCompletion(logprobs, textOffset: 0, to: &writer)
        writer.member("finish_reason", finishReason)
        StopReason.write(stopReason, to: &writer)
        writer.member("token_ids", tokenIDs)
        LogprobPosition.writePrompt(promptLogprobs, to: &writer)
        writer.member("prompt_token_ids", promptTokenIDs)
        writer.nulls("routed_experts")
        writer.endObject()
    }
}
