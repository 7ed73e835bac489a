// Source to tokens, with Jinja's rules of whitespace: trim_blocks and lstrip_blocks are on, as Transformers has them.

/// Cuts a template into text and tags, and tags into words.
struct Lexer {
    /// Of the whole source, whose line breaks are all `\n`.
    let source: [UInt8]
    var position = 0
    var line = 1
    private(set) var tokens: [Token] = []
    /// Whether what was read last ended a line: then whitespace up to a block is indentation.
    private var isAtLineStart = true

    private enum Tag { case variable, block, comment, raw }
    private enum Sign { case none, minus, plus }

    private init(source: [UInt8]) {
        self.source = source
    }

    /// - Returns: The tokens, of which the last is `.end`.
    static func tokens(of source: String) throws(TemplateError) -> [Token] {
        var lexer = Lexer(source: normalized(source))
        try lexer.readAll()
        return lexer.tokens
    }

    /// Line breaks become `\n`; one at the very end is dropped.
    private static func normalized(_ source: String) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(source.utf8.count)
        var follows = false
        for byte in source.utf8 {
            if byte == UInt8(ascii: "\r") {
                bytes.append(UInt8(ascii: "\n"))
            } else if !(byte == UInt8(ascii: "\n") && follows) {
                bytes.append(byte)
            }
            follows = byte == UInt8(ascii: "\r")
        }
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        return bytes
    }

    // MARK: - Text and tags

    private mutating func readAll() throws(TemplateError) {
        while position < source.count {
            let start = position
            guard let tag = findTag() else {
                appendData(start..<source.count)
                position = source.count
                break
            }
            let textEnd = position
            position += 2
            let sign = readSign()
            appendText(start..<textEnd, sign: sign, isVariable: tag == .variable)
            isAtLineStart = false
            switch tag {
            case .comment: try skipComment()
            case .raw: try readRaw()
            case .variable:
                add(.variableBegin)
                try readWords(until: UInt8(ascii: "}"), end: .variableEnd)
            case .block:
                add(.blockBegin)
                try readWords(until: UInt8(ascii: "%"), end: .blockEnd)
            }
        }
        add(.end)
    }

    /// Moves to the next tag.
    private mutating func findTag() -> Tag? {
        while position + 1 < source.count {
            if source[position] == UInt8(ascii: "{") {
                switch source[position + 1] {
                case UInt8(ascii: "{"): return .variable
                case UInt8(ascii: "#"): return .comment
                case UInt8(ascii: "%"): return beginsRaw(at: position + 2) ? .raw : .block
                default: break
                }
            }
            position += 1
        }
        return nil
    }

    private mutating func readSign() -> Sign {
        switch peek() {
        case UInt8(ascii: "-"):
            position += 1
            return .minus
        case UInt8(ascii: "+"):
            position += 1
            return .plus
        default: return .none
        }
    }

    private mutating func appendText(_ range: Range<Int>, sign: Sign, isVariable: Bool) {
        var end = range.upperBound
        switch sign {
        case .minus:
            let text = Text(Array(source[range]), isTrusted: true)
            end = range.lowerBound + text.stripped(.right).bytes.count
        case .none where !isVariable:
            let lineStart = source[range].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 }
            let candidate = lineStart ?? range.lowerBound
            let isIndentation = Text(Array(source[candidate..<end]), isTrusted: true).stripped().isEmpty
            if lineStart != nil || isAtLineStart, isIndentation { end = candidate }
        default: break
        }
        appendData(range.lowerBound..<end)
        line += newlines(in: end..<range.upperBound)
    }

    private mutating func appendData(_ range: Range<Int>) {
        if !range.isEmpty { add(.data(Array(source[range]))) }
        line += newlines(in: range)
    }

    private func newlines(in range: Range<Int>) -> Int {
        source[range].reduce(0) { $1 == UInt8(ascii: "\n") ? $0 + 1 : $0 }
    }

    /// Whether `%}`, `}}` or `#}` with its sign stands here; if so, moves behind it and the whitespace that it takes.
    /// - Parameter first: The first of the two closing characters.
    private mutating func readTagEnd(_ first: UInt8) -> Bool {
        var next = position
        let sign = peek()
        let takesPlus = first != UInt8(ascii: "}")
        if sign == UInt8(ascii: "-") || (sign == UInt8(ascii: "+") && takesPlus) { next += 1 }
        guard next + 1 < source.count, source[next] == first, source[next + 1] == UInt8(ascii: "}") else {
            return false
        }
        position = next + 2
        if sign == UInt8(ascii: "-") {
            skipWhitespace()
        } else if sign == first, takesPlus, peek() == UInt8(ascii: "\n") {
            position += 1
            line += 1
        }
        isAtLineStart = source[position - 1] == UInt8(ascii: "\n")
        return true
    }

    private mutating func skipComment() throws(TemplateError) {
        let start = line
        while position < source.count {
            if readTagEnd(UInt8(ascii: "#")) { return }
            if source[position] == UInt8(ascii: "\n") { line += 1 }
            position += 1
        }
        throw .syntax(message: "a comment has no end", line: start)
    }

    // MARK: - Raw blocks

    /// Whether `raw %}` follows, with or without signs.
    private func beginsRaw(at start: Int) -> Bool {
        var copy = self
        copy.position = start
        _ = copy.readSign()
        return copy.readKeyword("raw") && copy.peekTagEnd()
    }

    private func peekTagEnd() -> Bool {
        var next = position
        if peek() == UInt8(ascii: "-") { next += 1 }
        return next + 1 < source.count && source[next] == UInt8(ascii: "%") && source[next + 1] == UInt8(ascii: "}")
    }

    private mutating func readKeyword(_ keyword: String) -> Bool {
        skipWhitespace()
        guard source[position...].starts(with: keyword.utf8) else { return false }
        position += keyword.utf8.count
        skipWhitespace()
        return true
    }

    private mutating func readRaw() throws(TemplateError) {
        let startLine = line
        _ = readKeyword("raw")
        // Unlike other blocks, this one keeps the line break behind it.
        if peek() == UInt8(ascii: "-") {
            position += 3
            skipWhitespace()
        } else {
            position += 2
        }
        isAtLineStart = source[position - 1] == UInt8(ascii: "\n")
        let start = position
        while position + 1 < source.count {
            if source[position] == UInt8(ascii: "{"), source[position + 1] == UInt8(ascii: "%") {
                var end = self
                end.position += 2
                let sign = end.readSign()
                if end.readKeyword("endraw"), end.readTagEnd(UInt8(ascii: "%")) {
                    let tagLines = newlines(in: position..<end.position)
                    appendText(start..<position, sign: sign, isVariable: false)
                    position = end.position
                    line += tagLines
                    isAtLineStart = end.isAtLineStart
                    return
                }
            }
            position += 1
        }
        throw .syntax(message: "a raw block has no end", line: startLine)
    }

    // MARK: - Words

    private mutating func readWords(until first: UInt8, end: Token.Kind) throws(TemplateError) {
        var brackets: [Token.Symbol] = []
        let startLine = line
        while true {
            skipWhitespace()
            guard position < source.count else {
                throw .syntax(message: "a tag has no end", line: startLine)
            }
            let endLine = line
            if brackets.isEmpty, readTagEnd(first) {
                tokens.append(Token(kind: end, line: endLine))
                return
            }
            let word = try readWord()
            tokens.append(Token(kind: word, line: endLine))
            guard case .symbol(let symbol) = word else { continue }
            switch symbol {
            case .leftBracket: brackets.append(.rightBracket)
            case .leftParenthesis: brackets.append(.rightParenthesis)
            case .leftBrace: brackets.append(.rightBrace)
            case .rightBracket, .rightParenthesis, .rightBrace:
                guard brackets.popLast() == symbol else {
                    throw .syntax(message: "unexpected '\(symbol.rawValue)'", line: line)
                }
            default: break
            }
        }
    }

    private mutating func add(_ kind: Token.Kind) {
        tokens.append(Token(kind: kind, line: line))
    }

    func peek(_ offset: Int = 0) -> UInt8? {
        position + offset < source.count ? source[position + offset] : nil
    }

    mutating func skipWhitespace() {
        while let byte = peek() {
            if byte < 0x80 {
                guard Unicode.Scalar(byte).isPythonSpace else { return }
                if byte == UInt8(ascii: "\n") { line += 1 }
                position += 1
            } else {
                guard case let next = scalar(at: position), next.scalar.isPythonSpace else { return }
                position = next.end
            }
        }
    }

    /// The scalar at an offset of the source, and the offset behind it.
    func scalar(at offset: Int) -> (scalar: Unicode.Scalar, end: Int) {
        let end = source[offset...].dropFirst().firstIndex { !Text.isContinuation($0) } ?? source.count
        let text = Text(Array(source[offset..<end]), isTrusted: true)
        return (text.scalar(at: 0).scalar, end)
    }
}
