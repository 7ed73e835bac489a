// Expressions, by precedence climbing: `or`, `and`, `not`, comparisons, `+ -`, `~`, `* / // %`, `**`, signs.

extension Parser {
    private enum Precedence: Int, Comparable {
        case or, and, not, comparison, sum, concatenation, product, power, operand

        static func < (left: Precedence, right: Precedence) -> Bool { left.rawValue < right.rawValue }
        var tighter: Precedence { Precedence(rawValue: rawValue + 1) ?? .operand }
    }

    /// One expression, or several with commas between them, which make a tuple.
    mutating func parseTuple(
        allowsConditional: Bool = true,
        isParenthesized: Bool = false
    ) throws(TemplateError) -> Expression {
        var elements: [Expression] = []
        var isTuple = false
        while !isAtTupleEnd(isParenthesized: isParenthesized) {
            elements.append(try allowsConditional ? parseExpression() : parseBinary(.or))
            guard skip(.comma) else { break }
            isTuple = true
        }
        if !isTuple {
            if let only = elements.first { return only }
            guard isParenthesized else { throw unexpected("an expression") }
        }
        return try make(.construction(.tuple(elements)), elements)
    }

    private func isAtTupleEnd(isParenthesized: Bool) -> Bool {
        switch current {
        case .variableEnd, .blockEnd, .symbol(.rightParenthesis): true
        case .name("recursive"): !isParenthesized
        default: false
        }
    }

    /// An expression that may be conditional: `a if test else b`.
    mutating func parseExpression() throws(TemplateError) -> Expression {
        try enter()
        defer { leave() }
        var expression = try parseBinary(.or)
        while skip("if") {
            let test = try parseBinary(.or)
            let otherwise = skip("else") ? try parseExpression() : nil
            expression = try make(
                .logic(.conditional(test, then: expression, otherwise: otherwise)),
                [expression, test] + (otherwise.map { [$0] } ?? [])
            )
        }
        return expression
    }

    /// - Throws: When expressions nest too deep; chains of operators count as well as brackets.
    func make(_ kind: Expression.Kind, _ children: [Expression], deepest: Int = 0) throws(TemplateError) -> Expression {
        let depth = 1 + max(deepest, children.lazy.map(\.depth).max() ?? 0)
        guard depth <= Self.greatestNesting else {
            throw .limitExceeded(.nesting(Self.greatestNesting), line: line)
        }
        return Expression(kind: kind, depth: depth)
    }

    // MARK: - Operators

    /// An expression of operators that bind at least as tightly as `minimum`; all group from the left.
    private mutating func parseBinary(_ minimum: Precedence) throws(TemplateError) -> Expression {
        var left: Expression
        if minimum <= .not, skip("not") {
            try enter()
            defer { leave() }
            let operand = try parseBinary(.not)
            left = try make(.logic(.not(operand)), [operand])
        } else {
            left = try parseUnary(withFilters: true)
        }
        while let precedence = currentPrecedence, precedence >= minimum {
            switch precedence {
            case .comparison: left = try parseComparison(left)
            case .concatenation: left = try parseConcatenation(left)
            default: left = try parseOperator(left, precedence)
            }
        }
        return left
    }

    private var currentPrecedence: Precedence? {
        switch current {
        case .name("or"): .or
        case .name("and"): .and
        case .name("in"): .comparison
        case .name("not"): next() == .name("in") ? .comparison : nil
        case .symbol(let symbol):
            switch symbol {
            case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual: .comparison
            case .add, .subtract: .sum
            case .tilde: .concatenation
            case .multiply, .divide, .floorDivide, .modulo: .product
            case .power: .power
            default: nil
            }
        default: nil
        }
    }

    private mutating func parseOperator(
        _ left: Expression,
        _ precedence: Precedence
    ) throws(TemplateError) -> Expression {
        let token = current
        advance()
        let right = try parseBinary(precedence.tighter)
        let kind: Expression.Kind
        switch token {
        case .name("or"): kind = .logic(.or(left, right))
        case .name("and"): kind = .logic(.and(left, right))
        case .symbol(.add): kind = .operation(.binary(.add, left, right))
        case .symbol(.subtract): kind = .operation(.binary(.subtract, left, right))
        case .symbol(.multiply): kind = .operation(.binary(.multiply, left, right))
        case .symbol(.divide): kind = .operation(.binary(.divide, left, right))
        case .symbol(.floorDivide): kind = .operation(.binary(.floorDivide, left, right))
        case .symbol(.modulo): kind = .operation(.binary(.modulo, left, right))
        default: kind = .operation(.binary(.power, left, right))
        }
        return try make(kind, [left, right])
    }

