// Functions that a request offers to the model.

public import JSON

public struct ToolDefinition: Sendable, Equatable {
    public let name: String
    /// As templates get it: the members in the API's order, a schema's members in the client's.
    public let templateValue: JSONValue

    /// The tools of a request whose choice of tools is "none"; any other choice would need their calls to be parsed.
    static func list(_ fields: RequestFields) throws(RequestError) -> [ToolDefinition] {
        let elements = try fields.array("tools")
        guard elements?.isEmpty != true else {
            throw fields.malformed("tools", "must not be an empty array: leave it out instead.")
        }
        guard let elements else {
            guard fields.value("tool_choice") == nil || fields.value("tool_choice") == "none" else {
                throw fields.malformed("tool_choice", "can only be given with `tools`.")
            }
            return []
        }
        guard fields.value("tool_choice") == "none" else {
            let name = fields.value("tool_choice") == nil ? "tools" : "tool_choice"
            throw fields.invalid(
                name, "is not supported by this server: with `tool_choice`: \"none\" tools are shown to the model.")
        }
        return try definitions(elements)
    }

    /// The tools that a template is to show, whatever the choice.
    static func definitions(_ elements: [JSONValue]) throws(RequestError) -> [ToolDefinition] {
        var tools: [ToolDefinition] = []
        for (index, element) in elements.enumerated() {
            tools.append(try ToolDefinition(element, path: "tools.\(index)"))
        }
        return tools
    }

    private init(_ json: JSONValue, path: String) throws(RequestError) {
        guard case .object(let tool) = json else {
            throw RequestError(.malformed, "`\(path)` must be an object.", param: path)
        }
        let fields = RequestFields(tool, path: path + ".")
        guard tool["type"] == nil || tool["type"] == "function" else {
            throw fields.malformed("type", "must be 'function'.")
        }
        guard let function = try fields.object("function") else {
            throw fields.malformed("function", "must be given.")
        }
        let members = RequestFields(function, path: path + ".function.")
        guard let name = try members.string("name") else { throw members.malformed("name", "must be given.") }
        self.name = name
        var definition = JSONObject()
        definition["name"] = .string(name)
        definition["description"] = try members.string("description").map { .string($0) } ?? .null
        definition["parameters"] = try members.object("parameters").map { .object($0) } ?? .null
        if let strict = try members.optionalFlag("strict") { definition["strict"] = .bool(strict) }
        templateValue = ["type": "function", "function": .object(definition)]
    }
}
