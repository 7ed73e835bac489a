// Finding, cutting and replacing within strings, in linear time whatever is sought in whatever.

extension Text {
    /// Where `needle` first begins within `range`; an empty one is found at once.
    func firstOffset(of needle: Text, in range: Range<Int>) -> Int? {
        offsets(of: needle, in: range, limit: 1).first
    }

    /// Where `needle` last begins within `range`.
    func lastOffset(of needle: Text, in range: Range<Int>) -> Int? {
        guard !needle.isEmpty else { return range.upperBound }
        return lastOffsets(of: needle, in: range, limit: 1).first
    }

    /// Where `needle` begins, from the left and without overlaps; an empty one is found at the start alone.
    ///
    /// Knuth, Morris, Pratt: "Fast Pattern Matching in Strings", 1977. Both strings may come from a client, so that
    /// a search that is only usually fast would be a gift.
    func offsets(of needle: Text, in range: Range<Int>, limit: Int = .max) -> [Int] {
        guard !needle.isEmpty else { return [range.lowerBound] }
        guard needle.bytes.count <= range.count, limit > 0 else { return [] }
        let pattern = needle.bytes
        let fallback = Self.fallbackTable(of: pattern)
        var found: [Int] = []
        var matched = 0
        for position in range {
            while matched > 0, bytes[position] != pattern[matched] { matched = fallback[matched - 1] }
            if bytes[position] == pattern[matched] { matched += 1 }
            if matched == pattern.count {
                found.append(position + 1 - matched)
                if found.count == limit { break }
                matched = 0
            }
        }
        return found
    }

    /// As `offsets`, from the right: the last one comes first.
    func lastOffsets(of needle: Text, in range: Range<Int>, limit: Int = .max) -> [Int] {
        guard !needle.isEmpty, needle.bytes.count <= range.count, limit > 0 else { return [] }
        let pattern = Array(needle.bytes.reversed())
        let fallback = Self.fallbackTable(of: pattern)
        var found: [Int] = []
        var matched = 0
        for position in range.reversed() {
            while matched > 0, bytes[position] != pattern[matched] { matched = fallback[matched - 1] }
            if bytes[position] == pattern[matched] { matched += 1 }
            if matched == pattern.count {
                found.append(position)
                if found.count == limit { break }
                matched = 0
            }
        }
        return found
    }

    /// For each prefix of the pattern, the length of its longest proper prefix that is a suffix too.
    private static func fallbackTable(of pattern: [UInt8]) -> [Int] {
        var table = [Int](repeating: 0, count: pattern.count)
        var length = 0
        for index in pattern.indices.dropFirst() {
            while length > 0, pattern[index] != pattern[length] { length = table[length - 1] }
            if pattern[index] == pattern[length] { length += 1 }
            table[index] = length
        }
        return table
    }

    func hasPrefix(_ prefix: Text) -> Bool { bytes.starts(with: prefix.bytes) }

    func hasSuffix(_ suffix: Text) -> Bool {
        bytes.count >= suffix.bytes.count && bytes.suffix(suffix.bytes.count) == suffix.bytes[...]
    }

    // MARK: - Cutting

    enum Side { case left, right, both }

    /// Without the scalars of `set` at its ends; nil means whitespace.
    func stripped(of set: Text? = nil, _ side: Side = .both) -> Text {
        let scalars = set.map { Set($0.scalars) }
        func isDropped(_ scalar: Unicode.Scalar) -> Bool {
            scalars?.contains(scalar) ?? scalar.isPythonSpace
        }
        var start = 0
        var end = bytes.count
        while side != .right, start < end {
            let next = scalar(at: start)
            guard isDropped(next.scalar) else { break }
            start = next.end
        }
        while side != .left, end > start {
            let last = scalar(before: end)
            guard isDropped(last.scalar) else { break }
            end = last.start
        }
        return start == 0 && end == bytes.count ? self : self[start..<end]
    }

