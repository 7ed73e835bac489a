// What a request says about the rendering of its conversation.

public import JSON

/// How hard a reasoning model should think; templates read it by its name.
public enum ReasoningEffort: String, Sendable, CaseIterable {
    case none, minimal, low, medium, high
    case extraHigh = "xhigh"
    case maximum = "max"
}

public struct ChatTemplateOptions: Sendable, Equatable {
    public var tools: [ToolDefinition] = []
    /// Whether the prompt ends with the opening of the assistant's turn.
    public var addsGenerationPrompt = true
    /// Whether the last message is left open for the model to go on with.
    public var continuesFinalMessage = false
    public var documents: [JSONValue]?
    /// Instead of the model's; only where the operator trusts templates of clients.
    public var template: String?
    /// Further variables for the template, in the order in which they were given; `reasoning_effort` and what it
    /// implies for `enable_thinking` are among them.
    public var variables = JSONObject()

    /// Variables that rendering itself sets, and parameters of it that a client must not reach.
    private static let reservedVariables: Set<String> = [
        "messages", "tools", "documents", "conversation", "chat_template", "tokenize", "padding", "truncation",
        "max_length", "return_tensors", "return_dict", "tokenizer_kwargs", "return_assistant_tokens_mask",
    ]

    init(_ fields: RequestFields, limits: RequestLimits) throws(RequestError) {
        continuesFinalMessage = try fields.flag("continue_final_message")
        let addsPrompt = try fields.optionalFlag("add_generation_prompt")
        guard !continuesFinalMessage || addsPrompt != true else {
            throw fields.malformed("continue_final_message", "can't be true together with `add_generation_prompt`.")
        }
        addsGenerationPrompt = addsPrompt ?? !continuesFinalMessage
        documents = try Self.documents(fields)
        template = try fields.string("chat_template")
        guard template == nil || limits.trustsChatTemplates else {
            throw fields.invalid("chat_template", "is only taken when the server trusts chat templates of requests.")
        }
        try readVariables(fields)
    }

    private mutating func readVariables(_ fields: RequestFields) throws(RequestError) {
        variables = try fields.object("chat_template_kwargs") ?? JSONObject()
        for key in variables.keys where Self.reservedVariables.contains(key) {
            throw RequestError(
                .invalid, "`chat_template_kwargs` must not set `\(key)`.", param: "chat_template_kwargs.\(key)")
        }
        if let effort: ReasoningEffort = try fields.word("reasoning_effort") {
            variables["reasoning_effort"] = .string(effort.rawValue)
            if variables["enable_thinking"] == nil { variables["enable_thinking"] = .bool(effort != .none) }
        }
    }

    private static func documents(_ fields: RequestFields) throws(RequestError) -> [JSONValue]? {
        guard let documents = try fields.array("documents") else { return nil }
        for document in documents {
            guard let object = document.objectValue, object.members.allSatisfy({ $0.value.stringValue != nil }) else {
                throw fields.malformed("documents", "must hold objects whose values are strings.")
            }
        }
        return documents
    }
}
