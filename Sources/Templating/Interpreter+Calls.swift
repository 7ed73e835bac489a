// What happens when a template calls something: macros, methods and the functions that every template has.

/// The functions that every template has.
enum GlobalFunction: String, Sendable {
    case range, dict, namespace, cycler, joiner
    case raiseException = "raise_exception"
    case strftimeNow = "strftime_now"
}

extension Interpreter {
    func call(_ callee: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        try charge(1)
        switch callee {
        case .undefined(let undefined): throw failure(undefined.message)
        case .function(.global(let function)): return try call(function, arguments)
        case .function(.method(let name, let receiver)): return try call(name, of: receiver, arguments)
        case .object(let id):
            switch objects[id] {
            case .macro(let definition, let scope):
                return .string(try call(definition, in: scope, arguments))
            case .joiner(let separator, let isUsed):
                update(id, to: .joiner(separator, isUsed: true))
                return .string(isUsed ? separator : Text())
            case .loop(let loop): return try callLoop(loop, arguments)
            default: break
            }
        default: break
        }
        throw failure("a value of type \(typeName(of: callee)) can't be called")
    }

    func isCallable(_ value: Value) -> Bool {
        switch value {
        // Python's Undefined has a method for calls, whose only deed is to complain.
        case .function, .undefined: return true
        case .object(let id):
            switch objects[id] {
            case .macro, .joiner, .loop: return true
            default: return false
            }
        default: return false
        }
    }

    private func call(_ name: String, of receiver: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        switch receiver {
        case .string(let text):
            if let method = StringMethod(rawValue: name) { return try call(method, of: text, arguments) }
        case .mapping(let mapping):
            if let method = MappingMethod(rawValue: name) { return try call(method, of: mapping, arguments) }
        case .list(let list), .tuple(let list):
            if let method = ListMethod(rawValue: name) { return try call(method, of: list, receiver, arguments) }
        case .object(let id): return try call(name, ofObject: id, arguments)
        default: break
        }
        throw failure("there is no method '\(name)'")
    }

    // MARK: - Macros

    private func call(
        _ macro: MacroDefinition,
        in outer: Scope,
        _ arguments: Arguments
    ) throws(TemplateError) -> Text {
        try enter()
        let callLine = line
        let (text, _) = try captured { () throws(TemplateError) in
            try self.scoped(in: outer) { (scope) throws(TemplateError) in
                try self.bind(arguments, to: macro, in: scope)
                return try self.execute(macro.body)
            }
        }
        line = callLine
        leave()
        return text
    }

    private func bind(_ arguments: Arguments, to macro: MacroDefinition, in scope: Scope) throws(TemplateError) {
        var keywords = arguments.keywords
        let positional = arguments.positional
        for (index, parameter) in macro.parameters.enumerated() {
            if index < positional.count {
                scope.set(parameter.id, to: positional[index])
            } else if let given = keywords.firstIndex(where: { $0.name == parameter.name }) {
                scope.set(parameter.id, to: keywords.remove(at: given).value)
            } else if let defaultValue = parameter.defaultValue {
                scope.set(parameter.id, to: try evaluate(defaultValue))
            } else {
                scope.set(parameter.id, to: .undefined(.other("parameter '\(parameter.name)' was not provided")))
            }
        }
        if let caller = macro.caller {
            let given = keywords.firstIndex { $0.name == "caller" }
            let none = Value.undefined(.other("No caller defined"))
            scope.set(caller, to: given.map { keywords.remove(at: $0).value } ?? none)
        }
        if let kwargs = macro.kwargs {
            var mapping = Mapping()
            for keyword in keywords { mapping.set(keyword.name, to: keyword.value) }
            try check(depth: mapping.depth)
            scope.set(kwargs, to: .mapping(mapping))
        } else if let surplus = keywords.first {
            throw failure("macro '\(macro.name)' takes no keyword argument '\(surplus.name)'")
        }
        if let varargs = macro.varargs {
            scope.set(varargs, to: .tuple(try list(Array(positional.dropFirst(macro.parameters.count)))))
        } else if positional.count > macro.parameters.count {
            throw failure("macro '\(macro.name)' takes at most \(macro.parameters.count) arguments")
        }
    }

    // MARK: - Objects with a state