    private mutating func parseComparison(_ left: Expression) throws(TemplateError) -> Expression {
        var operands: [Comparison] = []
        while currentPrecedence == .comparison {
            let comparison: ComparisonOperator
            switch current {
            case .symbol(.equal): comparison = .equal
            case .symbol(.notEqual): comparison = .notEqual
            case .symbol(.less): comparison = .less
            case .symbol(.lessOrEqual): comparison = .lessOrEqual
            case .symbol(.greater): comparison = .greater
            case .symbol(.greaterOrEqual): comparison = .greaterOrEqual
            case .name("in"): comparison = .isIn
            default:
                advance()
                comparison = .isNotIn
            }
            advance()
            operands.append(Comparison(comparison: comparison, operand: try parseBinary(.sum)))
        }
        return try make(.logic(.comparison(left, operands)), [left] + operands.map(\.operand))
    }

    private mutating func parseConcatenation(_ first: Expression) throws(TemplateError) -> Expression {
        var parts = [first]
        while skip(.tilde) { parts.append(try parseBinary(.product)) }
        return try make(.construction(.concatenation(parts)), parts)
    }

    /// A sign or an operand, and what follows it: attributes, calls, filters, tests.
    ///
    /// The sign binds tighter than what follows.
    private mutating func parseUnary(withFilters: Bool) throws(TemplateError) -> Expression {
        try enter()
        defer { leave() }
        var expression: Expression
        if skip(.subtract) {
            let operand = try parseUnary(withFilters: false)
            expression = try make(.operation(.negative(operand)), [operand])
        } else if skip(.add) {
            let operand = try parseUnary(withFilters: false)
            expression = try make(.operation(.positive(operand)), [operand])
        } else {
            expression = try parsePrimary()
        }
        expression = try parsePostfix(expression)
        return withFilters ? try parseFilters(expression) : expression
    }

    // MARK: - Operands

    func isOperandStart(_ kind: Token.Kind) -> Bool {
        switch kind {
        case .name(let name): !["else", "or", "and"].contains(name)
        case .string, .integer, .float, .symbol(.leftBracket), .symbol(.leftBrace): true
        default: false
        }
    }

    mutating func parsePrimary() throws(TemplateError) -> Expression {
        switch current {
        case .name(let name):
            advance()
            return try parseName(name)
        case .string(var bytes):
            advance()
            // Strings that stand side by side are one.
            while case .string(let more) = current {
                bytes += more
                advance()
            }
            return try make(.constant(.string(Text(bytes, isTrusted: true))), [])
        case .integer(let value):
            advance()
            return try make(.constant(.integer(value)), [])
        case .float(let value):
            advance()
            return try make(.constant(.float(value)), [])
        case .symbol(.leftParenthesis):
            advance()
            let expression = try parseTuple(isParenthesized: true)
            try expect(.rightParenthesis)
            return expression
        case .symbol(.leftBracket): return try parseList()
        case .symbol(.leftBrace): return try parseMapping()
        default: throw unexpected("an expression")
        }
    }

    private mutating func parseName(_ name: String) throws(TemplateError) -> Expression {
        switch name {
        case "true", "True": try make(.constant(.bool(true)), [])
        case "false", "False": try make(.constant(.bool(false)), [])
        case "none", "None": try make(.constant(.none), [])
        default: try make(.name(idForReading(name)), [])
        }
    }

    private mutating func parseList() throws(TemplateError) -> Expression {
        advance()
        var elements: [Expression] = []
        while !isAt(.rightBracket) {
            elements.append(try parseExpression())
            guard skip(.comma) else { break }
        }
        try expect(.rightBracket)
        return try make(.construction(.list(elements)), elements)
    }

    private mutating func parseMapping() throws(TemplateError) -> Expression {
        advance()
        var entries: [(key: Expression, value: Expression)] = []
        while !isAt(.rightBrace) {
            let key = try parseExpression()
            try expect(.colon)
            entries.append((key, try parseExpression()))
            guard skip(.comma) else { break }
        }
        try expect(.rightBrace)
        return try make(.construction(.mapping(entries)), entries.map(\.key) + entries.map(\.value))
    }
}