    /// The parts between the places where `separator`, which is not empty, stands.
    func split(by separator: Text, limit: Int, fromRight: Bool = false) -> [Text] {
        let whole = 0..<bytes.count
        let offsets =
            fromRight
            ? lastOffsets(of: separator, in: whole, limit: limit).reversed()
            : self.offsets(of: separator, in: whole, limit: limit)
        var parts: [Text] = []
        var start = 0
        for offset in offsets {
            parts.append(self[start..<offset])
            start = offset + separator.bytes.count
        }
        parts.append(self[start..<bytes.count])
        return parts
    }

    /// The words between stretches of whitespace; behind `limit` words the rest is one piece.
    func words(limit: Int) -> [Text] {
        var words: [Text] = []
        var position = 0
        while true {
            while position < bytes.count, case let next = scalar(at: position), next.scalar.isPythonSpace {
                position = next.end
            }
            guard position < bytes.count else { return words }
            guard words.count < limit else {
                words.append(self[position..<bytes.count])
                return words
            }
            let start = position
            while position < bytes.count, case let next = scalar(at: position), !next.scalar.isPythonSpace {
                position = next.end
            }
            words.append(self[start..<position])
        }
    }

    /// As `words`, cut from the right.
    func wordsFromRight(limit: Int) -> [Text] {
        var words: [Text] = []
        var position = bytes.count
        while true {
            while position > 0, case let last = scalar(before: position), last.scalar.isPythonSpace {
                position = last.start
            }
            guard position > 0 else { break }
            guard words.count < limit else {
                words.append(self[0..<position])
                break
            }
            let end = position
            while position > 0, case let last = scalar(before: position), !last.scalar.isPythonSpace {
                position = last.start
            }
            words.append(self[position..<end])
        }
        return words.reversed()
    }

    func lines(keepEnds: Bool = false) -> [Text] {
        var lines: [Text] = []
        var start = 0
        var position = 0
        while position < bytes.count {
            let next = scalar(at: position)
            guard next.scalar.isPythonLineBreak else {
                position = next.end
                continue
            }
            var end = next.end
            if next.scalar == "\r", end < bytes.count, bytes[end] == UInt8(ascii: "\n") { end += 1 }
            lines.append(self[start..<(keepEnds ? end : position)])
            start = end
            position = end
        }
        if start < bytes.count { lines.append(self[start..<bytes.count]) }
        return lines
    }

    // MARK: - Joining

    /// Where replacements of `old` go; an empty one is found at every scalar and at the end.
    func places(of old: Text, limit: Int) -> [Int] {
        old.isEmpty ? Array(scalarOffsets.prefix(limit)) : offsets(of: old, in: 0..<bytes.count, limit: limit)
    }

    /// - Parameter places: As `places(of:limit:)` gives them, for a text of `count` bytes.
    func replacing(at places: [Int], count: Int, with new: Text) -> Text {
        var result = Text()
        var start = 0
        for offset in places {
            result.append(self[start..<offset])
            result.append(new)
            start = offset + count
        }
        result.append(self[start..<bytes.count])
        result.isMarkup = isMarkup
        return result
    }

    func padded(left: Int, right: Int, with fill: Text) -> Text {
        var result = fill.repeated(left)
        result.append(self)
        result.append(fill.repeated(right))
        result.isMarkup = isMarkup
        return result
    }

    func repeated(_ count: Int) -> Text {
        var result = Text()
        for _ in 0..<max(0, isEmpty ? 0 : count) { result.append(self) }
        result.isMarkup = isMarkup
        return result
    }

    /// For HTML, as the package markupsafe does; Markup is so already.
    var escaped: Text {
        guard !isMarkup else { return self }
        var result = Text()
        for run in runs {
            var piece: [UInt8] = []
            for byte in bytes[run.range] {
                switch byte {
                case UInt8(ascii: "&"): piece.append(contentsOf: "&amp;".utf8)
                case UInt8(ascii: "<"): piece.append(contentsOf: "&lt;".utf8)
                case UInt8(ascii: ">"): piece.append(contentsOf: "&gt;".utf8)
                case UInt8(ascii: "'"): piece.append(contentsOf: "&#39;".utf8)
                case UInt8(ascii: "\""): piece.append(contentsOf: "&#34;".utf8)
                default: piece.append(byte)
                }
            }
            result.append(bytes: piece[...], isTrusted: run.isTrusted)
        }
        result.isMarkup = true
        return result
    }
}
