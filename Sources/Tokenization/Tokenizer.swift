// Text to tokens and back, exactly as the reference tokenizer of a model.

public import JSON
public import Primitives

/// A model's tokenizer: byte-level BPE or SentencePiece BPE. Immutable, so any number of tasks may use it at once.
///
/// Encoding takes time in proportion to n log n of the text's length, whatever the text; nothing a client sends can
/// make it fail.
public final class Tokenizer: Sendable {
    let vocabulary: Vocabulary
    let decoder: TokenDecoder
    private let encoder: BytePairEncoder
    private let writtenTokens: AddedTokenMatcher
    private let normalizedTokens: AddedTokenMatcher
    private let normalizer: Normalizer
    private let firstPieceNormalizer: Normalizer
    private let pieceNormalizer: Normalizer
    private let preTokenizer: PreTokenizer
    private let specialIDs: Set<TokenID>
    private let prefix: [TokenID]
    private let suffix: [TokenID]

    public let specialTokens: SpecialTokens
    /// Tokens after which a model has nothing more to say, in ascending order: end of text, of a turn, of a message.
    public let endOfGenerationIDs: [TokenID]

    /// Reads Hugging Face's files.
    ///
    /// - Parameters:
    ///   - tokenizerJSON: `tokenizer.json`.
    ///   - tokenizerConfig: `tokenizer_config.json`, which names the special tokens' roles.
    public convenience init(tokenizerJSON: JSONValue, tokenizerConfig: JSONValue?) throws(TokenizerError) {
        self.init(try TokenizerDefinition(tokenizerJSON: tokenizerJSON, tokenizerConfig: tokenizerConfig))
    }

    /// Takes the vocabulary of a GGUF file.
    public convenience init(gguf: GGUFVocabulary) throws(TokenizerError) {
        self.init(try TokenizerDefinition(gguf: gguf))
    }

    /// Reads `qwen.tiktoken`, the vocabulary of first-generation Qwen models.
    public convenience init(qwenTiktoken bytes: [UInt8]) throws(TokenizerError) {
        self.init(try TokenizerDefinition(qwenTiktoken: bytes))
    }

    private init(_ definition: TokenizerDefinition) {
        vocabulary = definition.encoder.vocabulary
        decoder = definition.decoder
        encoder = definition.encoder
        // The text of a special token is never changed by normalization, and looking for it before keeps track of
        // which text is trusted.
        writtenTokens = AddedTokenMatcher(definition.addedTokens.filter { $0.isSpecial || !$0.isNormalized })
        normalizedTokens = AddedTokenMatcher(definition.addedTokens.filter { !$0.isSpecial && $0.isNormalized })
        normalizer = definition.normalizer
        firstPieceNormalizer = definition.firstPieceNormalizer
        pieceNormalizer = definition.pieceNormalizer
        preTokenizer = definition.preTokenizer
        specialIDs = Set(definition.addedTokens.lazy.filter(\.isSpecial).map(\.id))
        prefix = definition.prefix
        suffix = definition.suffix
        specialTokens = definition.specialTokens
        endOfGenerationIDs = Set(definition.endOfGenerationIDs).sorted()
    }

    // MARK: - Vocabulary

    /// One more than the highest token id.
    public var vocabularySize: Int { vocabulary.count }

    /// The token as the vocabulary writes it, such as "Ġthe" or "▁the"; nil outside of the vocabulary.
    public func tokenText(_ id: TokenID) -> String? {
        let text = vocabulary.text(of: id)
        return text.isEmpty ? nil : String(decoding: text, as: UTF8.self)
    }

    /// The bytes that a token stands for, which need not be whole characters; none outside of the vocabulary.
    public func bytes(of id: TokenID) -> [UInt8] {
        var bytes: [UInt8] = []
        decoder.decode(vocabulary.text(of: id), into: &bytes)
        return bytes
    }

    /// The token that the vocabulary writes in this way.
    public func id(ofToken token: String) -> TokenID? {
        vocabulary.id(of: token)
    }

    /// Whether a token is a control word, which decoding can leave out, and not text.
    public func isSpecial(_ id: TokenID) -> Bool {
        specialIDs.contains(id)
    }

    /// Whether `addSpecialTokens` puts a beginning-of-sequence token first.
    public var addsBOS: Bool {
        specialTokens.bosID.map(prefix.contains) ?? false
    }

    // MARK: - Encoding

    public func encode(_ text: String, addSpecialTokens: Bool, allowsSpecialTokens: Bool = true) -> [TokenID] {
        encode([TextPiece(text: text, allowsSpecialTokens: allowsSpecialTokens)], addSpecialTokens: addSpecialTokens)
    }

