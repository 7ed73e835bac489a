// Tokenizers from the metadata of GGUF files.

internal import Primitives

extension TokenizerDefinition {
    init(gguf: GGUFVocabulary) throws(TokenizerError) {
        var vocabulary = try Vocabulary(capacity: gguf.tokens.count)
        for token in gguf.tokens { try vocabulary.append(token) }
        if !gguf.tokenTypes.isEmpty, gguf.tokenTypes.count != gguf.tokens.count {
            throw .lengthMismatch(
                field: "tokenizer.ggml.token_type", count: gguf.tokenTypes.count, expected: gguf.tokens.count)
        }
        guard gguf.tokenTypes.allSatisfy({ GGUFVocabulary.TokenType(rawValue: $0) != nil }) else {
            throw .invalidField("tokenizer.ggml.token_type", expected: "made of numbers from 0 to 6")
        }
        let roles = try GGUFRoles(gguf, vocabulary: vocabulary)
        switch gguf.model {
        case "gpt2": try self.init(byteLevel: gguf, vocabulary: vocabulary, roles: roles)
        case "llama": try self.init(sentencePiece: gguf, vocabulary: vocabulary, roles: roles)
        default: throw .unsupportedModel(gguf.model, supported: ["gpt2", "llama"])
        }
        specialTokens = roles.specialTokens
        endOfGenerationIDs = roles.endOfGenerationIDs(in: gguf, vocabulary: vocabulary)
    }

    private init(
        byteLevel gguf: GGUFVocabulary, vocabulary: Vocabulary, roles: GGUFRoles
    ) throws(TokenizerError) {
        let kind = try GGUFPreTokenizer(name: gguf.preTokenizer)
        var merges = MergeList(capacity: gguf.merges.count)
        for merge in gguf.merges { try merges.append(merge, vocabulary: vocabulary) }
        encoder = BytePairEncoder(
            vocabulary: vocabulary, units: .bytes(vocabulary.byteLevelTokens), merges: merges.table,
            unknownID: nil, ignoresMerges: kind.ignoresMerges)
        decoder = .byteLevel
        addedTokens = roles.addedTokens(in: gguf, vocabulary: vocabulary)
        preTokenizer = PreTokenizer(steps: try kind.steps())
        normalizer = Normalizer(steps: kind.composesCharacters ? [.composition] : [])
        if gguf.addsBOS ?? kind.addsBOS, let id = roles.specialTokens.bosID { prefix = [id] }
        if gguf.addsEOS ?? false, let id = roles.specialTokens.eosID { suffix = [id] }
    }

    private init(
        sentencePiece gguf: GGUFVocabulary, vocabulary: Vocabulary, roles: GGUFRoles
    ) throws(TokenizerError) {
        guard gguf.scores.count == gguf.tokens.count else {
            throw .lengthMismatch(
                field: "tokenizer.ggml.scores", count: gguf.scores.count, expected: gguf.tokens.count)
        }
        encoder = BytePairEncoder(
            vocabulary: vocabulary, units: .scalars(byteFallback: vocabulary.byteFallbackTokens),
            merges: MergeTable(scoresOf: gguf, vocabulary: vocabulary), unknownID: roles.specialTokens.unknownID,
            fusesUnknown: true)
        let addsSpace = gguf.addsSpacePrefix ?? true
        decoder = .sentencePiece(fallsBackToBytes: true, stripsLeadingSpace: addsSpace)
        addedTokens = roles.addedTokens(in: gguf, vocabulary: vocabulary)
        let marks = Normalizer.Step.replace([UInt8(ascii: " ")], TokenDecoder.spaceMark)
        normalizer = Normalizer(steps: addsSpace ? [.prepend(TokenDecoder.spaceMark), marks] : [marks])
        if gguf.addsBOS ?? true, let id = roles.specialTokens.bosID { prefix = [id] }
        if gguf.addsEOS ?? false, let id = roles.specialTokens.eosID { suffix = [id] }
    }
}

/// Which tokens of a GGUF vocabulary are not ordinary text.
private struct GGUFRoles {
    var specialTokens = SpecialTokens()
    /// End of turn and of message.
    private var endIDs: [TokenID] = []

    /// Texts that end a turn in published chat models: their files often name only one of several.
    private static let endTexts = [
        "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|end_of_text|>", "<|endoftext|>", "<end_of_turn>",
        "<|end_of_turn|>", "<EOT>", "<｜end▁of▁sentence｜>",
    ]

