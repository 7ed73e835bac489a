// The tokenizer of first-generation Qwen: a vocabulary in tiktoken's format, and all else as its code has it
// (tokenization_qwen.py).

internal import Primitives

extension TokenizerDefinition {
    /// - Parameter bytes: Lines of a token in base64 and its rank, which is its id.
    init(qwenTiktoken bytes: [UInt8]) throws(TokenizerError) {
        let words = try TiktokenFile.tokens(of: bytes)
        var vocabulary = try Vocabulary(capacity: words.count + Self.qwenSpecialTokens.count)
        for word in words {
            // As other byte-level vocabularies write it.
            let letters = word.flatMap { ByteLevelAlphabet.encodings[Int($0)] }
            try vocabulary.append(String(decoding: letters, as: UTF8.self))
        }
        var special: [AddedToken] = []
        for token in Self.qwenSpecialTokens {
            // The vocabulary's limit is far below the greatest id.
            special.append(
                AddedToken(id: TokenID(truncatingIfNeeded: vocabulary.count), content: Array(token.utf8)))
            try vocabulary.append(token)
        }
        let ids = special.map(\.id)
        encoder = BytePairEncoder(
            vocabulary: vocabulary, units: .bytes(vocabulary.byteLevelTokens),
            merges: MergeTable(idsOf: vocabulary, count: words.count), addedIDs: Set(ids), ignoresMerges: true)
        decoder = .byteLevel
        addedTokens = special
        normalizer = Normalizer(steps: [.composition])
        preTokenizer = PreTokenizer(steps: [try .qwenWords()])
        specialTokens = SpecialTokens(eosID: ids[0], padID: ids[0])
        endOfGenerationIDs = Array(ids[..<3])
    }

    /// In the order of their ids, which follow the vocabulary's: end of text, start and end of a turn, spare ones.
    private static let qwenSpecialTokens =
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] + (0..<205).map { "<|extra_\($0)|>" }
}

/// Reads tiktoken's files.
private enum TiktokenFile {
    /// The tokens' bytes in the order of their ranks, which must be 0, 1, 2, … in whatever order the lines are.
    static func tokens(of bytes: [UInt8]) throws(TokenizerError) -> [[UInt8]] {
        let lines = bytes.split(separator: UInt8(ascii: "\n"))
        guard lines.count <= Vocabulary.countLimit else {
            throw .vocabularyTooLarge(count: lines.count, limit: Vocabulary.countLimit)
        }
        var tokens = [[UInt8]?](repeating: nil, count: lines.count)
        for (number, line) in lines.enumerated() {
            let field = "line \(number + 1) of the vocabulary"
            let parts = line.split(separator: UInt8(ascii: " "))
            guard parts.count == 2, let token = base64(parts[0]), !token.isEmpty, let rank = decimal(parts[1]) else {
                throw .invalidField(field, expected: "a token in base64 and its rank")
            }
            guard rank < tokens.count else {
                throw .tokenIDOutOfRange(rank, field: field, vocabularySize: tokens.count)
            }
            if let other = tokens[rank] {
                throw .duplicateTokenID(
                    rank, String(decoding: other, as: UTF8.self), String(decoding: token, as: UTF8.self))
            }
            tokens[rank] = token
        }
        // As many different ranks below the count as there are lines: none is missing.
        return tokens.compactMap { $0 }
    }

    private static func decimal(_ digits: ArraySlice<UInt8>) -> Int? {
        guard (1...9).contains(digits.count) else { return nil }
        var value = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            value = value * 10 + Int(digit - UInt8(ascii: "0"))
        }
        return value
    }

    /// Nil for what is not padded base64 (RFC 4648, section 4).
    private static func base64(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        let digits = text.prefix { $0 != UInt8(ascii: "=") }
        let padding = text.count - digits.count
        guard text.count % 4 == 0, padding <= 2, text[digits.endIndex...].allSatisfy({ $0 == UInt8(ascii: "=") })
        else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3)
        var bits: UInt32 = 0, bitCount = 0
        for digit in digits {
            guard let value = sextet(digit) else { return nil }
            bits = bits << 6 | value
            bitCount += 6
            guard bitCount >= 8 else { continue }
            bitCount -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(bitCount)))
        }
        return bytes
    }

    private static func sextet(_ digit: UInt8) -> UInt32? {
        switch digit {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(digit - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(digit - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(digit - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
