// From the text of a pattern to its syntax tree.

/// How often a part of a pattern repeats.
struct RepetitionRange: Sendable {
    let minimum: Int
    /// nil: without end. Never less than `minimum`.
    let maximum: Int?
}

/// The syntax tree of a pattern.
indirect enum PatternNode {
    case empty
    case scalar(ScalarSet)
    case lookahead(ScalarSet, isNegated: Bool)
    case sequence([PatternNode])
    case alternatives([PatternNode])
    case repetition(PatternNode, RepetitionRange, isGreedy: Bool)
}

/// Reads literals, classes, groups, `(?i:…)`, alternatives, repetitions, `$` and lookahead over one scalar. Anything
/// else is an error, never a guess: a tokenizer that splits differently makes a model worse without a sign.
struct SplitPatternParser {
    private let pattern: String
    private let scalars: [UInt32]
    private var position = 0
    private var depth = 0
    private var ignoresCase = false

    private static let depthLimit = 32
    private static let repetitionLimit = 1000

    init(_ pattern: String) {
        self.pattern = pattern
        scalars = pattern.unicodeScalars.map(\.value)
    }

    mutating func parse() throws(TokenizerError) -> PatternNode {
        let node = try parseAlternatives()
        guard position == scalars.count else { throw unsupported("an unmatched ')'") }
        return node
    }

    // MARK: - Structure

    private mutating func parseAlternatives() throws(TokenizerError) -> PatternNode {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthLimit else { throw unsupported("groups are nested too deeply") }
        var alternatives: [PatternNode] = [try parseSequence()]
        while take("|") { alternatives.append(try parseSequence()) }
        return alternatives.count == 1 ? alternatives[0] : .alternatives(alternatives)
    }

    private mutating func parseSequence() throws(TokenizerError) -> PatternNode {
        var nodes: [PatternNode] = []
        while position < scalars.count, !isNext("|"), !isNext(")") {
            nodes.append(try parseRepetitions(of: try parseAtom()))
        }
        return nodes.isEmpty ? .empty : .sequence(nodes)
    }

    private mutating func parseRepetitions(of atom: PatternNode) throws(TokenizerError) -> PatternNode {
        guard let range = try parseRange() else { return atom }
        if case .lookahead = atom { throw unsupported("a repeated lookahead") }
        let isGreedy = !take("?")
        guard !isNext("+"), !isNext("*"), !isNext("?"), !isNext("{") else {
            throw unsupported("a possessive or repeated repetition")
        }
        return .repetition(atom, range, isGreedy: isGreedy)
    }

    private mutating func parseRange() throws(TokenizerError) -> RepetitionRange? {
        if take("?") { return RepetitionRange(minimum: 0, maximum: 1) }
        if take("*") { return RepetitionRange(minimum: 0, maximum: nil) }
        if take("+") { return RepetitionRange(minimum: 1, maximum: nil) }
        guard take("{") else { return nil }
        let minimum = try parseCount()
        var maximum: Int? = minimum
        if take(",") { maximum = isNext("}") ? nil : try parseCount() }
        guard take("}"), maximum.map({ $0 >= minimum }) ?? true else { throw unsupported("a malformed repetition") }
        return RepetitionRange(minimum: minimum, maximum: maximum)
    }

    private mutating func parseCount() throws(TokenizerError) -> Int {
        var count = 0
        let start = position
        while position < scalars.count, (0x30...0x39).contains(scalars[position]), count <= Self.repetitionLimit {
            count = count * 10 + Int(scalars[position] - 0x30)
            position += 1
        }
        guard position > start, count <= Self.repetitionLimit else { throw unsupported("a malformed repetition") }
        return count
    }

    private mutating func parseAtom() throws(TokenizerError) -> PatternNode {
        if take("(") { return try parseGroup() }
        if isNext("[") || isNext("\\") || isNext(".") { return .scalar(try parseSet()) }
        // In Ruby's syntax, which the reference uses, a line's end.
        if take("$") { return .lookahead(ScalarSet(0x0A...0x0A).negated, isNegated: true) }
        if isNext("^") { throw unsupported("'^'") }
        if isNext("*") || isNext("+") || isNext("?") || isNext("{") { throw unsupported("a repetition of nothing") }
        defer { position += 1 }
        return .scalar(literal(scalars[position]))
    }

    /// After the opening parenthesis.
    private mutating func parseGroup() throws(TokenizerError) -> PatternNode {
        let outerIgnoresCase = ignoresCase
        defer { ignoresCase = outerIgnoresCase }
        if take("?=") || isNext("?!") {
            let isNegated = take("?!")
            let set = try parseSet()
            guard take(")") else { throw unsupported("lookahead over more than one character") }
            return .lookahead(set, isNegated: isNegated)
        }
        if take("?i:") {
            ignoresCase = true
        } else if !take("?:"), isNext("?") {
            throw unsupported("a group of an unknown kind")
        }
        let node = try parseAlternatives()
        guard take(")") else { throw unsupported("an unmatched '('") }
        return node
    }

