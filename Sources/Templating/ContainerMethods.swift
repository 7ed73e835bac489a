// The methods that mappings and lists have in a template: those that change nothing.

enum MappingMethod: String, Sendable {
    case get, items, keys, values, copy

    /// What Python has beyond these, and the sandbox forbids.
    static let forbidden: Set<String> = ["clear", "pop", "popitem", "setdefault", "update", "fromkeys"]
}

enum ListMethod: String, Sendable {
    case index, count, copy

    static let forbidden: Set<String> = ["append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"]
}

extension Interpreter {
    func call(
        _ method: MappingMethod,
        of mapping: Mapping,
        _ arguments: Arguments
    ) throws(TemplateError) -> Value {
        guard method == .get else {
            _ = try bind(arguments, to: [], of: method.rawValue)
            switch method {
            case .items: return .view(MappingView(kind: .items, mapping: mapping))
            case .keys: return .view(MappingView(kind: .keys, mapping: mapping))
            case .values: return .view(MappingView(kind: .values, mapping: mapping))
            default: return .mapping(mapping)
            }
        }
        guard arguments.keywords.isEmpty else { throw failure("'get' takes no keyword arguments") }
        let values = try bind(arguments, to: ["key", "default"], required: 1, of: "get")
        let other = values[1] ?? .none
        if case .undefined = values[0] { return other }
        return mapping[try identity(of: values[0] ?? .none)] ?? other
    }

    func call(
        _ method: ListMethod,
        of list: List,
        _ receiver: Value,
        _ arguments: Arguments
    ) throws(TemplateError) -> Value {
        guard method != .copy else {
            _ = try bind(arguments, to: [], of: "copy")
            return receiver
        }
        let values = try bind(arguments, to: ["value"], required: 1, of: method.rawValue)
        let wanted = values[0] ?? .none
        var count = 0
        for (index, element) in list.elements.enumerated() where try areEqual(element, wanted) {
            if method == .index { return .integer(index) }
            count += 1
        }
        guard method == .count else { throw failure("the value sought is not in the list") }
        return .integer(count)
    }
}
