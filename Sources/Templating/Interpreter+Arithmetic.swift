// Operators on numbers, strings and lists. Integers have 64 bits: a result beyond them is an error.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

extension Interpreter {
    @inline(never)
    func apply(_ operation: BinaryOperator, _ left: Value, _ right: Value) throws(TemplateError) -> Value {
        if case .undefined(let undefined) = left { throw failure(undefined.message) }
        if case .modulo = operation, case .string(let format) = left { return .string(try formatted(format, right)) }
        if case .undefined(let undefined) = right { throw failure(undefined.message) }
        switch operation {
        case .add: return try sum(left, right)
        case .multiply: return try product(left, right)
        default: return try arithmetic(operation, left, right)
        }
    }

    func negated(_ value: Value) throws(TemplateError) -> Value {
        if let number = value.integerValue {
            let result = 0.subtractingReportingOverflow(number)
            return .integer(try checked(result))
        }
        return .float(-(try number(value)))
    }

    func unsigned(_ value: Value) throws(TemplateError) -> Value {
        if let integer = value.integerValue { return .integer(integer) }
        return .float(try number(value))
    }

    private func number(_ value: Value) throws(TemplateError) -> Double {
        if let number = value.doubleValue { return number }
        if case .undefined(let undefined) = value { throw failure(undefined.message) }
        throw failure("a value of type \(typeName(of: value)) is not a number")
    }

    private func checked(_ result: (partialValue: Int, overflow: Bool)) throws(TemplateError) -> Int {
        guard !result.overflow else { throw failure("an integer is too large") }
        return result.partialValue
    }

    // MARK: - Sums and products

    func sum(_ left: Value, _ right: Value) throws(TemplateError) -> Value {
        switch (left, right) {
        case (.string(var left), .string(var right)):
            if left.isMarkup || right.isMarkup { (left, right) = (left.escaped, right.escaped) }
            try append(right, to: &left)
            return .string(left)
        case (.list(let left), .list(let right)): return .list(try list(left.elements + right.elements))
        case (.tuple(let left), .tuple(let right)): return .tuple(try list(left.elements + right.elements))
        default: return try arithmetic(.add, left, right)
        }
    }

    private func product(_ left: Value, _ right: Value) throws(TemplateError) -> Value {
        if let count = right.integerValue {
            if let result = try repeated(left, count) { return result }
        } else if let count = left.integerValue, let result = try repeated(right, count) {
            return result
        }
        return try arithmetic(.multiply, left, right)
    }

    private func repeated(_ value: Value, _ count: Int) throws(TemplateError) -> Value? {
        let count = max(0, count)
        switch value {
        case .string(let text):
            try charge(bytes: text.bytes.count.saturatingProduct(count))
            return .string(text.repeated(count))
        case .list(let list): return .list(try repeated(list, count))
        case .tuple(let list): return .tuple(try repeated(list, count))
        default: return nil
        }
    }

    private func repeated(_ list: List, _ count: Int) throws(TemplateError) -> List {
        try charge(list.elements.count.saturatingProduct(count))
        guard !list.elements.isEmpty else { return list }
        return try self.list(Array(repeatElement(list.elements, count: count).joined()))
    }

    // MARK: - Numbers

    private func arithmetic(_ operation: BinaryOperator, _ left: Value, _ right: Value) throws(TemplateError) -> Value {
        if let left = left.integerValue, let right = right.integerValue {
            return try arithmetic(operation, left, right)
        }
        guard let first = left.doubleValue, let second = right.doubleValue else {
            throw failure(
                "the operator does not know values of type \(typeName(of: left)) and \(typeName(of: right))"
            )
        }
        switch operation {
        case .add: return .float(first + second)
        case .subtract: return .float(first - second)
        case .multiply: return .float(first * second)
        case .power: return .float(pow(first, second))
        case .divide, .floorDivide, .modulo: break
        }
        guard second != 0 else { throw failure("division by zero") }
        switch operation {
        case .divide: return .float(first / second)
        case .floorDivide: return .float((first / second).rounded(.down))
        default:
            let remainder = fmod(first, second)
            return .float(remainder != 0 && (remainder < 0) != (second < 0) ? remainder + second : remainder)
        }
    }

    private func arithmetic(_ operation: BinaryOperator, _ left: Int, _ right: Int) throws(TemplateError) -> Value {
        switch operation {
        case .add: return .integer(try checked(left.addingReportingOverflow(right)))
        case .subtract: return .integer(try checked(left.subtractingReportingOverflow(right)))
        case .multiply: return .integer(try checked(left.multipliedReportingOverflow(by: right)))
        case .power: return try power(left, right)
        case .divide, .floorDivide, .modulo: break
        }
        guard right != 0 else { throw failure("division by zero") }
        if case .divide = operation { return .float(Double(left) / Double(right)) }
        let quotient = try checked(left.dividedReportingOverflow(by: right))
        let remainder = left - quotient * right
        let isBelow = remainder != 0 && (remainder < 0) != (right < 0)
        if case .modulo = operation { return .integer(isBelow ? remainder + right : remainder) }
        return .integer(isBelow ? quotient - 1 : quotient)
    }

    private func power(_ base: Int, _ exponent: Int) throws(TemplateError) -> Value {
        guard exponent >= 0 else {
            guard base != 0 else { throw failure("division by zero") }
            return .float(pow(Double(base), Double(exponent)))
        }
        // Other bases overflow long before, so that the loop is short.
        if base == 0 || base == 1 { return .integer(exponent == 0 ? 1 : base) }
        if base == -1 { return .integer(exponent.isMultiple(of: 2) ? 1 : -1) }
        var result = 1
        for _ in 0..<min(exponent, 64) { result = try checked(result.multipliedReportingOverflow(by: base)) }
        return .integer(result)
    }
}

extension Int {
    /// The product of two numbers that are not negative, or the greatest number.
    func saturatingProduct(_ other: Int) -> Int {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? .max : product
    }

    func saturatingSum(_ other: Int) -> Int {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
