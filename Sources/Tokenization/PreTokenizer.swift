// Cuts normalized text into words; merging never crosses their borders.

/// A sequence of cuts, each applied to the pieces that the ones before it left.
struct PreTokenizer: Sendable {
    enum Step: Sendable {
        case split(SplitPattern, SplitBehavior, isInverted: Bool)
        /// Before every occurrence of a mark, as SentencePiece's words begin with "▁".
        case splitBefore([UInt8])
    }

    /// What becomes of the matches of a pattern, as `tokenizers` names it.
    enum SplitBehavior: String, Sendable {
        /// Matches and what is between them are pieces of their own.
        case isolated = "Isolated"
        /// Matches are dropped.
        case removed = "Removed"
        case mergedWithPrevious = "MergedWithPrevious"
        case mergedWithNext = "MergedWithNext"
    }

    var steps: [Step]

    /// The words of `bytes[range]`, in order, none of them empty.
    func words(of bytes: [UInt8], in range: Range<Int>) -> [Range<Int>] {
        var pieces = range.isEmpty ? [] : [range]
        for step in steps {
            var next: [Range<Int>] = []
            next.reserveCapacity(pieces.count)
            switch step {
            case .split(let pattern, let behavior, let isInverted):
                var matcher = SplitPatternMatcher(pattern)
                for piece in pieces {
                    let parts = Self.parts(of: piece, in: bytes, matcher: &matcher, isInverted: isInverted)
                    Self.append(parts, behavior: behavior, to: &next)
                }
            case .splitBefore(let mark):
                for piece in pieces { Self.appendParts(of: piece, in: bytes, splitBefore: mark, to: &next) }
            }
            pieces = next
        }
        return pieces
    }

    private struct Part {
        let range: Range<Int>
        let isMatch: Bool
    }

    private static func parts(
        of piece: Range<Int>, in bytes: [UInt8], matcher: inout SplitPatternMatcher, isInverted: Bool
    ) -> [Part] {
        var parts: [Part] = []
        var gapStart = piece.lowerBound
        var position = piece.lowerBound
        while position < piece.upperBound {
            guard let end = matcher.matchEnd(in: bytes, from: position, to: piece.upperBound), end > position else {
                position += UTF8Text.scalar(at: position, in: bytes).width
                continue
            }
            if gapStart < position { parts.append(Part(range: gapStart..<position, isMatch: isInverted)) }
            parts.append(Part(range: position..<end, isMatch: !isInverted))
            position = end
            gapStart = end
        }
        if gapStart < piece.upperBound {
            parts.append(Part(range: gapStart..<piece.upperBound, isMatch: isInverted))
        }
        return parts
    }

    private static func append(_ parts: [Part], behavior: SplitBehavior, to words: inout [Range<Int>]) {
        switch behavior {
        case .isolated:
            words.append(contentsOf: parts.lazy.map(\.range))
        case .removed:
            words.append(contentsOf: parts.lazy.filter { !$0.isMatch }.map(\.range))
        case .mergedWithPrevious:
            var previousIsMatch = true
            for part in parts {
                if part.isMatch, !previousIsMatch, let last = words.popLast() {
                    words.append(last.lowerBound..<part.range.upperBound)
                } else {
                    words.append(part.range)
                }
                previousIsMatch = part.isMatch
            }
        case .mergedWithNext:
            var pendingStart: Int?
            for (index, part) in parts.enumerated() {
                let start = pendingStart ?? part.range.lowerBound
                pendingStart = nil
                if part.isMatch, index + 1 < parts.count, !parts[index + 1].isMatch {
                    pendingStart = start
                } else {
                    words.append(start..<part.range.upperBound)
                }
            }
        }
    }

    private static func appendParts(
        of piece: Range<Int>, in bytes: [UInt8], splitBefore mark: [UInt8], to words: inout [Range<Int>]
    ) {
        var start = piece.lowerBound
        for index in piece where index > start && bytes[index] == mark.first {
            guard bytes[index..<piece.upperBound].starts(with: mark) else { continue }
            words.append(start..<index)
            start = index
        }
        if start < piece.upperBound { words.append(start..<piece.upperBound) }
    }
}

extension PreTokenizer.Step {
    /// GPT-2's words (encoder.py), which are also those of byte-level pre-tokenization unless it is told otherwise.
    static func gpt2Words() throws(TokenizerError) -> Self {
        try isolated(#"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#)
    }

    /// The words that Llama 3 and Qwen have from OpenAI's cl100k, in which they differ by two places.
    static func cl100kWords(letters: String, digits: String) throws(TokenizerError) -> Self {
        try isolated(
            #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?["# + letters + "]+|" + digits
                + #"| ?[^\s"# + letters + #"\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#)
    }

    /// Qwen's, of the first generation and of 2 and 2.5.
    static func qwenWords() throws(TokenizerError) -> Self {
        try cl100kWords(letters: #"\p{L}"#, digits: #"\p{N}"#)
    }

    static func digits(individually: Bool) throws(TokenizerError) -> Self {
        try isolated(individually ? #"\p{N}"# : #"\p{N}+"#)
    }

    static func isolated(_ pattern: String) throws(TokenizerError) -> Self {
        .split(try SplitPattern(pattern), .isolated, isInverted: false)
    }
}
