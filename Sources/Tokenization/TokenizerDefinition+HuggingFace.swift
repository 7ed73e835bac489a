// Tokenizers from Hugging Face's tokenizer.json and tokenizer_config.json.

internal import JSON
internal import Primitives

extension TokenizerDefinition {
    init(tokenizerJSON json: JSONValue, tokenizerConfig: JSONValue?) throws(TokenizerError) {
        guard let model = json["model"], case .object = model else { throw .missingField("model") }
        // Files of before 2021 have no type; then merges tell.
        let type = model["type"]?.stringValue ?? (model["merges"] == nil ? "unknown" : "BPE")
        guard type == "BPE" else { throw .unsupportedModel(type, supported: ["BPE"]) }
        let words = try HuggingFaceWords(json["pre_tokenizer"] ?? .null)
        let tokens = try HuggingFaceTokens(model: model, added: json["added_tokens"] ?? .null)
        encoder = try BytePairEncoder(model: model, tokens: tokens, isByteLevel: words.isByteLevel)
        addedTokens = tokens.added
        preTokenizer = PreTokenizer(steps: words.steps)
        firstPieceNormalizer = Normalizer(steps: words.firstPieceSteps)
        pieceNormalizer = Normalizer(steps: words.pieceSteps)
        normalizer = Normalizer(steps: try Normalizer.steps(json["normalizer"] ?? .null))
        decoder = try TokenDecoder(json["decoder"] ?? .null)
        guard words.isByteLevel == (decoder == .byteLevel) else {
            throw .unsupportedComponent(field: "decoder", value: "of another alphabet than the pre-tokenizer's")
        }
        try readPostProcessor(json["post_processor"] ?? .null)
        try readConfiguration(tokenizerConfig ?? .null)
        normalizeAddedTokens()
    }

    /// Added tokens that are looked for in normalized text are looked for as they are after normalization.
    private mutating func normalizeAddedTokens() {
        for index in addedTokens.indices where addedTokens[index].isNormalized && !addedTokens[index].isSpecial {
            let token = addedTokens[index]
            var normalized = AddedToken(id: token.id, content: normalizer.normalize(token.content), isSpecial: false)
            normalized.isNormalized = true
            normalized.stripsLeft = token.stripsLeft
            normalized.stripsRight = token.stripsRight
            normalized.isSingleWord = token.isSingleWord
            addedTokens[index] = normalized
        }
    }

    // MARK: - Tokens around a text

    private mutating func readPostProcessor(_ json: JSONValue) throws(TokenizerError) {
        switch try json.componentType(field: "post_processor") {
        case nil, "ByteLevel"?: break
        case "Sequence"?:
            for part in json["processors"]?.arrayValue ?? [] { try readPostProcessor(part) }
        case "TemplateProcessing"?: try readTemplate(json)
        case let type?: throw .unsupportedComponent(field: "post_processor", value: type)
        }
    }

    private mutating func readTemplate(_ json: JSONValue) throws(TokenizerError) {
        var isBeforeText = true
        for item in json["single"]?.arrayValue ?? [] {
            if item["Sequence"] != nil {
                isBeforeText = false
                continue
            }
            guard let name = item["SpecialToken"]?["id"]?.stringValue,
                let ids = json["special_tokens"]?[name]?["ids"]?.arrayValue
            else { throw .invalidField("post_processor.single", expected: "a list of known special tokens") }
            for value in ids {
                let id = try checkedID(value, field: "post_processor.special_tokens")
                if isBeforeText { prefix.append(id) } else { suffix.append(id) }
            }
        }
    }

    private func checkedID(_ value: JSONValue, field: String) throws(TokenizerError) -> TokenID {
        let size = encoder.vocabulary.count
        guard let number = value.integerValue else { throw .invalidField(field, expected: "a token id") }
        guard number >= 0, number < Int64(size), let id = TokenID(exactly: number) else {
            throw .tokenIDOutOfRange(Int(truncatingIfNeeded: number), field: field, vocabularySize: size)
        }
        return id
    }

    // MARK: - tokenizer_config.json

    private mutating func readConfiguration(_ config: JSONValue) throws(TokenizerError) {
        specialTokens.bosID = try tokenID(config, "bos_token")
        specialTokens.eosID = try tokenID(config, "eos_token")
        specialTokens.padID = try tokenID(config, "pad_token")
        specialTokens.unknownID = try tokenID(config, "unk_token") ?? encoder.unknownID
        // A template that starts with one token and no file that says which is BOS: it is that one.
        if specialTokens.bosID == nil, prefix.count == 1 { specialTokens.bosID = prefix[0] }
        if let id = specialTokens.eosID { endOfGenerationIDs = [id] }
        if let addsBOS = config["add_bos_token"]?.boolValue {
            prefix.removeAll { $0 == specialTokens.bosID }
            if addsBOS, let id = specialTokens.bosID { prefix.insert(id, at: 0) }
        }
        if let addsEOS = config["add_eos_token"]?.boolValue {
            suffix.removeAll { $0 == specialTokens.eosID }
            if addsEOS, let id = specialTokens.eosID { suffix.append(id) }
        }
    }

