// A model of bytes: its vocabulary is the 256 bytes and ChatML's markup.

import Engine
import EngineTesting
import Generation
import Models
import Primitives
import Tokenization

enum TestModel {
    static let startID: Int32 = 256
    static let endID: Int32 = 257
    static let vocabularySize = 258
    static let template = """
        {% for message in messages %}\
        {% if message['role'] == 'tool' %}{{ raise_exception('no tools here') }}{% endif %}\
        {{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}\
        {% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
        """

    static func tokenizer() throws -> Tokenizer {
        var vocabulary = GGUFVocabulary(model: "gpt2", preTokenizer: "gpt-2", tokens: byteTokens)
        vocabulary.tokens += ["<|im_start|>", "<|im_end|>"]
        vocabulary.tokenTypes = Array(repeating: 1, count: 256) + [3, 3]
        vocabulary.eosID = Int(endID)
        vocabulary.addsBOS = false
        return try Tokenizer(gguf: vocabulary)
    }

    /// GPT-2's letters for bytes, in the order of the bytes.
    private static var byteTokens: [String] {
        var next: UInt32 = 256
        return (0..<256).map { byte in
            let isPrintable = (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)
            let code = isPrintable ? UInt32(byte) : next
            if !isPrintable { next += 1 }
            return String(Unicode.Scalar(code).map(Character.init) ?? "?")
        }
    }

    /// A generator over an engine whose tokens depend on nothing but the context.
    static func generator(
        maxModelLength: Int = 512, defaults: SamplingDefaults = SamplingDefaults(),
        allowsSpecialInContent: Bool = false, observer: (any EngineObserver)? = nil,
        _ configure: (inout EngineConfiguration, inout ScriptedExecutor.Configuration) -> Void = { _, _ in }
    ) throws -> TextGenerator {
        var configuration = EngineConfiguration(maxModelLength: maxModelLength)
        configuration.maxRunningSequences = 16
        configuration.schedulerDelay = .zero
        var executor = ScriptedExecutor.Configuration()
        executor.vocabularySize = vocabularySize
        configure(&configuration, &executor)
        let engine = try InferenceEngine(
            configuration: configuration, observer: observer, executor: ScriptedExecutor(executor))
        let model = try LoadedModel(
            names: ["tiny", "alias"], root: "models/tiny", tokenizer: tokenizer(), chatTemplate: template,
            defaults: defaults)
        return TextGenerator(model: model, engine: engine, allowsSpecialInContent: allowsSpecialInContent)
    }

    /// What the choices of a request come to.
    static func collect(_ request: GenerationRequest, on generator: TextGenerator) async throws -> [TextDelta] {
        let generation = try generator.start(generator.prepare(request))
        var choices = (0..<generation.choiceCount).map { TextDelta(choice: $0) }
        for await batch in generation {
            for delta in batch.deltas { choices[delta.choice].append(delta) }
        }
        return choices
    }
}
