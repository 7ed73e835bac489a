// The tags between `{%` and `%}`.

extension Parser {
    /// From the name of a tag to before its last `%}`.
    mutating func parseStatement() throws(TemplateError) -> [Statement] {
        let startLine = line
        switch try expectName() {
        case "for": return [try parseLoop(line: startLine)]
        case "if": return [try parseCondition(line: startLine)]
        case "set": return [try parseAssignment(line: startLine)]
        case "macro": return [try parseMacro(line: startLine)]
        case "call": return [try parseCallBlock(line: startLine)]
        case "filter": return [try parseFilterBlock(line: startLine)]
        case "with": return [try parseWith(line: startLine)]
        case "print": return try parsePrint(line: startLine)
        case "generation":
            // Marks what the assistant said, for training. It is a call in the reference, so names stay inside.
            let body = try parseBody(inLoop: false, endingWith: ["endgeneration"])
            advance()
            return [.scope(body)]
        case "break" where isInLoop: return [.breakLoop]
        case "continue" where isInLoop: return [.continueLoop]
        case let name: throw .syntax(message: "there is no tag '\(name)' here", line: startLine)
        }
    }

    private mutating func parseLoop(line startLine: Int) throws(TemplateError) -> Statement {
        let target = try parseTarget(allowsAttributes: false)
        try expect("in")
        let source = try parseTuple(allowsConditional: false)
        let condition = skip("if") ? try parseExpression() : nil
        let isRecursive = skip("recursive")
        beginReading()
        let body = try parseBody(inLoop: true, endingWith: ["endfor", "else"])
        let loopVariable = id(of: "loop")
        let isLoopVariableRead = endReading().contains(loopVariable)
        var otherwise: [Statement] = []
        if skip("else") { otherwise = try parseBlockBody(endingWith: ["endfor"]) }
        try expect("endfor")
        return .loop(
            LoopDefinition(
                target: target,
                source: source,
                condition: condition,
                body: body,
                otherwise: otherwise,
                isRecursive: isRecursive,
                loopVariable: isLoopVariableRead || isRecursive ? loopVariable : nil,
                line: startLine
            )
        )
    }

    private mutating func parseCondition(line startLine: Int) throws(TemplateError) -> Statement {
        var branches: [(test: Expression, body: [Statement])] = []
        repeat {
            let test = try parseTuple(allowsConditional: false)
            branches.append((test, try parseBlockBody(endingWith: ["elif", "else", "endif"])))
        } while skip("elif")
        var otherwise: [Statement] = []
        if skip("else") { otherwise = try parseBlockBody(endingWith: ["endif"]) }
        try expect("endif")
        return .condition(branches, otherwise: otherwise, line: startLine)
    }

    private mutating func parseAssignment(line startLine: Int) throws(TemplateError) -> Statement {
        let target = try parseTarget(allowsAttributes: true)
        if skip(.assign) { return .assignment(target, try parseTuple(), line: startLine) }
        var filters: [FilterCall] = []
        while skip(.pipe) { filters.append(try parseFilterCall()) }
        let body = try parseBlockBody(endingWith: ["endset"])
        advance()
        return .blockAssignment(target, filters, body, line: startLine)
    }

    private mutating func parseFilterBlock(line startLine: Int) throws(TemplateError) -> Statement {
        var filters = [try parseFilterCall()]
        while skip(.pipe) { filters.append(try parseFilterCall()) }
        let body = try parseBlockBody(endingWith: ["endfilter"])
        advance()
        return .filterBlock(filters, body, line: startLine)
    }

    private mutating func parseWith(line startLine: Int) throws(TemplateError) -> Statement {
        var assignments: [(target: AssignmentTarget, value: Expression)] = []
        while current != .blockEnd {
            if !assignments.isEmpty { try expect(.comma) }
            let target = try parseTarget(allowsAttributes: false)
            try expect(.assign)
            assignments.append((target, try parseExpression()))
        }
        let body = try parseBlockBody(endingWith: ["endwith"])
        advance()
        return .with(assignments, body, line: startLine)
    }

