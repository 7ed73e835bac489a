// The syntax of the patterns that name modules.

/// A pattern as a tree.
indirect enum PatternNode {
    case one(ScalarTest)
    case start, end
    case sequence([PatternNode])
    case choice(PatternNode, PatternNode)
    case repeated(PatternNode, least: Int, most: Int?)
}

/// Reads a pattern by recursive descent, of bounded depth.
struct PatternParser {
    private var rest: Substring.UnicodeScalarView
    private var depth = 0

    private static let longest = 1024
    private static let deepest = 32
    private static let mostRepetitions = 64

    init(_ source: String) {
        rest = source[...].unicodeScalars
    }

    /// The whole pattern.
    mutating func pattern() throws(PatternError) -> PatternNode {
        guard rest.count <= Self.longest else { throw PatternError("it is longer than \(Self.longest) characters") }
        let node = try alternatives()
        guard rest.isEmpty else { throw PatternError("a ')' closes nothing") }
        return node
    }

    private mutating func alternatives() throws(PatternError) -> PatternNode {
        let first = try sequence()
        guard rest.first == "|" else { return first }
        rest.removeFirst()
        return .choice(first, try alternatives())
    }

    private mutating func sequence() throws(PatternError) -> PatternNode {
        var nodes: [PatternNode] = []
        while let scalar = rest.first, scalar != "|", scalar != ")" {
            nodes.append(try repetition(of: try atom()))
        }
        return .sequence(nodes)
    }

    private mutating func atom() throws(PatternError) -> PatternNode {
        switch rest.removeFirst() {
        case "(": return try group()
        case "[": return .one(try characterClass())
        case ".": return .one(.any)
        case "^": return .start
        case "$": return .end
        case "\\": return .one(try escape())
        case let scalar where "*+?{".unicodeScalars.contains(scalar):
            throw PatternError("a '\(scalar)' repeats nothing")
        case let scalar: return .one(ScalarTest(ranges: [scalar...scalar]))
        }
    }

    private mutating func group() throws(PatternError) -> PatternNode {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.deepest else { throw PatternError("its groups are nested too deeply") }
        if rest.first == "?" {
            guard rest.starts(with: "?:".unicodeScalars) else {
                throw PatternError("groups that begin with '(?' are not supported, except '(?:'")
            }
            rest.removeFirst(2)
        }
        let node = try alternatives()
        guard rest.first == ")" else { throw PatternError("a '(' is not closed") }
        rest.removeFirst()
        return node
    }

    private mutating func escape() throws(PatternError) -> ScalarTest {
        guard let scalar = rest.popFirst(), let test = ScalarTest(escape: scalar) else {
            throw PatternError("it has an escape other than \\d, \\w, \\s and punctuation")
        }
        return test
    }

    private mutating func characterClass() throws(PatternError) -> ScalarTest {
        var test = ScalarTest(ranges: [], isNegated: rest.first == "^")
        if test.isNegated { rest.removeFirst() }
        var isFirst = true
        while let scalar = rest.popFirst() {
            if scalar == "]", !isFirst { return test }
            isFirst = false
            if scalar == "\\" {
                let escaped = try escape()
                guard !escaped.isNegated else { throw PatternError("a negated escape stands in a class") }
                test.ranges += escaped.ranges
            } else if rest.first == "-", let last = rest.dropFirst().first, last != "]" {
                rest.removeFirst(2)
                guard scalar <= last, last != "\\" else { throw PatternError("a class has a range that is none") }
                test.ranges.append(scalar...last)
            } else {
                test.ranges.append(scalar...scalar)
            }
        }
        throw PatternError("a '[' is not closed")
    }

    private mutating func repetition(of node: PatternNode) throws(PatternError) -> PatternNode {
        let counts: (least: Int, most: Int?)
        switch rest.first {
        case "*": counts = (0, nil)
        case "+": counts = (1, nil)
        case "?": counts = (0, 1)
        case "{":
            guard let close = rest.firstIndex(of: "}") else { throw PatternError("a '{' is not closed") }
            let text = String(rest[..<close].dropFirst())
            rest = rest[close...]
            counts = try Self.counts(text)
        default: return node
        }
        rest.removeFirst()
        // Taking as few as possible changes what a group captures, not whether the whole matches.
        if rest.first == "?" { rest.removeFirst() }
        return .repeated(node, least: counts.least, most: counts.most)
    }

    /// `m`, `m,` or `m,n`.
    private static func counts(_ text: String) throws(PatternError) -> (Int, Int?) {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let limits = 0...mostRepetitions
        guard (1...2).contains(parts.count), let least = Int(parts[0]), limits.contains(least) else {
            throw PatternError("a repetition is not {m}, {m,} or {m,n} of at most \(mostRepetitions)")
        }
        guard parts.count == 2 else { return (least, least) }
        guard !parts[1].isEmpty else { return (least, nil) }
        guard let most = Int(parts[1]), limits.contains(most), most >= least else {
            throw PatternError("a repetition is not {m}, {m,} or {m,n} of at most \(mostRepetitions)")
        }
        return (least, most)
    }
}
