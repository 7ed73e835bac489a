// The tests that may follow `is`.

enum TestName: String, CaseIterable {
    case defined, undefined, none, boolean, `true`, `false`, integer, float, number, string, mapping, sequence
    case iterable, callable, escaped, lower, upper, odd, even, divisibleby, sameas, filter, test
    case isIn = "in"
    case equal = "=="
    case eq, equalto
    case notEqual = "!="
    case ne
    case greater = ">"
    case gt, greaterthan
    case greaterOrEqual = ">="
    case ge
    case less = "<"
    case lt, lessthan
    case lessOrEqual = "<="
    case le
}

extension Interpreter {
    func test(_ name: String, _ value: Value, _ arguments: Arguments) throws(TemplateError) -> Bool {
        try charge(1)
        guard let test = TestName(rawValue: name) else { throw failure("there is no test '\(name)'") }
        if let comparison = Self.comparison(of: test) {
            let values = try bind(arguments, to: ["other"], required: 1, of: name)
            return try compare(value, comparison, values[0] ?? .none)
        }
        switch test {
        case .divisibleby, .sameas:
            let values = try bind(arguments, to: [test == .sameas ? "other" : "num"], required: 1, of: name)
            let other = values[0] ?? .none
            return try test == .sameas ? areSame(value, other) : isMultiple(value, of: other)
        default:
            _ = try bind(arguments, to: [], of: name)
            return try isOfKind(value, test)
        }
    }

    private static func comparison(of test: TestName) -> ComparisonOperator? {
        switch test {
        case .equal, .eq, .equalto: .equal
        case .notEqual, .ne: .notEqual
        case .greater, .gt, .greaterthan: .greater
        case .greaterOrEqual, .ge: .greaterOrEqual
        case .less, .lt, .lessthan: .less
        case .lessOrEqual, .le: .lessOrEqual
        case .isIn: .isIn
        default: nil
        }
    }

    /// The tests without arguments.
    private func isOfKind(_ value: Value, _ test: TestName) throws(TemplateError) -> Bool {
        switch (test, value) {
        case (.defined, _): return !value.isUndefined
        case (.undefined, _): return value.isUndefined
        case (.none, .none), (.boolean, .bool), (.integer, .integer), (.float, .float), (.string, .string),
            (.mapping, .mapping), (.number, .bool), (.number, .integer), (.number, .float):
            return true
        case (.true, .bool(let value)): return value
        case (.false, .bool(let value)): return !value
        case (.escaped, .string(let text)): return text.isMarkup
        case (.sequence, .string), (.sequence, .list), (.sequence, .tuple), (.sequence, .mapping), (.sequence, .range),
            (.sequence, .undefined):
            return true
        case (.iterable, _): return isIterable(value)
        case (.callable, _): return isCallable(value)
        case (.lower, _): return try text(of: value).isLowercase
        case (.upper, _): return try text(of: value).isUppercase
        case (.odd, _): return try !isMultiple(value, of: .integer(2))
        case (.even, _): return try isMultiple(value, of: .integer(2))
        case (.filter, .string(let text)): return Self.filterNames.contains(text.string)
        case (.test, .string(let text)): return TestName(rawValue: text.string) != nil
        default: return false
        }
    }

    private func isIterable(_ value: Value) -> Bool {
        switch value {
        case .undefined, .string, .list, .tuple, .mapping, .view, .range: return true
        case .object(let id):
            switch objects[id] {
            case .iterator, .loop: return true
            default: return false
            }
        default: return false
        }
    }

    private func isMultiple(_ value: Value, of other: Value) throws(TemplateError) -> Bool {
        if case .undefined(let undefined) = value { throw failure(undefined.message) }
        guard let divisor = other.doubleValue, let number = value.doubleValue else {
            throw failure("a test of divisibility needs numbers")
        }
        guard divisor != 0 else { throw failure("division by zero") }
        if let number = value.integerValue, let divisor = other.integerValue {
            return number.magnitude % divisor.magnitude == 0
        }
        return number.truncatingRemainder(dividingBy: divisor) == 0
    }

    /// Identity, which values here have only in that they are of one kind and equal.
    private func areSame(_ left: Value, _ right: Value) throws(TemplateError) -> Bool {
        guard typeName(of: left) == typeName(of: right) else { return false }
        return try areEqual(left, right)
    }
}
