// One message of a conversation, checked, and its form for a chat template.

public import JSON

public struct ChatMessage: Sendable, Equatable {
    public enum Content: Sendable, Equatable {
        case text(String)
        case parts([String])
    }

    /// What a template expects to find in `content`: vLLM's content formats "string" and "openai".
    public enum ContentFormat: Sendable {
        case text
        case parts
    }

    /// Letters, digits, `-` and `_` only: usually system, developer, user, assistant or tool.
    public let role: String
    /// Nil when the message has none, as an assistant's that only calls tools.
    public let content: Content?
    /// The message as it came.
    public let json: JSONObject
    /// Calls in the form of the API, but with their arguments as objects, which is what templates expect.
    private let toolCalls: [JSONValue]

    /// The whole text; parts are joined by line breaks.
    public var text: String {
        switch content {
        case .text(let text): text
        case .parts(let parts): parts.joined(separator: "\n")
        case nil: ""
        }
    }

    /// The message as vLLM hands it to a template (renderers/chat_utils.py, `_parse_chat_message_content`): known
    /// members only, so that nothing else a client writes can reach the prompt.
    public func templateValue(format: ContentFormat) -> JSONValue {
        var value = JSONObject()
        value["role"] = .string(role)
        value["content"] = format == .text || role == "tool" ? .string(text) : contentParts
        switch role {
        case "assistant":
            if !toolCalls.isEmpty { value["tool_calls"] = .array(toolCalls) }
            if let reasoning = Self.reasoning(of: json) {
                value["reasoning"] = .string(reasoning)
                value["reasoning_content"] = .string(reasoning)
            }
        case "tool":
            value["tool_call_id"] = json["tool_call_id"]
        case "developer":
            value["tools"] = json["tools"]
        default:
            break
        }
        for key in ["name", "task"] where json[key]?.stringValue != nil { value[key] = json[key] }
        return .object(value)
    }

    private var contentParts: JSONValue {
        let texts: [String] =
            switch content {
            case .text(let text): [text]
            case .parts(let parts): parts
            case nil: []
            }
        return .array(texts.map { ["type": "text", "text": .string($0)] })
    }

    private static func reasoning(of json: JSONObject) -> String? {
        json["reasoning"]?.stringValue ?? json["reasoning_content"]?.stringValue
    }
}

// MARK: - Decoding

extension ChatMessage {
    private static let roleLength = 64
    /// Arguments of a tool call are JSON within JSON, which the parser of the body has not counted.
    private static let argumentLimits = JSONLimits(depth: 32, valueCount: 100_000)

    /// The messages of a request; at least one.
    static func list(_ fields: RequestFields, limits: RequestLimits) throws(RequestError) -> [ChatMessage] {
        guard let elements = try fields.array("messages"), !elements.isEmpty else {
            throw fields.malformed("messages", "must be given and not be empty.")
        }
        guard elements.count <= limits.messages else {
            throw fields.malformed("messages", "must hold at most \(limits.messages) messages.")
        }
        var messages: [ChatMessage] = []
        for (index, element) in elements.enumerated() {
            messages.append(try ChatMessage(element, path: "messages.\(index)"))
        }
        return messages
    }

    private init(_ json: JSONValue, path: String) throws(RequestError) {
        guard case .object(let object) = json else {
            throw RequestError(.malformed, "`\(path)` must be an object.", param: path)
        }
        let fields = RequestFields(object, path: path + ".")
        role = try Self.role(fields)
        content = try Self.content(fields, path: path)
        toolCalls = role == "assistant" ? try Self.toolCalls(fields, path: path) : []
        self.json = object
        for key in ["name", "tool_call_id", "reasoning", "reasoning_content"] { _ = try fields.string(key) }
    }

    private static func role(_ fields: RequestFields) throws(RequestError) -> String {
        guard let role = try fields.string("role") else { throw fields.malformed("role", "must be given.") }
        let isWord = role.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"): true
            default: false
            }
        }
        // Templates write the role verbatim between their own markup.
        guard isWord, !role.isEmpty, role.utf8.count <= roleLength else {
            throw fields.malformed("role", "must be a word such as system, developer, user, assistant or tool.")
        }
        return role
    }

    private static func content(_ fields: RequestFields, path: String) throws(RequestError) -> Content? {
        switch fields.value("content") {
        case nil: return nil
        case .string(let text): return .text(text)
        case .array(let elements):
            var parts: [String] = []
            for (index, element) in elements.enumerated() {
                parts.append(try part(element, path: "\(path).content.\(index)"))
            }
            return .parts(parts)
        default: throw fields.malformed("content", "must be a string or an array of parts.")
        }
    }

    private static func part(_ json: JSONValue, path: String) throws(RequestError) -> String {
        if case .string(let text) = json { return text }
        guard case .object(let object) = json else {
            throw RequestError(.malformed, "`\(path)` must be an object or a string.", param: path)
        }
        let fields = RequestFields(object, path: path + ".")
        guard let type = try fields.string("type") else { throw fields.malformed("type", "must be given.") }
        let key: String
        switch type {
        case "text", "input_text", "output_text": key = "text"
        case "refusal", "thinking": key = type
        default: throw fields.invalid("type", "must be 'text': the model reads no other kind of content.")
        }
        guard let text = try fields.string(key) else { throw fields.malformed(key, "must be given.") }
        return text
    }

    private static func toolCalls(_ fields: RequestFields, path: String) throws(RequestError) -> [JSONValue] {
        var calls: [JSONValue] = []
        for (index, element) in (try fields.array("tool_calls") ?? []).enumerated() {
            let callPath = "\(path).tool_calls.\(index)"
            guard var call = element.objectValue, var function = call["function"]?.objectValue,
                call["type"] == nil || call["type"] == "function"
            else {
                let sentence = "`\(callPath)` must be an object of type 'function' with a `function`."
                throw RequestError(.malformed, sentence, param: callPath)
            }
            guard function["name"]?.stringValue != nil else {
                throw RequestFields(function, path: callPath + ".function.").malformed("name", "must be a string.")
            }
            function["arguments"] = .object(arguments(function["arguments"]))
            call["function"] = .object(function)
            calls.append(.object(call))
        }
        return calls
    }

    /// What a model once wrote as arguments. Anything but an object becomes an empty one, as in vLLM: the call is in
    /// the past, and refusing it would leave the conversation stuck.
    private static func arguments(_ json: JSONValue?) -> JSONObject {
        switch json {
        case .object(let object): object
        case .string(let text): (try? JSONParser.parse(text, limits: argumentLimits))?.objectValue ?? JSONObject()
        default: JSONObject()
        }
    }
}
