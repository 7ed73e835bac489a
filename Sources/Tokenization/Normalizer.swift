// What happens to text before it is cut into words.

@_spi(_Unicode) import Swift

/// Steps that rewrite ordinary text (never special tokens): Unicode's composed form, or SentencePiece's marks for
/// spaces.
struct Normalizer: Sendable {
    enum Step: Sendable {
        /// Canonical composition (NFC).
        case composition
        /// Text put before any text that is not empty.
        case prepend([UInt8])
        case prependUnlessPresent([UInt8])
        /// Every occurrence of the first replaced by the second; the first is not empty.
        case replace([UInt8], [UInt8])
    }

    var steps: [Step]

    var isIdentity: Bool { steps.isEmpty }

    func normalize(_ bytes: [UInt8]) -> [UInt8] {
        steps.reduce(bytes) { text, step in
            switch step {
            case .composition: Self.compose(text)
            case .prepend(let prefix): text.isEmpty ? text : prefix + text
            case .prependUnlessPresent(let prefix): text.isEmpty || text.starts(with: prefix) ? text : prefix + text
            case .replace(let old, let new): Self.replace(old, by: new, in: text)
            }
        }
    }

    private static func compose(_ text: [UInt8]) -> [UInt8] {
        // All scalars below U+0300, whose UTF-8 starts with a byte below 0xCC, are composed and stay as they are.
        guard text.contains(where: { $0 >= 0xCC }) else { return text }
        var scalars = Array(String(decoding: text, as: UTF8.self).unicodeScalars)
        orderMarks(in: &scalars)
        var ordered = String.UnicodeScalarView()
        ordered.append(contentsOf: scalars)
        var composed: [UInt8] = []
        composed.reserveCapacity(text.count)
        for scalar in String(ordered)._nfc {
            composed.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        }
        return composed
    }

    /// Brings combining marks into canonical order. The standard library would do it too, but by insertion, which takes
    /// minutes for a million marks in the worst order.
    private static func orderMarks(in scalars: inout [Unicode.Scalar]) {
        var run: [(combiningClass: UInt8, index: Int, scalar: Unicode.Scalar)] = []
        for index in 0...scalars.count {
            if index < scalars.count, scalars[index].value >= 0x300 {
                let combiningClass = scalars[index].properties.canonicalCombiningClass.rawValue
                if combiningClass != 0 {
                    run.append((combiningClass, index, scalars[index]))
                    continue
                }
            }
            guard !run.isEmpty else { continue }
            let start = index - run.count
            run.sort { ($0.combiningClass, $0.index) < ($1.combiningClass, $1.index) }
            for (offset, mark) in run.enumerated() { scalars[start + offset] = mark.scalar }
            run.removeAll(keepingCapacity: true)
        }
    }

    private static func replace(_ old: [UInt8], by new: [UInt8], in text: [UInt8]) -> [UInt8] {
        guard let first = old.first else { return text }
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            if text[index] == first, text[index...].starts(with: old) {
                result.append(contentsOf: new)
                index += old.count
            } else {
                result.append(text[index])
                index += 1
            }
        }
        return result
    }
}
