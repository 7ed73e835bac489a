// A served model out of a checkpoint's files.

public import ModelFiles
import Primitives
import Tokenization

extension LoadedModel {
    /// - Parameters:
    ///   - names: Under which the model is served (`--served-model-name`); none: `root`.
    ///   - root: The path or name that the operator gave.
    ///   - chatTemplate: Instead of the checkpoint's (`--chat-template`).
    ///   - usesDefaults: Whether the authors' recommended sampling applies (`--generation-config auto` or `vllm`).
    public init(
        checkpoint: ModelCheckpoint, names: [String] = [], root: String, chatTemplate: String? = nil,
        usesDefaults: Bool = true
    ) throws(GenerationError) {
        let tokenizer = try Self.tokenizer(of: checkpoint)
        let recommended = checkpoint.generationDefaults
        var defaults = SamplingDefaults()
        if usesDefaults {
            defaults.temperature = recommended.temperature
            defaults.topP = recommended.topP
            defaults.topK = recommended.topK
            defaults.minP = recommended.minP
            defaults.repetitionPenalty = recommended.repetitionPenalty
            defaults.maximumTokens = recommended.maxNewTokens
        }
        let endIDs = recommended.eosTokenIDs + checkpoint.configuration.eosTokenIDs
        var stopIDs = endIDs.compactMap { TokenID(exactly: $0) }
        // A GGUF file has no list of its own; its roles of tokens say the same.
        if case .gguf = checkpoint.tokenizerFiles { stopIDs += tokenizer.endOfGenerationIDs }
        try self.init(
            names: names, root: root, tokenizer: tokenizer, chatTemplate: chatTemplate ?? checkpoint.chatTemplate,
            defaults: defaults, stopIDs: stopIDs)
    }

    private static func tokenizer(of checkpoint: ModelCheckpoint) throws(GenerationError) -> Tokenizer {
        do {
            switch checkpoint.tokenizerFiles {
            case .gguf(let metadata):
                return try Tokenizer(gguf: try GGUFVocabulary(metadata))
            case .huggingFace(let tokenizer?, let configuration):
                return try Tokenizer(tokenizerJSON: tokenizer, tokenizerConfig: configuration)
            case .huggingFace(nil, _):
                throw GenerationError.unusableCheckpoint("the folder has no tokenizer.json.")
            }
        } catch let error as GenerationError {
            throw error
        } catch {
            throw .unusableCheckpoint("\(error)")
        }
    }
}

extension GGUFVocabulary {
    fileprivate init(_ metadata: GGUFMetadata) throws(ModelFileError) {
        let prefix = "tokenizer.ggml."
        self.init(
            model: try metadata.string(prefix + "model") ?? "", preTokenizer: try metadata.string(prefix + "pre"),
            tokens: try metadata.strings(prefix + "tokens") ?? [])
        scores = try (metadata.numbers(prefix + "scores") ?? []).map { Float($0) }
        // A type that no list knows is told to the tokenizer, which refuses it.
        tokenTypes = try (metadata.integers(prefix + "token_type") ?? []).map { Int32(exactly: $0) ?? .max }
        merges = try metadata.strings(prefix + "merges") ?? []
        bosID = try metadata.integer(prefix + "bos_token_id")
        eosID = try metadata.integer(prefix + "eos_token_id")
        unknownID = try metadata.integer(prefix + "unknown_token_id")
        padID = try metadata.integer(prefix + "padding_token_id")
        eotID = try metadata.integer(prefix + "eot_token_id")
        eomID = try metadata.integer(prefix + "eom_token_id")
        addsBOS = try metadata.bool(prefix + "add_bos_token")
        addsEOS = try metadata.bool(prefix + "add_eos_token")
        addsSpacePrefix = try metadata.bool(prefix + "add_space_prefix")
    }
}
