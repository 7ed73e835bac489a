// Merges as files list them, made into a table.

import Primitives

/// Collects merges in the order of their urgency and checks each against the vocabulary.
struct MergeList {
    private(set) var table: MergeTable
    private var count: Int32 = 0
    /// Working memory: a pair without its space.
    private var joined: [UInt8] = []

    init(capacity: Int) {
        // What a file claims is not trusted with memory; a table that is too small is an error in `append`.
        table = MergeTable(capacity: min(capacity, Vocabulary.countLimit))
    }

    /// Adds "left right". A token may itself start with a space, so the first byte is never the separator.
    mutating func append(_ pair: String, vocabulary: Vocabulary) throws(TokenizerError) {
        joined.removeAll(keepingCapacity: true)
        joined.append(contentsOf: pair.utf8)
        guard let space = joined.dropFirst().firstIndex(of: UInt8(ascii: " ")) else {
            throw .invalidMerge(pair, index: Int(count))
        }
        joined.remove(at: space)
        try append(leftCount: space, written: pair, vocabulary: vocabulary)
    }

    mutating func append(_ left: String, _ right: String, vocabulary: Vocabulary) throws(TokenizerError) {
        joined.removeAll(keepingCapacity: true)
        joined.append(contentsOf: left.utf8)
        let leftCount = joined.count
        joined.append(contentsOf: right.utf8)
        try append(leftCount: leftCount, written: "\(left) \(right)", vocabulary: vocabulary)
    }

    private mutating func append(
        leftCount: Int, written: @autoclosure () -> String, vocabulary: Vocabulary
    ) throws(TokenizerError) {
        guard count < Vocabulary.countLimit,
            let left = vocabulary.id(of: joined, in: 0..<leftCount),
            let right = vocabulary.id(of: joined, in: leftCount..<joined.count),
            let result = vocabulary.id(of: joined, in: joined.indices)
        else { throw .invalidMerge(written(), index: Int(count)) }
        table.insert(left, right, rank: count, result: result)
        count += 1
    }
}

extension MergeTable {
    /// SentencePiece's merges, which its files don't list: any two pieces that together are a piece, and the higher
    /// that one's score, the more urgent (sentencepiece, bpe_model.cc).
    init(scoresOf gguf: GGUFVocabulary, vocabulary: Vocabulary) {
        func isNormal(_ id: TokenID) -> Bool {
            gguf.tokenTypes.isEmpty || gguf.tokenTypes[Int(id)] == GGUFVocabulary.TokenType.normal.rawValue
        }
        let order = gguf.scores.indices.sorted { Self.precedes(gguf.scores[$0], gguf.scores[$1]) }
        var ranks: [(token: TokenID, rank: Int32)] = []
        var rank: Int32 = 0
        for (index, token) in order.enumerated() {
            // Equal scores are equally urgent: then the leftmost pair of a word merges first.
            if index > 0, Self.precedes(gguf.scores[order[index - 1]], gguf.scores[token]) { rank += 1 }
            let result = TokenID(truncatingIfNeeded: token)
            if isNormal(result) { ranks.append((result, rank)) }
        }
        self.init(splitting: ranks, vocabulary: vocabulary, isPart: isNormal)
    }

    /// tiktoken's merges: any two tokens that together are a token, and the lower that one's id, the more urgent.
    ///
    /// - Parameter count: Of the vocabulary's tokens, the first ones; no others take part.
    init(idsOf vocabulary: Vocabulary, count: Int) {
        let ranks = (0..<count).compactMap { Int32(exactly: $0) }.map { (token: $0, rank: $0) }
        self.init(splitting: ranks, vocabulary: vocabulary) { $0 < count }
    }

    /// A merge, with the rank of the whole, for each way to cut each of `tokens` between two characters into two tokens
    /// that may be parts.
    private init(
        splitting tokens: [(token: TokenID, rank: Int32)], vocabulary: Vocabulary, isPart: (TokenID) -> Bool
    ) {
        var merges: [(left: TokenID, right: TokenID, rank: Int32, result: TokenID)] = []
        for (result, rank) in tokens {
            let bytes = Array(vocabulary.text(of: result))
            // Every place to cut is tried, so length counts twice; pieces of published models have at most 192 bytes.
            guard bytes.count <= 1024 else { continue }
            for cut in bytes.indices.dropFirst() where bytes[cut] & 0xC0 != 0x80 {
                guard let left = vocabulary.id(of: bytes, in: 0..<cut), isPart(left),
                    let right = vocabulary.id(of: bytes, in: cut..<bytes.count), isPart(right)
                else { continue }
                merges.append((left, right, rank, result))
            }
        }
        self.init(capacity: merges.count)
        for merge in merges { insert(merge.left, merge.right, rank: merge.rank, result: merge.result) }
    }

    /// Whether the first score is more urgent; NaN, which a damaged file may hold, is least of all.
    private static func precedes(_ first: Float, _ second: Float) -> Bool {
        second.isNaN ? !first.isNaN : first > second
    }
}

extension Vocabulary {
    /// The token for each byte value in a byte-level vocabulary.
    var byteLevelTokens: [TokenID?] {
        ByteLevelAlphabet.encodings.map { id(of: $0, in: $0.indices) }
    }

    /// The tokens "<0x00>" to "<0xFF>"; nil unless the vocabulary has them all.
    var byteFallbackTokens: [TokenID]? {
        let tokens = (0...255).compactMap { byte -> TokenID? in
            let digits = String(byte, radix: 16, uppercase: true)
            return id(of: "<0x\(byte < 16 ? "0" : "")\(digits)>")
        }
        return tokens.count == 256 ? tokens : nil
    }
}
