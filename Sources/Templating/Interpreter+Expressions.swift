// The value of each expression. What recurses is kept from being inlined, so that its frames stay small.

extension Interpreter {
    @inline(never)
    func evaluate(_ expression: Expression) throws(TemplateError) -> Value {
        try charge(1)
        switch expression.kind {
        case .constant(let value): return value
        case .name(let id): return value(of: id)
        default: break
        }
        try enter()
        let value = try evaluateGroup(expression.kind)
        leave()
        return value
    }

    private func evaluateGroup(_ kind: Expression.Kind) throws(TemplateError) -> Value {
        switch kind {
        case .constant(let value): value
        case .name(let id): value(of: id)
        case .construction(let construction): try evaluate(construction)
        case .access(let access): try evaluate(access)
        case .application(let application): try evaluate(application)
        case .operation(let operation): try evaluate(operation)
        case .logic(let logic): try evaluate(logic)
        }
    }

    // MARK: - Logic

    @inline(never)
    private func evaluate(_ logic: Expression.Logic) throws(TemplateError) -> Value {
        switch logic {
        case .not(let operand): return .bool(!isTrue(try evaluate(operand)))
        case .and(let left, let right):
            let value = try evaluate(left)
            return isTrue(value) ? try evaluate(right) : value
        case .or(let left, let right):
            let value = try evaluate(left)
            return isTrue(value) ? value : try evaluate(right)
        case .comparison(let first, let steps): return try evaluateComparison(first, steps)
        case .conditional(let test, let then, let otherwise):
            if isTrue(try evaluate(test)) { return try evaluate(then) }
            guard let otherwise else {
                return .undefined(.other("a conditional expression had no else and was false"))
            }
            return try evaluate(otherwise)
        }
    }

    @inline(never)
    private func evaluateComparison(
        _ first: Expression,
        _ steps: [Comparison]
    ) throws(TemplateError) -> Value {
        var left = try evaluate(first)
        for step in steps {
            let right = try evaluate(step.operand)
            guard try compare(left, step.comparison, right) else { return .bool(false) }
            left = right
        }
        return .bool(true)
    }

    // MARK: - Making values

    @inline(never)
    private func evaluate(_ construction: Expression.Construction) throws(TemplateError) -> Value {
        switch construction {
        case .list(let elements): .list(try evaluateList(elements))
        case .tuple(let elements): .tuple(try evaluateList(elements))
        case .mapping(let entries): try evaluateMapping(entries)
        case .concatenation(let parts): try evaluateConcatenation(parts)
        }
    }

    @inline(never)
    private func evaluateList(_ elements: [Expression]) throws(TemplateError) -> List {
        var values: [Value] = []
        values.reserveCapacity(elements.count)
        for element in elements { values.append(try evaluate(element)) }
        return try list(values)
    }

    @inline(never)
    private func evaluateMapping(_ entries: [(key: Expression, value: Expression)]) throws(TemplateError) -> Value {
        var mapping = Mapping()
        for entry in entries {
            let key = try evaluate(entry.key)
            mapping.set(key, try identity(of: key), to: try evaluate(entry.value))
        }
        try check(depth: mapping.depth)
        return .mapping(mapping)
    }

    @inline(never)
    private func evaluateConcatenation(_ parts: [Expression]) throws(TemplateError) -> Value {
        var result = Text()
        for part in parts { try append(try text(of: try evaluate(part)), to: &result) }
        return .string(result)
    }

    // MARK: - Operators

    @inline(never)
    private func evaluate(_ operation: Expression.Operation) throws(TemplateError) -> Value {
        switch operation {
        case .negative(let operand): return try negated(try evaluate(operand))
        case .positive(let operand): return try unsigned(try evaluate(operand))
        case .binary(let operation, let left, let right):
            let left = try evaluate(left)
            return try apply(operation, left, try evaluate(right))
        }
    }

    // MARK: - Access

    @inline(never)
    private func evaluate(_ access: Expression.Access) throws(TemplateError) -> Value {
        switch access {
        case .attribute(let operand, let name): return try attribute(name, of: try evaluate(operand))
        case .item(let operand, let key):
            let value = try evaluate(operand)
            return try item(try evaluate(key), of: value)
        case .slice(let operand, let bounds): return try evaluateSlice(operand, bounds)
        }
    }

    @inline(never)
    private func evaluateSlice(_ operand: Expression, _ bounds: SliceBounds) throws(TemplateError) -> Value {
        let value = try evaluate(operand)
        var numbers: [Int?] = []
        for bound in [bounds.start, bounds.stop, bounds.step] {
            guard let bound, case let value = try evaluate(bound) else {
                numbers.append(nil)
                continue
            }
            switch value {
            case .none: numbers.append(nil)
            case .undefined(let undefined): throw failure(undefined.message)
            default:
                guard let number = value.integerValue else { throw failure("a slice is bounded by integers") }
                numbers.append(number)
            }
        }
        return try slice(value, from: numbers[0], to: numbers[1], step: numbers[2] ?? 1)
    }

    // MARK: - Calls

    @inline(never)
    private func evaluate(_ application: Expression.Application) throws(TemplateError) -> Value {
        switch application {
        case .call(let callee, let arguments, let line):
            let function = try evaluate(callee)
            let values = try evaluate(arguments)
            self.line = line
            return try call(function, values)
        case .filter(let operand, let filter): return try apply(filter, to: try evaluate(operand))
        case .test(let operand, let call): return try evaluateTest(operand, call)
        }
    }

    @inline(never)
    func apply(_ filter: FilterCall, to value: Value) throws(TemplateError) -> Value {
        let arguments = try evaluate(filter.arguments)
        line = filter.line
        return try apply(filter.name, to: value, arguments)
    }

    @inline(never)
    private func evaluateTest(_ operand: Expression, _ call: TestCall) throws(TemplateError) -> Value {
        let value = try evaluate(operand)
        let arguments = try evaluate(call.arguments)
        line = call.line
        return .bool(try test(call.name, value, arguments))
    }

    func evaluate(_ arguments: CallArguments) throws(TemplateError) -> Arguments {
        var values = Arguments()
        for argument in arguments.positional { values.positional.append(try evaluate(argument)) }
        if let spread = arguments.spread { values.positional += try elements(of: try evaluate(spread)) }
        for keyword in arguments.keywords { values.keywords.append((keyword.name, try evaluate(keyword.value))) }
        if let spread = arguments.keywordSpread {
            guard case .mapping(let mapping) = try evaluate(spread) else {
                throw failure("the operand of ** is not a mapping")
            }
            try charge(mapping.count)
            for entry in mapping.entries {
                guard case .string(let name) = entry.key else { throw failure("keywords must be strings") }
                values.keywords.append((name.string, entry.value))
            }
        }
        return values
    }
}
