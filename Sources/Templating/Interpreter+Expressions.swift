// The value of each expression. The cases are functions of their own, so that the recursion's frames stay small.

extension Interpreter {
    func evaluate(_ expression: Expression) throws(TemplateError) -> Value {
        try charge(1)
        switch expression.kind {
        case .constant(let value): return value
        case .name(let id): return value(of: id)
        default: break
        }
        try enter()
        let value = try evaluateParts(expression.kind)
        leave()
        return value
    }

    @inline(never)
    private func evaluateParts(_ kind: Expression.Kind) throws(TemplateError) -> Value {
        switch kind {
        case .constant(let value): value
        case .name(let id): value(of: id)
        case .list(let elements): .list(try evaluateList(elements))
        case .tuple(let elements): .tuple(try evaluateList(elements))
        case .mapping(let entries): try evaluateMapping(entries)
        case .attribute(let operand, let name): try attribute(name, of: try evaluate(operand))
        case .item(let operand, let key): try evaluateItem(operand, key)
        case .slice(let operand, let bounds): try evaluateSlice(operand, bounds)
        case .call(let callee, let arguments, let line): try evaluateCall(callee, arguments, line)
        case .filter(let operand, let filter): try apply(filter, to: try evaluate(operand))
        case .test(let operand, let call): try evaluateTest(operand, call)
        case .not(let operand): .bool(!isTrue(try evaluate(operand)))
        case .negative(let operand): try negated(try evaluate(operand))
        case .positive(let operand): try unsigned(try evaluate(operand))
        case .binary(let operation, let left, let right): try evaluateBinary(operation, left, right)
        case .and(let left, let right): try evaluateAnd(left, right)
        case .or(let left, let right): try evaluateOr(left, right)
        case .comparison(let first, let operands): try evaluateComparison(first, operands)
        case .concatenation(let parts): try evaluateConcatenation(parts)
        case .conditional(let test, let then, let otherwise): try evaluateConditional(test, then, otherwise)
        }
    }

    // MARK: - Logic

    @inline(never)
    private func evaluateAnd(_ left: Expression, _ right: Expression) throws(TemplateError) -> Value {
        let value = try evaluate(left)
        return isTrue(value) ? try evaluate(right) : value
    }

    @inline(never)
    private func evaluateOr(_ left: Expression, _ right: Expression) throws(TemplateError) -> Value {
        let value = try evaluate(left)
        return isTrue(value) ? value : try evaluate(right)
    }

    @inline(never)
    private func evaluateConditional(
        _ test: Expression,
        _ then: Expression,
        _ otherwise: Expression?
    ) throws(TemplateError) -> Value {
        if isTrue(try evaluate(test)) { return try evaluate(then) }
        guard let otherwise else { return .undefined(.other("a conditional expression had no else and was false")) }
        return try evaluate(otherwise)
    }

    @inline(never)
    private func evaluateComparison(
        _ first: Expression,
        _ operands: [Comparison]
    ) throws(TemplateError) -> Value {
        var left = try evaluate(first)
        for step in operands {
            let right = try evaluate(step.operand)
            guard try compare(left, step.comparison, right) else { return .bool(false) }
            left = right
        }
        return .bool(true)
    }

    // MARK: - Making values

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

    // MARK: - Access

    @inline(never)
    private func evaluateItem(_ operand: Expression, _ key: Expression) throws(TemplateError) -> Value {
        let value = try evaluate(operand)
        return try item(try evaluate(key), of: value)
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
    private func evaluateCall(
        _ callee: Expression,
        _ arguments: CallArguments,
        _ line: Int
    ) throws(TemplateError) -> Value {
        let function = try evaluate(callee)
        let values = try evaluate(arguments)
        self.line = line
        return try call(function, values)
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
