// Tokens to statements, by recursive descent: the grammar is Jinja's, down to its peculiarities.

/// What a template says.
struct ParsedTemplate: Sendable {
    let statements: [Statement]
    /// Every name that the template mentions; a `NameID` is a position here.
    let names: [String]
}

struct Parser {
    private let tokens: [Token]
    private var position = 0
    private var nesting = 0
    private var loopDepth = 0
    private(set) var names: [String] = []
    private var nameIDs: [String: NameID] = [:]
    /// Which names were read within each open loop and macro, the innermost last.
    private var readNames: [Set<NameID>] = [[]]

    /// The parser, the interpreter and the release of the tree recurse this deep on the smallest stack of a thread.
    static let greatestNesting = 100

    init(tokens: [Token]) {
        self.tokens = tokens
    }

    static func parse(_ source: String) throws(TemplateError) -> ParsedTemplate {
        var parser = Parser(tokens: try Lexer.tokens(of: source))
        let statements = try parser.parseBody(endingWith: [])
        return ParsedTemplate(statements: statements, names: parser.names)
    }

    // MARK: - Tokens

    var current: Token.Kind { tokens[position].kind }
    var line: Int { tokens[position].line }

    func next(_ offset: Int = 1) -> Token.Kind {
        tokens[min(position + offset, tokens.count - 1)].kind
    }

    mutating func advance() {
        position = min(position + 1, tokens.count - 1)
    }

    func isAt(_ name: String) -> Bool { current == .name(name) }
    func isAt(_ symbol: Token.Symbol) -> Bool { current == .symbol(symbol) }

    mutating func skip(_ name: String) -> Bool {
        guard isAt(name) else { return false }
        advance()
        return true
    }

    mutating func skip(_ symbol: Token.Symbol) -> Bool {
        guard isAt(symbol) else { return false }
        advance()
        return true
    }

    mutating func expect(_ symbol: Token.Symbol) throws(TemplateError) {
        guard skip(symbol) else { throw unexpected("'\(symbol.rawValue)'") }
    }

    mutating func expect(_ keyword: String) throws(TemplateError) {
        guard skip(keyword) else { throw unexpected("'\(keyword)'") }
    }

    mutating func expect(_ kind: Token.Kind) throws(TemplateError) {
        guard current == kind else { throw unexpected(kind.description) }
        advance()
    }

    mutating func expectName() throws(TemplateError) -> String {
        guard case .name(let name) = current else { throw unexpected("a name") }
        advance()
        return name
    }

    func unexpected(_ wanted: String) -> TemplateError {
        .syntax(message: "expected \(wanted) but found \(current.description)", line: line)
    }

    // MARK: - Bookkeeping

    mutating func id(of name: String) -> NameID {
        if let id = nameIDs[name] { return id }
        names.append(name)
        nameIDs[name] = names.count - 1
        return names.count - 1
    }

    /// - Returns: The id of a name whose value is wanted.
    mutating func idForReading(_ name: String) -> NameID {
        let id = id(of: name)
        readNames[readNames.count - 1].insert(id)
        return id
    }

    /// Notes the names read from here to `endReading`.
    mutating func beginReading() { readNames.append([]) }

    mutating func endReading() -> Set<NameID> {
        let read = readNames.removeLast()
        readNames[readNames.count - 1].formUnion(read)
        return read
    }

    /// To be called where the grammar recurses, with `leave` at the end.
    mutating func enter() throws(TemplateError) {
        nesting += 1
        guard nesting <= Self.greatestNesting else {
            throw .limitExceeded(.nesting(Self.greatestNesting), line: line)
        }
    }

    mutating func leave() { nesting -= 1 }

    /// Within a loop's body `break` and `continue` are allowed; within a macro's no longer.
    mutating func parseBody(inLoop: Bool, endingWith ends: [String]) throws(TemplateError) -> [Statement] {
        let outer = loopDepth
        loopDepth = inLoop ? outer + 1 : 0
        defer { loopDepth = outer }
        return try parseBlockBody(endingWith: ends)
    }

    var isInLoop: Bool { loopDepth > 0 }

    // MARK: - Bodies

    /// The rest of a tag and what follows it, to one of the tags `ends`, whose name is then the current token.
    mutating func parseBlockBody(endingWith ends: [String]) throws(TemplateError) -> [Statement] {
        _ = skip(.colon)
        try expect(.blockEnd)
        let startLine = line
        let body = try parseBody(endingWith: ends)
        guard current != .end else {
            throw .syntax(message: "the template ends before '\(ends.last ?? "")'", line: startLine)
        }
        return body
    }

    private mutating func parseBody(endingWith ends: [String]) throws(TemplateError) -> [Statement] {
        try enter()
        defer { leave() }
        var statements: [Statement] = []
        while true {
            switch current {
            case .end: return statements
            case .data(let bytes):
                statements.append(.data(Text(bytes, isTrusted: true)))
                advance()
            case .variableBegin:
                let startLine = line
                advance()
                statements.append(.output(try parseTuple(), line: startLine))
                try expect(.variableEnd)
            case .blockBegin:
                advance()
                if case .name(let name) = current, ends.contains(name) { return statements }
                statements += try parseStatement()
                try expect(.blockEnd)
            default: throw unexpected("a tag")
            }
        }
    }
}
