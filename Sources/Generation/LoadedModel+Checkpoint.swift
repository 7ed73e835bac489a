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
        var template = chatTemplate ?? checkpoint.chatTemplate
        switch checkpoint.tokenizerFiles {
        case .gguf:
            // There is no list of its own; its roles of tokens say the same.
            stopIDs += tokenizer.endOfGenerationIDs
        case .tiktoken:
            // Its code ends a chat at these, and has the template, which is ChatML.
            stopIDs += tokenizer.endOfGenerationIDs
            template = template ?? Self.qwenTemplate
        case .huggingFace:
            break
        }
        try self.init(
            names: names, root: root, tokenizer: tokenizer, chatTemplate: template, defaults: defaults,
            stopIDs: stopIDs)
    }

    /// The conversation of first-generation Qwen (`make_context` of qwen_generation_utils.py).
    private static let qwenTemplate = """
        {% if messages and messages[0].role != 'system' %}<|im_start|>system
        You are a helpful assistant.<|im_end|>
        {% endif %}{% for message in messages %}<|im_start|>{{ message.role }}
        {{ message.content }}<|im_end|>
        {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
        {% endif %}
        """

    private static func tokenizer(of checkpoint: ModelCheckpoint) throws(GenerationError) -> Tokenizer {
        do {
            switch checkpoint.tokenizerFiles {
            case .gguf(let metadata):
                return try Tokenizer(gguf: try GGUFVocabulary(metadata))
            case .huggingFace(let tokenizer?, let configuration):
                return try Tokenizer(tokenizerJSON: tokenizer, tokenizerConfig: configuration)
            case .tiktoken(let vocabulary):
                return try Tokenizer(qwenTiktoken: vocabulary)
            case .huggingFace(nil, _):
                throw GenerationError.unusableCheckpoint("the folder has no tokenizer.json and no qwen.tiktoken.")
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
