// Requests as JSON, as vLLM's load generator writes them.

public import JSON

/// What all requests of a load test have in common.
public struct RequestBody: Sendable, Equatable {
    public var backend: LoadBackend
    public var model: String
    public var logprobs: Int?
    public var ignoresEndOfSequence: Bool
    /// Members that are added, or put instead of those of the same name.
    public var extra: JSONObject

    public init(
        backend: LoadBackend, model: String, logprobs: Int? = nil, ignoresEndOfSequence: Bool = false,
        extra: JSONObject = JSONObject()
    ) {
        self.backend = backend
        self.model = model
        self.logprobs = logprobs
        self.ignoresEndOfSequence = ignoresEndOfSequence
        self.extra = extra
    }

    func object(for request: LoadRequest) -> JSONObject {
        var body = JSONObject()
        body["model"] = .string(model)
        if backend.isChat {
            let text: JSONValue = ["type": "text", "text": Self.value(of: request.prompt)]
            body["messages"] = [["role": "user", "content": [text]]]
            body["max_completion_tokens"] = .integer(Int64(request.outputTokenCount))
        } else {
            body["prompt"] = Self.value(of: request.prompt)
            body["repetition_penalty"] = 1.0
            body["max_tokens"] = .integer(Int64(request.outputTokenCount))
            body["logprobs"] = logprobs.map { .integer(Int64($0)) } ?? .null
        }
        body["stream"] = true
        body["stream_options"] = ["include_usage": true]
        if ignoresEndOfSequence { body["ignore_eos"] = true }
        for member in extra.members { body[member.key] = member.value }
        return body
    }

    private static func value(of prompt: LoadPrompt) -> JSONValue {
        switch prompt {
        case .text(let text): .string(text)
        case .tokens(let tokens): .array(tokens.map { .integer(Int64($0)) })
        }
    }
}
