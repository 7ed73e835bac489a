// What follows an operand: attributes, items, slices, calls, filters and tests.

extension Parser {
    mutating func parsePostfix(_ operand: Expression) throws(TemplateError) -> Expression {
        var expression = operand
        while true {
            switch current {
            case .symbol(.dot): expression = try parseAttribute(of: expression)
            case .symbol(.leftBracket): expression = try parseSubscript(of: expression)
            case .symbol(.leftParenthesis): expression = try parseCall(of: expression)
            default: return expression
            }
        }
    }

    mutating func parseFilters(_ operand: Expression) throws(TemplateError) -> Expression {
        var expression = operand
        while true {
            switch current {
            case .symbol(.pipe):
                advance()
                let filter = try parseFilterCall()
                expression = try make(
                    .application(.filter(expression, filter)),
                    [expression],
                    deepest: filter.arguments.depth
                )
            case .name("is"): expression = try parseTest(of: expression)
            case .symbol(.leftParenthesis): expression = try parseCall(of: expression)
            default: return expression
            }
        }
    }

    private mutating func parseAttribute(of operand: Expression) throws(TemplateError) -> Expression {
        advance()
        switch current {
        case .name(let name):
            advance()
            return try make(.access(.attribute(operand, name)), [operand])
        case .integer(let index):
            advance()
            let item = try make(.constant(.integer(index)), [])
            return try make(.access(.item(operand, item)), [operand, item])
        default: throw unexpected("a name or a number")
        }
    }

    private mutating func parseSubscript(of operand: Expression) throws(TemplateError) -> Expression {
        advance()
        let start = isAt(.colon) ? nil : try parseExpression()
        guard skip(.colon) else {
            guard let start else { throw unexpected("an expression") }
            var elements = [start]
            while skip(.comma), !isAt(.rightBracket) { elements.append(try parseExpression()) }
            try expect(.rightBracket)
            let item = elements.count == 1 ? start : try make(.construction(.tuple(elements)), elements)
            return try make(.access(.item(operand, item)), [operand, item])
        }
        let stop = isAt(.colon) || isAt(.rightBracket) ? nil : try parseExpression()
        let step = skip(.colon) && !isAt(.rightBracket) ? try parseExpression() : nil
        try expect(.rightBracket)
        let bounds = SliceBounds(start: start, stop: stop, step: step)
        return try make(.access(.slice(operand, bounds)), [operand] + [start, stop, step].compactMap { $0 })
    }

    private mutating func parseCall(of operand: Expression) throws(TemplateError) -> Expression {
        let startLine = line
        let arguments = try parseArguments()
        return try make(.application(.call(operand, arguments, line: startLine)), [operand], deepest: arguments.depth)
    }

    mutating func parseFilterCall() throws(TemplateError) -> FilterCall {
        let startLine = line
        let name = try parseDottedName()
        let arguments = isAt(.leftParenthesis) ? try parseArguments() : CallArguments()
        return FilterCall(name: name, arguments: arguments, line: startLine)
    }

    private mutating func parseDottedName() throws(TemplateError) -> String {
        var name = try expectName()
        while skip(.dot) { name += "." + (try expectName()) }
        return name
    }

    /// `is name`, `is not name`, with arguments in parentheses or a single one without.
    private mutating func parseTest(of operand: Expression) throws(TemplateError) -> Expression {
        let startLine = line
        advance()
        let isNegated = skip("not")
        let name = try parseDottedName()
        var arguments = CallArguments()
        if isAt(.leftParenthesis) {
            arguments = try parseArguments()
        } else if isOperandStart(current) {
            guard !isAt("is") else { throw .syntax(message: "tests can't be chained with 'is'", line: line) }
            arguments.positional = [try parsePostfix(try parsePrimary())]
        }
        let call = TestCall(name: name, arguments: arguments, line: startLine)
        let test = try make(.application(.test(operand, call)), [operand], deepest: arguments.depth)
        return isNegated ? try make(.logic(.not(test)), [test]) : test
    }

    private mutating func parseArguments() throws(TemplateError) -> CallArguments {
        var arguments = CallArguments()
        let startLine = line
        func ensure(_ isInOrder: Bool) throws(TemplateError) {
            guard isInOrder else { throw .syntax(message: "the arguments of a call are out of order", line: startLine) }
        }
        try expect(.leftParenthesis)
        while !isAt(.rightParenthesis) {
            if skip(.multiply) {
                try ensure(arguments.spread == nil && arguments.keywordSpread == nil)
                arguments.spread = try parseExpression()
            } else if skip(.power) {
                try ensure(arguments.keywordSpread == nil)
                arguments.keywordSpread = try parseExpression()
            } else if case .name(let name) = current, next() == .symbol(.assign) {
                try ensure(arguments.keywordSpread == nil)
                advance()
                advance()
                arguments.keywords.append((name, try parseExpression()))
            } else {
                try ensure(
                    arguments.spread == nil && arguments.keywordSpread == nil && arguments.keywords.isEmpty
                )
                arguments.positional.append(try parseExpression())
            }
            guard skip(.comma) else { break }
        }
        try expect(.rightParenthesis)
        return arguments
    }
}
