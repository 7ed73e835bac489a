// Tokens that are found in text as they are written, before anything is cut or merged.

import Primitives

/// A token outside of the merging: a special one such as "<|im_end|>", or a piece of text that shall stay whole.
struct AddedToken: Sendable {
    let id: TokenID
    let content: [UInt8]
    var isSpecial = true
    /// Whether it is looked for in normalized text instead of in the text as it came.
    var isNormalized = false
    /// Whether white space before and after it is taken as part of it.
    var stripsLeft = false
    var stripsRight = false
    /// Whether it counts only with no word character beside it.
    var isSingleWord = false
}

/// Finds added tokens: from left to right, at each position the longest.
struct AddedTokenMatcher: Sendable {
    struct Match {
        let range: Range<Int>
        let id: TokenID
    }

    private let tokens: [AddedToken]
    /// A trie: the child of each (node, byte), and for each node the index of the token that ends there, or -1.
    private var children: [UInt64: Int32] = [:]
    private var tokenAtNode: [Int32] = [-1]
    private var startsToken = [Bool](repeating: false, count: 256)

    var isEmpty: Bool { tokens.isEmpty }

    init(_ tokens: [AddedToken]) {
        self.tokens = tokens
        for (index, token) in tokens.enumerated() where !token.content.isEmpty {
            var node: Int32 = 0
            for byte in token.content { node = addChild(of: node, byte) }
            tokenAtNode[Int(node)] = Int32(truncatingIfNeeded: index)
            startsToken[Int(token.content[0])] = true
        }
    }

    /// - Parameters:
    ///   - range: where to look; nothing outside of it is seen.
    ///   - trusted: in order and apart from each other, the stretches in which special tokens count.
    /// - Returns: matches in order, without overlap.
    func matches(in bytes: [UInt8], _ range: Range<Int>, trusted: [Range<Int>]) -> [Match] {
        guard !tokens.isEmpty else { return [] }
        var matches: [Match] = []
        var end = range.lowerBound
        var position = range.lowerBound
        var trustedIndex = 0
        while position < range.upperBound {
            guard startsToken[Int(bytes[position])] else {
                position += 1
                continue
            }
            while trustedIndex < trusted.count, trusted[trustedIndex].upperBound <= position { trustedIndex += 1 }
            var trustedEnd = position
            if trustedIndex < trusted.count, trusted[trustedIndex].contains(position) {
                trustedEnd = trusted[trustedIndex].upperBound
            }
            guard let token = longestToken(in: bytes, at: position, to: range.upperBound, trustedEnd: trustedEnd) else {
                position += 1
                continue
            }
            let found = position..<(position + token.content.count)
            position = found.upperBound
            if token.isSingleWord, !isSingleWord(found, in: bytes, range) { continue }
            let extended = extend(found, of: token, in: bytes, range, notBefore: end)
            // White space may have been taken by the token before.
            guard extended.lowerBound >= end else { continue }
            matches.append(Match(range: extended, id: token.id))
            end = extended.upperBound
        }
        return matches
    }

    private mutating func addChild(of node: Int32, _ byte: UInt8) -> Int32 {
        let key = Self.key(node, byte)
        if let child = children[key] { return child }
        let child = Int32(truncatingIfNeeded: tokenAtNode.count)
        children[key] = child
        tokenAtNode.append(-1)
        return child
    }

    private static func key(_ node: Int32, _ byte: UInt8) -> UInt64 {
        UInt64(UInt32(bitPattern: node)) << 8 | UInt64(byte)
    }

    private func longestToken(in bytes: [UInt8], at start: Int, to end: Int, trustedEnd: Int) -> AddedToken? {
        var node: Int32 = 0
        var longest: AddedToken?
        for index in start..<end {
            guard let child = children[Self.key(node, bytes[index])] else { break }
            node = child
            let token = tokenAtNode[Int(node)]
            if token >= 0, !tokens[Int(token)].isSpecial || index < trustedEnd { longest = tokens[Int(token)] }
        }
        return longest
    }

    private func isSingleWord(_ found: Range<Int>, in bytes: [UInt8], _ range: Range<Int>) -> Bool {
        if found.lowerBound > range.lowerBound,
            ScalarSet.word.contains(UTF8Text.scalar(before: found.lowerBound, in: bytes).value)
        {
            return false
        }
        return found.upperBound == range.upperBound
            || !ScalarSet.word.contains(UTF8Text.scalar(at: found.upperBound, in: bytes).value)
    }

    private func extend(
        _ found: Range<Int>, of token: AddedToken, in bytes: [UInt8], _ range: Range<Int>, notBefore end: Int
    ) -> Range<Int> {
        var (lower, upper) = (found.lowerBound, found.upperBound)
        while token.stripsLeft, lower > end {
            let (scalar, width) = UTF8Text.scalar(before: lower, in: bytes)
            guard ScalarSet.whitespace.contains(scalar) else { break }
            lower -= width
        }
        while token.stripsRight, upper < range.upperBound {
            let (scalar, width) = UTF8Text.scalar(at: upper, in: bytes)
            guard ScalarSet.whitespace.contains(scalar) else { break }
            upper += width
        }
        return lower..<upper
    }
}