    private func callLoop(_ loop: LoopState, _ arguments: Arguments) throws(TemplateError) -> Value {
        guard loop.definition.isRecursive else { throw failure("a loop can call itself if it is marked 'recursive'") }
        try enter()
        let values = try bind(arguments, to: ["iterable"], required: 1, of: "loop")
        let elements = try elements(of: values[0] ?? .none)
        let (text, _) = try captured { () throws(TemplateError) in
            try self.run(
                loop.definition,
                over: elements,
                in: loop.scope,
                recursionDepth: loop.recursionDepth + 1
            )
            return .next
        }
        leave()
        return .string(text)
    }

    private func call(_ name: String, ofObject id: ObjectID, _ arguments: Arguments) throws(TemplateError) -> Value {
        switch (objects[id], name) {
        case (.loop(let loop), "cycle"):
            let items = arguments.positional
            guard !items.isEmpty else { throw failure("there are no items for cycling") }
            return items[loop.index % items.count]
        case (.loop(var loop), "changed"):
            let values = arguments.positional
            if let last = loop.lastChanged, try areEqual(.tuple(try list(last)), .tuple(try list(values))) {
                return .bool(false)
            }
            loop.lastChanged = values
            update(id, to: .loop(loop))
            return .bool(true)
        case (.cycler(let items, let position), "next"):
            update(id, to: .cycler(items, position: (position + 1) % items.count))
            return items[position]
        case (.cycler(let items, _), "reset"):
            update(id, to: .cycler(items, position: 0))
            return .none
        default: throw failure("there is no method '\(name)'")
        }
    }

    // MARK: - Globals

    private func call(_ function: GlobalFunction, _ arguments: Arguments) throws(TemplateError) -> Value {
        switch function {
        case .range: return try makeRange(arguments)
        case .dict: return .mapping(try makeMapping(arguments, of: "dict"))
        case .namespace: return try makeObject(.namespace(try makeMapping(arguments, of: "namespace")))
        case .cycler:
            guard !arguments.positional.isEmpty else { throw failure("a cycler needs items") }
            return try makeObject(.cycler(arguments.positional, position: 0))
        case .joiner:
            let values = try bind(arguments, to: ["sep"], of: "joiner")
            let separator = try values[0].map { (value) throws(TemplateError) in try self.text(of: value) }
            return try makeObject(.joiner(separator ?? Text(", ", isTrusted: true), isUsed: false))
        case .raiseException:
            let values = try bind(arguments, to: ["message"], required: 1, of: "raise_exception")
            throw .raised(message: try text(of: values[0] ?? .none).string)
        case .strftimeNow:
            let values = try bind(arguments, to: ["format"], required: 1, of: "strftime_now")
            let format = try string(values[0], "the format of a date")
            // The longest conversion makes ten bytes of two.
            try charge(bytes: format.bytes.count.saturatingProduct(5))
            return .string(Text(now().formatted(format.bytes), isTrusted: format.isTrusted))
        }
    }

    private func makeRange(_ arguments: Arguments) throws(TemplateError) -> Value {
        guard arguments.keywords.isEmpty, (1...3).contains(arguments.positional.count) else {
            throw failure("'range' takes one to three numbers")
        }
        var numbers: [Int] = []
        for value in arguments.positional { numbers.append(try integer(value, default: 0, "the bound of a range")) }
        let step = numbers.count > 2 ? numbers[2] : 1
        guard step != 0 else { throw failure("the step of a range must not be zero") }
        let range =
            numbers.count == 1
            ? IntegerRange(from: 0, to: numbers[0], step: 1)
            : IntegerRange(from: numbers[0], to: numbers[1], step: step)
        guard range.count <= Self.greatestRange else {
            throw failure("a range must not have more than \(Self.greatestRange) elements")
        }
        return .range(range)
    }

    /// MAX_RANGE of Jinja's sandbox.
    private static let greatestRange = 100_000

    /// As Python's `dict`: from a mapping or from pairs, and from keywords.
    private func makeMapping(_ arguments: Arguments, of function: String) throws(TemplateError) -> Mapping {
        guard arguments.positional.count <= 1 else { throw failure("'\(function)' takes at most one argument") }
        var mapping = Mapping()
        switch arguments.positional.first {
        case nil: break
        case .mapping(let source): mapping = source
        case let source?:
            for pair in try elements(of: source) {
                let parts = try elements(of: pair)
                guard parts.count == 2 else { throw failure("'\(function)' needs pairs of key and value") }
                mapping.set(parts[0], try identity(of: parts[0]), to: parts[1])
            }
        }
        try charge(mapping.count)
        for keyword in arguments.keywords { mapping.set(keyword.name, to: keyword.value) }
        try check(depth: mapping.depth)
        return mapping
    }
}
