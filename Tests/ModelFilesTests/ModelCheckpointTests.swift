// Whole checkpoints: GGUF files and Hugging Face folders, real and made up.

import Foundation
import JSON
import ModelFiles
import Testing

@Suite("Checkpoints")
struct ModelCheckpointTests {
    static let config = """
        {"architectures":["LlamaForCausalLM"],"hidden_size":32,"intermediate_size":64,"num_hidden_layers":2,
        "num_attention_heads":4,"num_key_value_heads":2,"vocab_size":100,"max_position_embeddings":128,
        "rms_norm_eps":1e-05,"rope_theta":500000.0,"hidden_act":"silu","bos_token_id":1,"eos_token_id":[2,3]EXTRA}
        """

    /// A folder with one tensor; `extra` members overrule those of `config`, since the last of two keys wins.
    private func folder(extra: String = "", files: [String: String] = [:], tensor: String = "x") throws
        -> TemporaryFolder
    {
        let folder = try TemporaryFolder()
        let config = Self.config.replacingOccurrences(of: "EXTRA", with: extra.isEmpty ? "" : "," + extra)
        try folder.write(config, as: "config.json")
        let header = #"{"\#(tensor)":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#
        try folder.write(safetensors(header, dataBytes: 8), as: "model.safetensors")
        for (name, text) in files { try folder.write(text, as: name) }
        return folder
    }

    // MARK: - Folders

    @Test("reads a Hugging Face folder")
    func huggingFace() throws {
        let folder = try folder(files: [
            "generation_config.json":
                #"{"temperature":0.6,"top_p":0.9,"top_k":40,"eos_token_id":3,"max_new_tokens":9}"#,
            "tokenizer.json": #"{"version":"1.0"}"#, "tokenizer_config.json": #"{"chat_template":"from config"}"#,
        ])
        let checkpoint = try ModelCheckpoint.open(path: folder.path + "/")
        #expect(folder.path.hasSuffix("/" + checkpoint.name))
        #expect(checkpoint.format == .safetensors)
        #expect(checkpoint.parameterBytes == 8)
        #expect(checkpoint.chatTemplate == "from config")
        var defaults = GenerationDefaults()
        defaults.temperature = 0.6
        defaults.topP = 0.9
        defaults.topK = 40
        defaults.maxNewTokens = 9
        defaults.eosTokenIDs = [3]
        #expect(checkpoint.generationDefaults == defaults)
        guard case .huggingFace(let tokenizer, _) = checkpoint.tokenizerFiles else {
            Issue.record("not a Hugging Face tokenizer")
            return
        }
        #expect(tokenizer?["version"] == "1.0")
        let configuration = checkpoint.configuration
        #expect(configuration.architecture == "LlamaForCausalLM")
        #expect(configuration.headSize == 8 && configuration.rotaryDimensions == 8)
        #expect(configuration.keyValueHeadCount == 2 && configuration.headCount == 4)
        #expect(configuration.normEpsilon == 1e-5 && configuration.ropeTheta == 500_000)
        #expect(configuration.contextLength == 128 && configuration.vocabularySize == 100)
        #expect(configuration.bosTokenID == 1 && configuration.eosTokenIDs == [2, 3])
        #expect(configuration.ropeScaling == .none && configuration.slidingWindow == nil)
        #expect(configuration.tiesEmbeddings, "no lm_head.weight, and no word about it")
    }