    // MARK: - Sets

    private mutating func parseSet() throws(TokenizerError) -> ScalarSet {
        if take("[") { return try parseClass() }
        if take(".") { return ScalarSet(0x0A...0x0A).negated }
        guard isNext("\\") else {
            guard position < scalars.count else { throw unsupported("it ends too early") }
            defer { position += 1 }
            return literal(scalars[position])
        }
        switch try parseEscape() {
        case .scalar(let scalar): return literal(scalar)
        case .set(let set): return set
        }
    }

    /// After the opening bracket.
    private mutating func parseClass() throws(TokenizerError) -> ScalarSet {
        let isNegated = take("^")
        var sets: [ScalarSet] = []
        while !take("]") {
            guard position < scalars.count else { throw unsupported("an unmatched '['") }
            guard !isNext("["), !isNext("&&") else { throw unsupported("a class within a class") }
            switch try parseClassMember() {
            case .set(let set): sets.append(set)
            case .scalar(let first):
                guard isNext("-"), !isNext("-]"), position + 1 < scalars.count else {
                    sets.append(literal(first))
                    continue
                }
                position += 1
                guard case .scalar(let last) = try parseClassMember(), first <= last, !ignoresCase else {
                    throw unsupported("a malformed range of characters")
                }
                sets.append(ScalarSet(first...last))
            }
        }
        let union = ScalarSet(unionOf: sets)
        return isNegated ? union.negated : union
    }

    private enum ClassMember {
        case scalar(UInt32)
        case set(ScalarSet)
    }

    private mutating func parseClassMember() throws(TokenizerError) -> ClassMember {
        if isNext("\\") { return try parseEscape() }
        defer { position += 1 }
        return .scalar(scalars[position])
    }

    private mutating func parseEscape() throws(TokenizerError) -> ClassMember {
        position += 1
        guard position < scalars.count, let escaped = Unicode.Scalar(scalars[position]) else {
            throw unsupported("it ends too early")
        }
        position += 1
        switch escaped {
        case "n": return .scalar(0x0A)
        case "r": return .scalar(0x0D)
        case "t": return .scalar(0x09)
        case "f": return .scalar(0x0C)
        case "v": return .scalar(0x0B)
        case "s": return .set(.whitespace)
        case "S": return .set(ScalarSet.whitespace.negated)
        case "d": return .set(ScalarSet(.decimalNumber))
        case "D": return .set(ScalarSet(.decimalNumber).negated)
        case "p": return .set(try parseProperty())
        case "P": return .set(try parseProperty().negated)
        case "0"..."9", "a"..."z", "A"..."Z": throw unsupported("the escape '\\\(escaped)'")
        default: return .scalar(escaped.value)
        }
    }

    /// The name in braces after `\p`.
    private mutating func parseProperty() throws(TokenizerError) -> ScalarSet {
        guard take("{") else { throw unsupported("a malformed property") }
        let isNegated = take("^")
        var name = ""
        while position < scalars.count, !isNext("}"), name.utf8.count < 32 {
            if let scalar = Unicode.Scalar(scalars[position]) { name.unicodeScalars.append(scalar) }
            position += 1
        }
        guard take("}"), let categories = CategorySet.named[name] else { throw unsupported("the property '\(name)'") }
        let set = ScalarSet(categories)
        return isNegated ? set.negated : set
    }

    /// One scalar, or what it is equal to without case. Beyond ASCII letters only two scalars fold to one of them.
    private func literal(_ scalar: UInt32) -> ScalarSet {
        let single = ScalarSet(scalar...scalar)
        let letter = scalar | 0x20
        guard ignoresCase, (0x61...0x7A).contains(letter) else { return single }
        var members = [ScalarSet(letter...letter), ScalarSet((letter - 0x20)...(letter - 0x20))]
        if letter == 0x73 { members.append(ScalarSet(0x17F...0x17F)) }
        if letter == 0x6B { members.append(ScalarSet(0x212A...0x212A)) }
        return ScalarSet(unionOf: members)
    }

    // MARK: - Scanning

    private func isNext(_ text: String) -> Bool {
        scalars[position...].starts(with: text.unicodeScalars.lazy.map(\.value))
    }

    private mutating func take(_ text: String) -> Bool {
        guard isNext(text) else { return false }
        position += text.unicodeScalars.count
        return true
    }

    private func unsupported(_ reason: String) -> TokenizerError {
        .unsupportedPattern(pattern: pattern, reason: "\(reason), near character \(position)")
    }
}
