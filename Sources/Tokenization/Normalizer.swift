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
        var composed: [UInt8] = []
        composed.reserveCapacity(text.count)
        for scalar in String(decoding: text, as: UTF8.self)._nfc {
            composed.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        }
        return composed
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