    /// A token given by its text, or by an object with it in `content`.
    private func tokenID(_ config: JSONValue, _ field: String) throws(TokenizerError) -> TokenID? {
        guard let value = config[field], !value.isNull else { return nil }
        guard let token = value.stringValue ?? value["content"]?.stringValue else {
            throw .invalidField(field, expected: "a token")
        }
        return encoder.vocabulary.id(of: token)
    }
}

// MARK: - Vocabulary

/// The tokens of the model and the added ones, in one vocabulary.
private struct HuggingFaceTokens {
    let vocabulary: Vocabulary
    private(set) var added: [AddedToken] = []
    /// Those that are not in the model's own vocabulary.
    private(set) var addedIDs: Set<TokenID> = []

    init(model: JSONValue, added addedJSON: JSONValue) throws(TokenizerError) {
        guard let members = model["vocab"]?.objectValue?.members else { throw .missingField("model.vocab") }
        let addedTokens = addedJSON.arrayValue ?? []
        guard members.count <= Vocabulary.countLimit, addedTokens.count <= Vocabulary.countLimit else {
            throw .vocabularyTooLarge(count: max(members.count, addedTokens.count), limit: Vocabulary.countLimit)
        }
        var texts = [String?](repeating: nil, count: members.count)
        for member in members { try Self.put(member.key, at: member.value, in: &texts, field: "model.vocab") }
        let modelTexts = texts
        for token in addedTokens {
            guard let content = token["content"]?.stringValue, let id = token["id"] else {
                throw .invalidField("added_tokens", expected: "a list of objects with id and content")
            }
            try Self.put(content, at: id, in: &texts, field: "added_tokens")
            // The number is a valid id, or `put` would have thrown.
            guard let id = id.integerValue.flatMap({ TokenID(exactly: $0) }) else { continue }
            if !modelTexts.indices.contains(Int(id)) || modelTexts[Int(id)] == nil { addedIDs.insert(id) }
            var addedToken = AddedToken(id: id, content: Array(content.utf8))
            addedToken.isSpecial = token["special"]?.boolValue ?? false
            addedToken.isNormalized = token["normalized"]?.boolValue ?? !addedToken.isSpecial
            addedToken.stripsLeft = token["lstrip"]?.boolValue ?? false
            addedToken.stripsRight = token["rstrip"]?.boolValue ?? false
            addedToken.isSingleWord = token["single_word"]?.boolValue ?? false
            added.append(addedToken)
        }
        var vocabulary = try Vocabulary(capacity: texts.count)
        for text in texts { try vocabulary.append(text ?? "") }
        self.vocabulary = vocabulary
    }

    private static func put(
        _ token: String, at value: JSONValue, in texts: inout [String?], field: String
    ) throws(TokenizerError) {
        guard let number = value.integerValue else { throw .invalidField(field, expected: "made of token ids") }
        guard number >= 0, number < Int64(Vocabulary.countLimit) else {
            throw .tokenIDOutOfRange(
                Int(truncatingIfNeeded: number), field: "\(field) '\(token)'", vocabularySize: Vocabulary.countLimit)
        }
        let index = Int(number)
        if index >= texts.count {
            texts.append(contentsOf: repeatElement(nil, count: index + 1 - texts.count))
        }
        if let other = texts[index], !other.utf8.elementsEqual(token.utf8) {
            throw .duplicateTokenID(index, other, token)
        }
        texts[index] = token
    }
}

extension BytePairEncoder {
    fileprivate init(model: JSONValue, tokens: HuggingFaceTokens, isByteLevel: Bool) throws(TokenizerError) {
        let vocabulary = tokens.vocabulary
        for field in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if let text = model[field]?.stringValue, !text.isEmpty {
                throw .unsupportedComponent(field: "model.\(field)", value: text)
            }
        }
        guard let list = model["merges"]?.arrayValue else { throw .missingField("model.merges") }
        var merges = MergeList(capacity: list.count)
        for merge in list {
            if let pair = merge.stringValue {
                try merges.append(pair, vocabulary: vocabulary)
            } else if let pair = merge.arrayValue, pair.count == 2, let left = pair[0].stringValue,
                let right = pair[1].stringValue
            {
                try merges.append(left, right, vocabulary: vocabulary)
            } else {
                throw .invalidField("model.merges", expected: "a list of pairs of tokens")
            }
        }
        let fallsBack = model["byte_fallback"]?.boolValue ?? false
        self.init(
            vocabulary: vocabulary,
            units: isByteLevel
                ? .bytes(vocabulary.byteLevelTokens.map { $0.flatMap { tokens.addedIDs.contains($0) ? nil : $0 } })
                : .scalars(byteFallback: fallsBack ? vocabulary.byteFallbackTokens : nil),
            merges: merges.table, addedIDs: tokens.addedIDs)
        if let unknown = model["unk_token"]?.stringValue {
            guard let id = vocabulary.id(of: unknown) else {
                throw .unknownToken(unknown, field: "model.unk_token")
            }
            unknownID = id
        }
        fusesUnknown = model["fuse_unk"]?.boolValue ?? false
        ignoresMerges = model["ignore_merges"]?.boolValue ?? false
    }
}