    /// Encodes the joined text of `pieces`. Their borders matter only for special tokens: the text of one is a special
    /// token where it is allowed from its first to its last byte, and ordinary text elsewhere.
    ///
    /// - Parameter addSpecialTokens: whether to put the model's own tokens around the text; a beginning-of-sequence
    ///   token is not added to a text that starts with one.
    public func encode(_ pieces: [TextPiece], addSpecialTokens: Bool) -> [TokenID] {
        var bytes: [UInt8] = []
        var trusted: [Range<Int>] = []
        for piece in pieces where !piece.text.isEmpty {
            let start = bytes.count
            bytes.append(contentsOf: piece.text.utf8)
            guard piece.allowsSpecialTokens else { continue }
            if let last = trusted.last, last.upperBound == start {
                trusted[trusted.count - 1] = last.lowerBound..<bytes.count
            } else {
                trusted.append(start..<bytes.count)
            }
        }
        let ids = encode(bytes, trusted: trusted)
        guard addSpecialTokens else { return ids }
        let startsWithBOS = ids.first.map { $0 == specialTokens.bosID } ?? false
        return (startsWithBOS ? [] : prefix) + ids + suffix
    }

    private func encode(_ bytes: [UInt8], trusted: [Range<Int>]) -> [TokenID] {
        var ids: [TokenID] = []
        ids.reserveCapacity(bytes.count / 3)
        var scratch = MergeScratch()
        var start = 0
        for match in writtenTokens.matches(in: bytes, bytes.indices, trusted: trusted) {
            encodeText(bytes, start..<match.range.lowerBound, into: &ids, scratch: &scratch)
            ids.append(match.id)
            start = match.range.upperBound
        }
        encodeText(bytes, start..<bytes.count, into: &ids, scratch: &scratch)
        return ids
    }

    /// What is between the added tokens of the text as it came.
    private func encodeText(
        _ bytes: [UInt8], _ range: Range<Int>, into ids: inout [TokenID], scratch: inout MergeScratch
    ) {
        guard !range.isEmpty else { return }
        let isFirst = range.lowerBound == 0
        guard !normalizer.isIdentity || !normalizedTokens.isEmpty else {
            encodePiece(bytes, range, isFirst: isFirst, into: &ids, scratch: &scratch)
            return
        }
        let text = normalizer.normalize(Array(bytes[range]))
        var start = 0
        for match in normalizedTokens.matches(in: text, text.indices, trusted: []) {
            let piece = start..<match.range.lowerBound
            encodePiece(text, piece, isFirst: isFirst && start == 0, into: &ids, scratch: &scratch)
            ids.append(match.id)
            start = match.range.upperBound
        }
        encodePiece(text, start..<text.count, isFirst: isFirst && start == 0, into: &ids, scratch: &scratch)
    }

    /// Text without any added token, normalized.
    private func encodePiece(
        _ bytes: [UInt8], _ range: Range<Int>, isFirst: Bool, into ids: inout [TokenID], scratch: inout MergeScratch
    ) {
        guard !range.isEmpty else { return }
        let pieceNormalizer = isFirst ? firstPieceNormalizer : pieceNormalizer
        guard pieceNormalizer.isIdentity else {
            let text = pieceNormalizer.normalize(Array(bytes[range]))
            encodeWords(of: text, text.indices, into: &ids, scratch: &scratch)
            return
        }
        encodeWords(of: bytes, range, into: &ids, scratch: &scratch)
    }

    private func encodeWords(
        of bytes: [UInt8], _ range: Range<Int>, into ids: inout [TokenID], scratch: inout MergeScratch
    ) {
        for word in preTokenizer.words(of: bytes, in: range) {
            encoder.encode(bytes, word, into: &ids, scratch: &scratch)
        }
    }

    // MARK: - Decoding

    /// The text of a sequence of tokens. Bytes that are not UTF-8 become U+FFFD; ids outside of the vocabulary are left
    /// out.
    public func decode(_ ids: some Sequence<TokenID>, skipSpecialTokens: Bool) -> String {
        var bytes: [UInt8] = []
        var fallbackBytes: [UInt8] = []
        for id in ids where !(skipSpecialTokens && isSpecial(id)) {
            let text = vocabulary.text(of: id)
            if let byte = decoder.fallbackByte(of: text) {
                fallbackBytes.append(byte)
                continue
            }
            Self.flush(&fallbackBytes, into: &bytes)
            decoder.decode(text, into: &bytes)
        }
        Self.flush(&fallbackBytes, into: &bytes)
        let isStripped = decoder.stripsLeadingSpace && bytes.first == UInt8(ascii: " ")
        return String(decoding: isStripped ? bytes[1...] : bytes[...], as: UTF8.self)
    }

    /// The reference takes a run of byte tokens as a whole: if it is not UTF-8, every byte of it is an error.
    private static func flush(_ run: inout [UInt8], into bytes: inout [UInt8]) {
        guard !run.isEmpty else { return }
        if String(validating: run, as: UTF8.self) != nil {
            bytes.append(contentsOf: run)
        } else {
            for _ in run { bytes.append(contentsOf: UTF8.encodedReplacementCharacter) }
        }
        run.removeAll(keepingCapacity: true)
    }
}
