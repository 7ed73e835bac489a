// The values that a function, filter, test or method is called with.

struct Arguments {
    var positional: [Value] = []
    var keywords: [(name: String, value: Value)] = []

    subscript(keyword name: String) -> Value? {
        keywords.first { $0.name == name }?.value
    }
}

extension Interpreter {
    /// Arguments in the order of parameters, nil where none was given.
    /// - Parameter required: How many of the parameters, from the first, need an argument.
    func bind(
        _ arguments: Arguments,
        to parameters: [String],
        required: Int = 0,
        of function: String
    ) throws(TemplateError) -> [Value?] {
        guard arguments.positional.count <= parameters.count else {
            throw failure("'\(function)' takes at most \(parameters.count) arguments")
        }
        var values: [Value?] = arguments.positional
        values += Array(repeating: nil, count: parameters.count - values.count)
        for keyword in arguments.keywords {
            guard let index = parameters.firstIndex(of: keyword.name) else {
                throw failure("'\(function)' has no parameter '\(keyword.name)'")
            }
            if values[index] != nil { throw failure("'\(function)' got '\(keyword.name)' twice") }
            values[index] = keyword.value
        }
        for (index, name) in parameters.prefix(required).enumerated() where values[index] == nil {
            throw failure("'\(function)' needs the argument '\(name)'")
        }
        return values
    }

    /// - Throws: When the value is not an integer.
    func integer(_ value: Value?, default other: Int, _ what: String) throws(TemplateError) -> Int {
        guard let value else { return other }
        guard let integer = value.integerValue else {
            throw failure("\(what) must be an integer, not a value of type \(typeName(of: value))")
        }
        return integer
    }

    /// - Throws: When the value is not a string.
    func string(_ value: Value?, _ what: String) throws(TemplateError) -> Text {
        guard case .string(let text) = value else {
            if case .undefined(let undefined) = value { throw failure(undefined.message) }
            throw failure("\(what) must be a string")
        }
        return text
    }

    /// As `string`, but nothing and None are nil.
    func optionalString(_ value: Value?, _ what: String) throws(TemplateError) -> Text? {
        guard let value else { return nil }
        if case .none = value { return nil }
        return try string(value, what)
    }

    func flag(_ value: Value?) -> Bool { value.map(isTrue) ?? false }
}