    init(_ gguf: GGUFVocabulary, vocabulary: Vocabulary) throws(TokenizerError) {
        func checked(_ id: Int?, _ field: String) throws(TokenizerError) -> TokenID? {
            guard let id else { return nil }
            guard id >= 0, id < vocabulary.count, let token = TokenID(exactly: id) else {
                throw .tokenIDOutOfRange(
                    id, field: "tokenizer.ggml.\(field)_token_id", vocabularySize: vocabulary.count)
            }
            return token
        }
        specialTokens.bosID = try checked(gguf.bosID, "bos")
        specialTokens.eosID = try checked(gguf.eosID, "eos")
        specialTokens.unknownID = try checked(gguf.unknownID, "unknown")
        specialTokens.padID = try checked(gguf.padID, "padding")
        for id in [try checked(gguf.eotID, "eot"), try checked(gguf.eomID, "eom")] {
            if let id { endIDs.append(id) }
        }
    }

    func addedTokens(in gguf: GGUFVocabulary, vocabulary: Vocabulary) -> [AddedToken] {
        let named = Set([specialTokens.bosID, specialTokens.eosID].compactMap { $0 } + endIDs)
        var tokens: [AddedToken] = []
        for index in 0..<vocabulary.count {
            let id = TokenID(truncatingIfNeeded: index)
            let type = gguf.tokenTypes.isEmpty ? nil : GGUFVocabulary.TokenType(rawValue: gguf.tokenTypes[index])
            let isSpecial = type == .control || type == .unknown || named.contains(id)
            guard isSpecial || type == .userDefined else { continue }
            tokens.append(AddedToken(id: id, content: Array(vocabulary.text(of: id)), isSpecial: isSpecial))
        }
        return tokens
    }

    func endOfGenerationIDs(in gguf: GGUFVocabulary, vocabulary: Vocabulary) -> [TokenID] {
        let known = Self.endTexts.compactMap { vocabulary.id(of: $0) }.filter { id in
            // Only where the file says that it is no text: "<EOT>" may be a word to some model.
            gguf.tokenTypes.indices.contains(Int(id))
                && GGUFVocabulary.TokenType(rawValue: gguf.tokenTypes[Int(id)]) == .control
        }
        return known + endIDs + (specialTokens.eosID.map { [$0] } ?? [])
    }
}

/// The pre-tokenizers that `tokenizer.ggml.pre` may name, and what else goes with the name.
private enum GGUFPreTokenizer {
    case gpt2
    case smolLM
    case llama3
    case qwen2
    case qwen35
    /// Phi-4's, which is OpenAI's cl100k.
    case cl100k
    /// Phi-4-mini's.
    case o200k

    private static let names: [(names: [String], kind: GGUFPreTokenizer)] = [
        (["gpt-2", "default", "phi-2"], .gpt2),
        (["smollm", "starcoder", "refact", "codeshell"], .smolLM),
        (["llama-bpe", "llama3", "llama-v3"], .llama3),
        (["qwen2", "deepseek-r1-qwen"], .qwen2),
        (["qwen35"], .qwen35),
        (["dbrx"], .cl100k),
        (["gpt-4o"], .o200k),
    ]

    init(name: String?) throws(TokenizerError) {
        let name = name ?? "default"
        guard let kind = Self.names.first(where: { $0.names.contains(name) })?.kind else {
            throw .unsupportedPreTokenizer(name, supported: Self.names.flatMap(\.names))
        }
        self = kind
    }

    var ignoresMerges: Bool { self == .llama3 }
    var addsBOS: Bool { self == .llama3 }
    var composesCharacters: Bool { self == .qwen2 || self == .qwen35 }

    func steps() throws(TokenizerError) -> [PreTokenizer.Step] {
        switch self {
        case .gpt2: [try .gpt2Words()]
        case .smolLM: [try .digits(individually: true), try .gpt2Words()]
        case .llama3, .cl100k: [try .isolated(Self.words(letters: #"\p{L}"#, digits: #"\p{N}{1,3}"#))]
        case .qwen2: [try .isolated(Self.words(letters: #"\p{L}"#, digits: #"\p{N}"#))]
        case .qwen35: [try .isolated(Self.words(letters: #"\p{L}\p{M}"#, digits: #"\p{N}"#))]
        case .o200k: [try .isolated(Self.casedWords)]
        }
    }

    /// OpenAI's o200k: words end before a capital letter that follows a small one.
    private static let casedWords: String = {
        let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#, lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
        let before = #"[^\r\n\p{L}\p{N}]?"#, contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        return "\(before)\(upper)*\(lower)+\(contraction)|\(before)\(upper)+\(lower)*\(contraction)"
            + #"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    }()

    /// The pattern that Llama 3 and Qwen have from OpenAI's cl100k, in which they differ by two places.
    private static func words(letters: String, digits: String) -> String {
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?["# + letters + "]+|" + digits
            + #"| ?[^\s"# + letters + #"\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    }
}