    private mutating func parsePrint(line startLine: Int) throws(TemplateError) -> [Statement] {
        var outputs: [Statement] = []
        while current != .blockEnd {
            if !outputs.isEmpty { try expect(.comma) }
            outputs.append(.output(try parseExpression(), line: startLine))
        }
        return outputs
    }

    // MARK: - Macros

    private mutating func parseMacro(line startLine: Int) throws(TemplateError) -> Statement {
        let name = try expectName()
        let parameters = try parseParameters()
        let macro = try parseMacroBody(name: name, parameters: parameters, end: "endmacro", line: startLine)
        return .macro(macro, name: id(of: name))
    }

    private mutating func parseCallBlock(line startLine: Int) throws(TemplateError) -> Statement {
        let parameters = isAt(.leftParenthesis) ? try parseParameters() : []
        let call = try parseExpression()
        guard case .application(.call) = call.kind else { throw .syntax(message: "expected a call", line: startLine) }
        let caller = try parseMacroBody(name: "caller", parameters: parameters, end: "endcall", line: startLine)
        return .callBlock(call, caller: caller, line: startLine)
    }

    private mutating func parseMacroBody(
        name: String,
        parameters: [MacroDefinition.Parameter],
        end: String,
        line startLine: Int
    ) throws(TemplateError) -> MacroDefinition {
        beginReading()
        let body = try parseBody(inLoop: false, endingWith: [end])
        let read = endReading()
        advance()
        let ids = ["varargs", "kwargs", "caller"].map { name in
            let id = id(of: name)
            return read.contains(id) && !parameters.contains { $0.id == id } ? id : nil
        }
        return MacroDefinition(
            name: name,
            parameters: parameters,
            body: body,
            varargs: ids[0],
            kwargs: ids[1],
            caller: ids[2],
            line: startLine
        )
    }

    private mutating func parseParameters() throws(TemplateError) -> [MacroDefinition.Parameter] {
        var parameters: [MacroDefinition.Parameter] = []
        try expect(.leftParenthesis)
        while !isAt(.rightParenthesis) {
            if !parameters.isEmpty { try expect(.comma) }
            let name = try expectName()
            var defaultValue: Expression?
            if skip(.assign) {
                defaultValue = try parseExpression()
            } else if parameters.last?.defaultValue != nil {
                throw .syntax(message: "a parameter without default follows one with a default", line: line)
            }
            guard name != "caller" || defaultValue != nil else {
                throw .syntax(message: "the parameter 'caller' needs a default", line: line)
            }
            parameters.append(.init(name: name, id: id(of: name), defaultValue: defaultValue))
        }
        try expect(.rightParenthesis)
        return parameters
    }

    // MARK: - Targets

    /// Names and tuples of them; with `allowsAttributes` also attributes of namespaces.
    private mutating func parseTarget(allowsAttributes: Bool) throws(TemplateError) -> AssignmentTarget {
        try enter()
        defer { leave() }
        var targets: [AssignmentTarget] = []
        var isTuple = false
        while !isAt("in"), !isAt(.assign), !isAt(.rightParenthesis), current != .blockEnd {
            if skip(.leftParenthesis) {
                targets.append(try parseTarget(allowsAttributes: allowsAttributes))
                try expect(.rightParenthesis)
            } else {
                targets.append(try parseSingleTarget(allowsAttributes: allowsAttributes))
            }
            guard skip(.comma) else { break }
            isTuple = true
        }
        guard let first = targets.first else { throw unexpected("a name") }
        return isTuple ? .tuple(targets) : first
    }

    private mutating func parseSingleTarget(allowsAttributes: Bool) throws(TemplateError) -> AssignmentTarget {
        let name = try expectName()
        guard !["true", "false", "none", "True", "False", "None"].contains(name) else {
            throw .syntax(message: "'\(name)' can't be assigned to", line: line)
        }
        guard allowsAttributes, skip(.dot) else { return .name(id(of: name)) }
        return .attribute(of: id(of: name), try expectName())
    }
}