    /// Members of config.json and what they must lead to.
    static let readings: [(String, @Sendable (ModelConfiguration) -> Bool)] = [
        (#""head_dim":16"#, { $0.headSize == 16 }),
        (#""num_key_value_heads":null"#, { $0.keyValueHeadCount == 4 }),
        (#""tie_word_embeddings":false"#, { !$0.tiesEmbeddings }),
        (#""attention_bias":true"#, { $0.hasQKVBias && $0.hasOutputBias && !$0.hasMLPBias }),
        (#""mlp_bias":true"#, { !$0.hasQKVBias && $0.hasMLPBias }),
        (#""sliding_window":64"#, { $0.slidingWindow == 64 }),
        (#""sliding_window":64,"use_sliding_window":false"#, { $0.slidingWindow == nil }),
        (#""sliding_window":64,"max_window_layers":2"#, { $0.slidingWindow == nil }),
        (#""sliding_window":null"#, { $0.slidingWindow == nil }),
        (
            #""sliding_window":9,"max_window_layers":1"#,
            { $0.slidingWindow == 9 && $0.slidingLayers == .each([false, true]) }
        ),
        (#""sliding_window":9,"sliding_window_pattern":6"#, { $0.slidingLayers == .allButEvery(6) }),
        (
            #""sliding_window":9,"layer_types":["sliding_attention","full_attention"]"#,
            { $0.slidingLayers == .each([true, false]) }
        ),
        (#""sliding_window":0,"use_sliding_window":false"#, { $0.slidingWindow == nil }),
        (
            #""rope_parameters":{"full_attention":{"rope_theta":9.0},"sliding_attention":{"rope_theta":5.0}}"#,
            { $0.ropeTheta == 9 && $0.slidingRopeTheta == 5 }
        ),
        (#""rope_local_base_freq":5.0"#, { $0.slidingRopeTheta == 5 }),
        (#""rope_parameters":{"rope_theta":9.0,"partial_rotary_factor":0.5}"#, { $0.rotaryDimensions == 4 }),
        (
            #""rope_scaling":{"type":"su","short_factor":[1,1,1,1],"long_factor":[2,2,2,2]},"original_max_position_embeddings":32"#,
            {
                $0.ropeScaling
                    == .longRope(
                        .init(
                            shortFactors: [1, 1, 1, 1], longFactors: [2, 2, 2, 2], originalContextLength: 32, factor: 4)
                    ) && $0.contextLength == 128
            }
        ),
        (#""hidden_activation":"gelu_pytorch_tanh""#, { $0.hiddenActivation == "gelu_pytorch_tanh" }),
        (
            #""num_experts":4,"num_experts_per_tok":2,"decoder_sparse_step":2"#,
            { $0.experts?.count == 4 && $0.experts?.intermediateSize == 64 && $0.experts?.denseLayers == [0] }
        ),
        (#""partial_rotary_factor":0.5"#, { $0.rotaryDimensions == 4 }),
        (#""eos_token_id":7"#, { $0.eosTokenIDs == [7] }),
        (#""eos_token_id":null"#, { $0.eosTokenIDs.isEmpty }),
        (#""rope_scaling":null"#, { $0.ropeScaling == .none }),
        (#""rope_scaling":{"rope_type":"default"}"#, { $0.ropeScaling == .none }),
        (
            #""rope_scaling":{"type":"linear","factor":2.0}"#,
            {
                $0.ropeScaling == .linear(factor: 2) && $0.contextLength == 256
            }
        ),
        (
            #""rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":64}"#,
            {
                $0.ropeScaling
                    == .llama3(
                        factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 64)
                    && $0.contextLength == 128
            }
        ),
        (
            #""rope_scaling":{"type":"yarn","factor":4,"original_max_position_embeddings":64}"#,
            {
                $0.ropeScaling == .yarn(.init(factor: 4, originalContextLength: 64)) && $0.contextLength == 256
            }
        ),
        (#""rope_scaling":{"type":"dynamic","factor":4}"#, { $0.ropeScaling == .unsupported("dynamic") }),
        (#""rope_parameters":{"rope_type":"default","rope_theta":7.0}"#, { $0.ropeTheta == 7 }),
        (#""auto_map":{"AutoModel":"evil.py--Model"}"#, { $0.architecture == "LlamaForCausalLM" }),
    ]

    @Test("understands members of config.json", arguments: readings)
    func configuration(extra: String, holds: @Sendable (ModelConfiguration) -> Bool) throws {
        let folder = try folder(extra: extra)
        let configuration = try ModelCheckpoint.open(path: folder.path).configuration
        #expect(holds(configuration), "\(configuration)")
    }

    /// Members of config.json that must be refused, with the key that the error must name.
    static let refusals: [(String, String)] = [
        (#""hidden_size":0"#, "hidden_size"), (#""hidden_size":-32"#, "hidden_size"),
        (#""hidden_size":1048577"#, "hidden_size"), (#""hidden_size":32.5"#, "hidden_size"),
        (#""hidden_size":"32""#, "hidden_size"), (#""hidden_size":null"#, "hidden_size"),
        (#""hidden_size":1e30"#, "hidden_size"), (#""num_hidden_layers":0"#, "num_hidden_layers"),
        (#""num_hidden_layers":4097"#, "num_hidden_layers"), (#""num_attention_heads":0"#, "num_attention_heads"),
        (#""num_attention_heads":5"#, "num_attention_heads"), (#""num_key_value_heads":0"#, "num_key_value_heads"),
        (#""num_key_value_heads":3"#, "num_key_value_heads"), (#""num_key_value_heads":8"#, "num_key_value_heads"),
        (#""head_dim":0"#, "head_dim"), (#""head_dim":20000"#, "head_dim"), (#""vocab_size":0"#, "vocab_size"),
        (#""vocab_size":9223372036854775807"#, "vocab_size"), (#""intermediate_size":0"#, "intermediate_size"),
        (#""max_position_embeddings":0"#, "max_position_embeddings"), (#""rms_norm_eps":0"#, "rms_norm_eps"),
        (#""rms_norm_eps":1e999"#, "rms_norm_eps"), (#""rope_theta":0"#, "rope_theta"),
        (#""rope_theta":-1"#, "rope_theta"), (#""rope_theta":1e400"#, "rope_theta"),
        (#""partial_rotary_factor":0"#, "partial_rotary_factor"), (#""partial_rotary_factor":2"#, "partial_rotary"),
        (#""head_dim":7"#, "partial_rotary_factor"), (#""eos_token_id":100"#, "eos_token_id"),
        (#""eos_token_id":-1"#, "eos_token_id"), (#""bos_token_id":"<s>""#, "bos_token_id"),
        (#""rope_scaling":{"type":"linear"}"#, "factor"), (#""rope_scaling":{"type":"linear","factor":0}"#, "factor"),
        (#""rope_scaling":{"type":"llama3","factor":8}"#, "low_freq_factor"), (#""rope_scaling":[]"#, "rope_scaling"),
        (#""rope_scaling":{"type":5}"#, "type"), (#""sliding_window":0"#, "sliding_window"),
        (#""sliding_window":9,"max_window_layers":-1"#, "max_window_layers"),
        (#""sliding_window":9,"layer_types":["full_attention"]"#, "layer_types"),
        (#""sliding_window":9,"sliding_window_pattern":0"#, "sliding_window_pattern"),
        (#""rope_scaling":{"type":"longrope","short_factor":[1],"long_factor":[1]}"#, "original_max_position"),
        (
            #""rope_parameters":{"sliding_attention":{"rope_type":"linear","factor":2}}"#, "sliding windows"
        ),
        (#""vision_config":{}"#, "vision_config"), (#""text_config":{}"#, "text"),
        (#""num_experts":4"#, "num_experts_per_tok"), (#""num_experts":4,"num_experts_per_tok":9"#, "4 experts"),
        (#""architectures":null"#, "architectures"),
        (#""architectures":[]"#, "architectures"), (#""architectures":"Llama""#, "architectures"),
        (#""tie_word_embeddings":1"#, "tie_word_embeddings"), (#""hidden_act":1"#, "hidden_act"),
        (#""quantization_config":{"quant_method":"quark","bits":4}"#, "quark"),
    ]

    @Test("refuses impossible numbers in config.json and names the key", arguments: refusals)
    func refuses(extra: String, expected: String) throws {
        let folder = try folder(extra: extra)
        let error = #expect(throws: ModelFileError.self) { try ModelCheckpoint.open(path: folder.path) }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains(expected) && text.contains("config.json"), "\(text)")
    }

    @Test("names the architecture when a key is missing that it does not have")
    func unknownArchitecture() throws {
        let folder = try folder(extra: #""architectures":["GPT2LMHeadModel"],"hidden_size":null"#)
        let error = #expect(throws: ModelFileError.self) { try ModelCheckpoint.open(path: folder.path) }
        #expect(error.map { "\($0)" }?.contains("GPT2LMHeadModel") == true)
    }

    @Test("finds biases and the output head by their tensors")
    func tensorPresence() throws {
        let biased = try folder(tensor: "model.layers.0.self_attn.q_proj.bias")
        #expect(try ModelCheckpoint.open(path: biased.path).configuration.hasQKVBias)
        let headed = try folder(tensor: "lm_head.weight")
        #expect(try !ModelCheckpoint.open(path: headed.path).configuration.tiesEmbeddings)
    }

    @Test("takes the template from its own file first, and the default one of a list")
    func chatTemplates() throws {
        let named = #"{"chat_template":[{"name":"tool_use","template":"t"},{"name":"default","template":"d"}]}"#
        let list = try folder(files: ["tokenizer_config.json": named])
        #expect(try ModelCheckpoint.open(path: list.path).chatTemplate == "d")
        let both = try folder(files: ["tokenizer_config.json": named, "chat_template.jinja": "own file"])
        #expect(try ModelCheckpoint.open(path: both.path).chatTemplate == "own file")
        let neither = try folder(files: ["tokenizer_config.json": #"{"chat_template":null}"#])
        #expect(try ModelCheckpoint.open(path: neither.path).chatTemplate == nil)
        let wrong = try folder(files: ["tokenizer_config.json": #"{"chat_template":5}"#])
        #expect(throws: ModelFileError.self) { try ModelCheckpoint.open(path: wrong.path) }
        let huge = try folder(files: ["chat_template.jinja": String(repeating: "x", count: 1 << 20 + 1)])
        #expect(throws: ModelFileError.self) { try ModelCheckpoint.open(path: huge.path) }
    }

    // MARK: - What is no checkpoint

    @Test("says what is wrong with a path that leads to no model")
    func noModel() throws {
        let folder = try TemporaryFolder()
        func message(_ path: String) -> String {
            #expect(throws: ModelFileError.self) { try ModelCheckpoint.open(path: path) }.map { "\($0)" } ?? ""
        }
        #expect(message(folder.path + "/absent.gguf").contains("No such file"))
        #expect(message(folder.path).contains("has no config.json"))
        #expect(message(try folder.write([], as: "empty.gguf")).contains("is empty"))
        #expect(message(try folder.write("PK\u{3}\u{4}", as: "other.zip")).contains("is not a GGUF file"))
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
        #expect(message(try folder.write(pointer, as: "pointer.gguf")).contains("git lfs pull"))
        #expect(message("/dev/null").contains("is not a regular file"))
        #expect(message(folder.path + "/a\0b").contains("NUL"))
        try #require(mkfifo(folder.path + "/fifo", 0o600) == 0)
        #expect(message(folder.path + "/fifo").contains("is not a regular file"))
        try FileManager.default.createSymbolicLink(
            atPath: folder.path + "/loop", withDestinationPath: folder.path + "/loop")
        #expect(message(folder.path + "/loop").contains("cannot be read"))
        try folder.write("{}", as: "config.json")
        #expect(message(folder.path).contains("has no model.safetensors"))
        try folder.write(pointer, as: "model.safetensors")
        #expect(message(folder.path).contains("git lfs pull"))
    }

    // MARK: - GGUF

    @Test("reads a GGUF file")
    func gguf() throws {
        let folder = try TemporaryFolder()
        let checkpoint = try ModelCheckpoint.open(path: try folder.write(GGUFWriter.model().encoded(), as: "m.gguf"))
        #expect(checkpoint.name == "m.gguf" && checkpoint.format == .gguf)
        #expect(checkpoint.chatTemplate == "{{ messages }}")
        #expect(checkpoint.generationDefaults.temperature == 0.5)
        #expect(checkpoint.parameterBytes == 6 * 34 + 128 + 32 * 18)
        let configuration = checkpoint.configuration
        #expect(configuration.architecture == "llama" && configuration.layerCount == 1)
        #expect(configuration.headSize == 8 && configuration.rotaryDimensions == 8)
        #expect(configuration.vocabularySize == 6 && configuration.tiesEmbeddings)
        #expect(configuration.bosTokenID == 0 && configuration.eosTokenIDs == [1, 5])
        #expect(configuration.normEpsilon == 1e-5 && configuration.ropeTheta == 500_000)
    }

    @Test("finds divisors, scaling and missing tokens of a GGUF file")
    func ggufScaling() throws {
        let folder = try TemporaryFolder()
        var writer = GGUFWriter.model()
        writer.string("llama.rope.scaling.type", "yarn")
        writer.number("llama.rope.scaling.factor", 4)
        writer.integer("llama.rope.scaling.original_context_length", 16)
        writer.integer("tokenizer.ggml.eom_token_id", .max)
        writer.tensors.append(.init(name: "rope_freqs.weight", dimensions: [4], byteCount: 16))
        let configuration = try ModelCheckpoint.open(path: try folder.write(writer.encoded())).configuration
        #expect(configuration.ropeScaling == .yarn(.init(factor: 4, originalContextLength: 16)))
        #expect(configuration.ropeFrequencyDivisors == "rope_freqs.weight")
        #expect(configuration.eosTokenIDs == [1, 5])
    }

    @Test(
        "refuses impossible GGUF metadata and names the key",
        arguments: [
            ("llama.block_count", 0), ("llama.block_count", 5000), ("llama.embedding_length", 0),
            ("llama.embedding_length", 33), ("llama.attention.head_count", 0), ("llama.attention.head_count_kv", 0),
            ("llama.attention.head_count_kv", 3), ("llama.context_length", 0), ("llama.feed_forward_length", 0),
            ("tokenizer.ggml.bos_token_id", 6), ("tokenizer.ggml.eos_token_id", 77),
        ] as [(String, UInt32)])
    func badMetadata(key: String, value: UInt32) throws {
        let folder = try TemporaryFolder()
        var writer = GGUFWriter.model()
        writer.pairs.removeAll { $0.starts(with: encodedKey(key)) }
        writer.integer(key, value)
        let path = try folder.write(writer.encoded())
        let error = #expect(throws: ModelFileError.self) { try ModelCheckpoint.open(path: path) }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains("llama.") || text.contains(key), "\(text)")
    }

    @Test(
        "refuses GGUF metadata that lacks a key",
        arguments: ["general.architecture", "llama.block_count", "llama.attention.head_count", "llama.context_length"])
    func missingMetadata(key: String) throws {
        let folder = try TemporaryFolder()
        var writer = GGUFWriter.model()
        writer.pairs.removeAll { $0.starts(with: encodedKey(key)) }
        let path = try folder.write(writer.encoded())
        let error = #expect(throws: ModelFileError.self) { try ModelCheckpoint.open(path: path) }
        #expect(error.map { "\($0)" }?.contains("has no \"\(key)\"") == true)
    }

    private func encodedKey(_ key: String) -> [UInt8] {
        var bytes = Bytes()
        bytes.add(key)
        return bytes.all
    }

    @Test("refuses a vocabulary that does not fit the embedding")
    func vocabularyMismatch() throws {
        let folder = try TemporaryFolder()
        var writer = GGUFWriter.model()
        writer.pairs.removeAll { $0.starts(with: encodedKey("tokenizer.ggml.tokens")) }
        writer.strings("tokenizer.ggml.tokens", ["a"])
        let path = try folder.write(writer.encoded())
        let error = #expect(throws: ModelFileError.self) { try ModelCheckpoint.open(path: path) }
        #expect(error.map { "\($0)" }?.contains("1 tokens for an embedding of 6 rows") == true)
    }

    @Test("reads a real GGUF file")
    func realFile() throws {
        let environment = ProcessInfo.processInfo.environment
        let cache = environment["PAGODA_CACHE"] ?? NSHomeDirectory() + "/.cache/pagoda"
        let path = cache + "/models/SmolLM2-135M-Instruct.Q4_1.gguf"
        try #require(FileManager.default.fileExists(atPath: path), "\(path) is missing: run tools/fetch-model.sh")
        let checkpoint = try ModelCheckpoint.open(path: path)
        let configuration = checkpoint.configuration
        #expect(configuration.architecture == "llama")
        #expect(configuration.hiddenSize == 576 && configuration.intermediateSize == 1536)
        #expect(configuration.layerCount == 30 && configuration.headCount == 9)
        #expect(configuration.keyValueHeadCount == 3 && configuration.headSize == 64)
        #expect(configuration.vocabularySize == 49152 && configuration.contextLength == 8192)
        #expect(configuration.ropeTheta == 100_000 && configuration.normEpsilon == 1e-5)
        #expect(configuration.tiesEmbeddings && configuration.eosTokenIDs == [2])
        #expect(checkpoint.chatTemplate?.count == 368)
        #expect(checkpoint.weights.tensorNames.count == 272)
        let query = try #require(checkpoint.weights.tensor(named: "blk.0.attn_k.weight"))
        #expect(query.shape == [192, 576] && query.elementType == .q4_1)
        #expect(query.byteRange == 33_530_176..<33_599_296)
        guard case .gguf(let metadata) = checkpoint.tokenizerFiles else {
            Issue.record("not a GGUF tokenizer")
            return
        }
        #expect(try metadata.strings("tokenizer.ggml.merges")?.count == 48900)
    }
}
