import Foundation
import JSON
import Kernels
import ModelFiles
import Models
import Primitives
import Testing

/// A small random checkpoint of a family and Transformers' logits for it.
private struct Family: Sendable, CustomTestStringConvertible {
    let golden: String
    let path: String
    /// The longest context that is served.
    var length = 64

    var testDescription: String { golden }

    static let folders = [
        Family(golden: "qwen3-window"), Family(golden: "gemma2"), Family(golden: "gemma3-bf16"),
        Family(golden: "phi3-window"), Family(golden: "phi3-longrope"),
        Family(golden: "phi3-longrope-short", path: "phi3-longrope", length: 32), Family(golden: "mixtral-window"),
        Family(golden: "qwen2moe"), Family(golden: "qwen3moe"),
    ]
    static let files = [
        Family(file: "qwen3"), Family(file: "gemma2"), Family(file: "gemma3"), Family(file: "phi3"),
        Family(file: "phi3-longrope"),
        Family(golden: "gguf-phi3-longrope-short", path: "phi3-longrope.gguf", length: 32),
        Family(file: "mixtral"), Family(file: "qwen2moe"), Family(file: "qwen3moe"),
    ]

    private init(golden: String, path: String? = nil, length: Int = 64) {
        self.golden = golden
        self.path = path ?? golden
        self.length = length
    }

    private init(file: String) {
        self.init(golden: "gguf-\(file)", path: "\(file).gguf")
    }

    func open() throws -> ModelCheckpoint { try ModelCheckpoint.open(path: Golden.checkpoint(path)) }

    func prompt() throws -> [TokenID] {
        try #require(try Golden.document(golden)["prompt"]?.arrayValue).compactMap {
            $0.integerValue.map { TokenID($0) }
        }
    }
}

/// The logits of every position, each against Transformers'.
private func expectGolden(_ family: Family, of checkpoint: ModelCheckpoint) throws {
    let prompt = try family.prompt(), expected = try Golden.floats(family.golden)
    let runner = try PlainRunner(checkpoint, sequences: 1, length: family.length)
    let rows = try runner.prefill(prompt, sequence: 0, wanted: prompt.count)
    let vocabulary = runner.executor.vocabularySize
    #expect(rows.count * vocabulary == expected.count)
    for (position, row) in rows.enumerated() {
        let exact = Array(expected[position * vocabulary..<(position + 1) * vocabulary])
        let distance = relativeDistance(row, exact)
        #expect(distance < 1e-4, "position \(position): \(distance)")
    }
}

@Suite("Model families")
struct FamilyTests {
    @Test("logits of every position of a folder equal Transformers in float32", arguments: Family.folders)
    fileprivate func folder(family: Family) throws {
        try expectGolden(family, of: try family.open())
    }

    @Test("logits of a GGUF file by llama.cpp's converter equal Transformers in float32", arguments: Family.files)
    fileprivate func gguf(family: Family) throws {
        try expectGolden(family, of: try family.open())
    }

    /// Members of config.json as older versions of Transformers wrote them, which published checkpoints have.
    static let olderForms: [(String, [(String, String)])] = [
        (
            "gemma3-bf16",
            [
                (#""layer_types""#, #""unused""#), (#""rope_parameters""#, #""unused_rope""#),
                (
                    #""sliding_window": 11"#,
                    #""sliding_window": 11, "sliding_window_pattern": 6, "rope_local_base_freq": 10000.0, "#
                        + #""rope_theta": 1000000.0, "rope_scaling": {"rope_type": "linear", "factor": 8.0}"#
                ),
            ]
        ),
        // Without a pattern: the family's.
        ("gemma2", [(#""layer_types""#, #""unused""#), (#""hidden_activation""#, #""hidden_act""#)]),
        ("qwen3-window", [(#""layer_types""#, #""unused""#)]),
        (
            "phi3-longrope",
            [
                (#""rope_parameters""#, #""rope_scaling""#), (#""rope_type": "longrope""#, #""type": "su""#),
                (#""partial_rotary_factor": 0.75,"#, ""),
                (#""model_type""#, #""partial_rotary_factor": 0.75, "model_type""#),
            ]
        ),
        ("qwen3moe", [(#""num_local_experts""#, #""num_experts""#)]),
    ]

    @Test("older forms of config.json mean the same", arguments: olderForms)
    func older(name: String, replacements: [(String, String)]) throws {
        let family = try #require(Family.folders.first { $0.golden == name })
        var checkpoint = try EditableCheckpoint(Golden.folder.appending(path: name))
        for (old, new) in replacements { try checkpoint.replace(old, by: new) }
        try checkpoint.withFolder { path in try expectGolden(family, of: try ModelCheckpoint.open(path: path)) }
    }

    /// Sequences alone, in chunks, and with many others in a batch so large that experts take it in several turns.
    @Test(
        "the logits of a sequence are the same bits in any batch, whatever other tokens its experts have",
        arguments: Family.folders + Family.files, [RoundedForm?.none, .int8])
    fileprivate func sameBits(family: Family, rounding: RoundedForm?) throws {
        let checkpoint = try family.open(), prompt = try family.prompt(), count = 11
        func runner(sequences: Int) throws -> PlainRunner {
            try PlainRunner(checkpoint, sequences: sequences, length: family.length) {
                $0.computesInFloat32 = false
                $0.rounding = rounding
            }
        }
        let prompts = (0..<count).map { shift in prompt.indices.map { prompt[($0 + shift) % prompt.count] } }
        let together = try runner(sequences: count)
        let pieces = prompts.enumerated().map { PlainRunner.Piece(sequence: $0, start: 0, tokens: $1, wanted: 4) }
        #expect(count * prompt.count > 256)
        let batch = try together.run(pieces)
        let single = try runner(sequences: 1)
        for index in [0, 5, count - 1] {
            let alone = try single.prefill(prompts[index], sequence: 0, wanted: 4)
            #expect(Array(batch[index * 4..<index * 4 + 4]) == alone, "sequence \(index)")
            var chunked: [[Float]] = []
            for start in stride(from: 0, to: prompt.count, by: 7) {
                let tokens = Array(prompts[index][start..<min(prompt.count, start + 7)])
                chunked += try single.run([
                    PlainRunner.Piece(sequence: 0, start: start, tokens: tokens, wanted: tokens.count)
                ])
            }
            #expect(Array(chunked.suffix(4)) == alone, "sequence \(index) in chunks")
        }
    }

    @Test("all instruction sets and any number of workers give the same bits", arguments: Family.folders)
    fileprivate func instructionSets(family: Family) throws {
        let checkpoint = try family.open(), prompt = try family.prompt()
        let results = try (InstructionSet.available.map { ($0, 1) } + [(.best, 3)]).map { set, workers in
            try PlainRunner(checkpoint, sequences: 1, length: family.length) {
                $0.computesInFloat32 = false
                $0.rounding = .int8
                $0.instructionSet = set
                $0.threadCount = workers
            }.prefill(prompt, sequence: 0, wanted: 3)
        }
        for result in results { #expect(result == results[0]) }
    }

    @Test("a mixture's costs are those of the experts that a token goes to")
    func costs() throws {
        let checkpoint = try ModelCheckpoint.open(path: Golden.checkpoint("qwen2moe"))
        let model = checkpoint.configuration, experts = try #require(model.experts)
        let costs = try PlainRunner(checkpoint, sequences: 1, length: 32).executor.costs
        let queries = model.headCount * model.headSize, keys = model.keyValueHeadCount * model.headSize
        let attention = (queries + 2 * keys) * model.hiddenSize + model.hiddenSize * queries
        let dense = 3 * model.intermediateSize * model.hiddenSize
        let shared = try #require(experts.sharedIntermediateSize)
        let mixture =
            3 * (experts.perToken * experts.intermediateSize + shared) * model.hiddenSize
            + (experts.count + 1) * model.hiddenSize
        #expect(costs.multiplyAddsPerRow == Double(3 * attention + dense + 2 * mixture))
        #expect(experts.denseLayers == [1])
    }

    @Test(
        "the estimate of memory counts every expert, and rounding applies to them",
        arguments: ["mixtral-window", "phi3-window", "qwen2moe"])
    func estimate(name: String) throws {
        let checkpoint = try ModelCheckpoint.open(path: Golden.checkpoint(name))
        var sizes: [Int] = []
        for rounding in [RoundedForm?.none, .int8] {
            var options = LocalExecutorOptions()
            options.maximumModelLength = 32
            options.rounding = rounding
            let estimated = LocalExecutor.weightBytes(of: checkpoint, options)
            let elements = checkpoint.parameterBytes / 4
            // In small matrices padding to whole panels and cache lines counts, and some are too narrow to be rounded.
            #expect(estimated > elements && estimated <= 4 * elements, "\(estimated) for \(elements)")
            sizes.append(estimated)
        }
        #expect(sizes[1] < sizes[0] / 2)
    }

    @Test("experts in 8 bits give nearly the same logits", arguments: ["mixtral-window", "qwen2moe", "qwen3moe"])
    func rounding(name: String) throws {
        let family = try #require(Family.folders.first { $0.golden == name })
        let prompt = try family.prompt(), expected = try Golden.floats(name)
        let runner = try PlainRunner(try family.open(), sequences: 1, length: 64) {
            $0.computesInFloat32 = false
            $0.rounding = .int8
        }
        // A token that rounding sends to another expert counts much: the middle of all positions does not see it.
        let rows = try runner.prefill(prompt, sequence: 0, wanted: prompt.count)
        let vocabulary = runner.executor.vocabularySize
        let distances = rows.enumerated().map { position, row in
            relativeDistance(row, Array(expected[position * vocabulary..<(position + 1) * vocabulary]))
        }.sorted()
        #expect(distances[distances.count / 2] < 0.15, "\(distances)")
    }
}

/// One way in which a family's config.json can be wrong, and what the error must say.
private struct BadConfiguration: Sendable, CustomTestStringConvertible {
    let fixture: String
    let old: String
    let new: String
    let words: [String]

    var testDescription: String { "\(fixture): \(new)" }

    init(_ fixture: String, _ old: String, _ new: String, _ words: String...) {
        (self.fixture, self.old, self.new, self.words) = (fixture, old, new, words)
    }

    static let all = [
        BadConfiguration("mixtral-window", #""num_local_experts": 4"#, #""num_local_experts": 0"#, "num_local_experts"),
        BadConfiguration(
            "mixtral-window", #""num_local_experts": 4"#, #""num_local_experts": -1"#, "num_local_experts"),
        BadConfiguration("mixtral-window", #""num_local_experts": 4"#, #""num_local_experts": 1e30"#, "num_local_exp"),
        BadConfiguration("mixtral-window", #""num_local_experts": 4"#, #""num_local_experts": 5"#, "experts.4.w1"),
        BadConfiguration("mixtral-window", #""num_local_experts": 4"#, #""num_local_experts": 3"#, "gate", "[4, 32]"),
        BadConfiguration("mixtral-window", #""num_local_experts": 4"#, #""unused": 4"#, "mlp.gate_proj"),
        BadConfiguration(
            "mixtral-window", #""num_experts_per_tok": 2"#, #""num_experts_per_tok": 5"#, "num_experts_per_tok", "4 exp"
        ),
        BadConfiguration("mixtral-window", #""num_experts_per_tok": 2"#, #""num_experts_per_tok": 0"#, "per_tok"),
        BadConfiguration("mixtral-window", #""num_experts_per_tok": 2"#, #""unused": 2"#, "num_experts_per_tok"),
        BadConfiguration("qwen2moe", #""moe_intermediate_size": 24"#, #""moe_intermediate_size": 0"#, "moe_interm"),
        BadConfiguration("qwen2moe", #""moe_intermediate_size": 24"#, #""moe_intermediate_size": 32"#, "experts.0"),
        BadConfiguration("qwen2moe", #""moe_intermediate_size": 24"#, #""moe_intermediate_size": 23"#, "of 8"),
        BadConfiguration(
            "qwen2moe", #""shared_expert_intermediate_size": 40"#, #""shared_expert_intermediate_size": 48"#, "shared"),
        BadConfiguration(
            "qwen2moe", #""shared_expert_intermediate_size": 40"#, #""shared_expert_intermediate_size": -8"#, "shared"),
        BadConfiguration("qwen2moe", #""decoder_sparse_step": 1"#, #""decoder_sparse_step": 0"#, "decoder_sparse_step"),
        BadConfiguration("qwen2moe", #""decoder_sparse_step": 1"#, #""decoder_sparse_step": 2"#, "mlp.gate_proj"),
        BadConfiguration("qwen2moe", "    1\n  ],", "    3\n  ],", "mlp_only_layers", "0 to 2"),
        BadConfiguration("qwen2moe", #""mlp_only_layers": ["#, #""mlp_only_layers": [-1, "#, "mlp_only_layers"),
        BadConfiguration("qwen2moe", #""norm_topk_prob": false"#, #""norm_topk_prob": 1"#, "norm_topk_prob"),
        BadConfiguration("gemma2", #""num_hidden_layers": 3"#, #""num_hidden_layers": 4"#, "layer_types", "4"),
        BadConfiguration("gemma2", #""full_attention""#, #""linear_attention""#, "layer_types"),
        BadConfiguration("gemma2", #""layer_types": ["#, #""layer_types": [ 7, "#, "layer_types"),
        BadConfiguration("gemma2", #""attn_logit_softcapping": 3.0"#, #""attn_logit_softcapping": 0"#, "attn_logit"),
        BadConfiguration(
            "gemma2", #""attn_logit_softcapping": 3.0"#, #""attn_logit_softcapping": -50.0"#, "attn_logit"),
        BadConfiguration("gemma2", #""attn_logit_softcapping": 3.0"#, #""attn_logit_softcapping": NaN"#, "JSON"),
        BadConfiguration("gemma2", #""final_logit_softcapping": 8.0"#, #""final_logit_softcapping": 1e999"#, "final_"),
        BadConfiguration("gemma2", #""final_logit_softcapping": 8.0"#, #""final_logit_softcapping": "x""#, "final_"),
        BadConfiguration("gemma2", #""query_pre_attn_scalar": 24"#, #""query_pre_attn_scalar": 0"#, "query_pre_attn"),
        BadConfiguration("gemma2", #""head_dim": 16"#, #""head_dim": 0"#, "head_dim"),
        BadConfiguration("gemma2", #""head_dim": 16"#, #""head_dim": 24"#, "q_proj", "[96, 32]"),
        BadConfiguration("gemma2", #""gelu_pytorch_tanh""#, #""relu""#, "activation relu"),
        BadConfiguration(
            "gemma2", #""use_bidirectional_attention": null"#, #""use_bidirectional_attention": true"#, "later tokens"),
        BadConfiguration("gemma3-bf16", #""rope_theta": 10000.0"#, #""rope_theta": -1"#, "rope_theta"),
        BadConfiguration(
            "gemma3-bf16", #""Gemma3ForCausalLM""#, #""Gemma3ForConditionalGeneration""#, "Gemma3ForCausalLM"),
        BadConfiguration(
            "gemma3-bf16", #""model_type""#, #""vision_config": {}, "model_type""#, "vision_config", "text"),
        BadConfiguration("phi3-longrope", #""short_factor": ["#, #""short_factor": [ 1.0, "#, "6 factors", "7"),
        BadConfiguration("phi3-longrope", #""short_factor": ["#, #""short_factor": [ 0, "#, "short_factor"),
        BadConfiguration("phi3-longrope", #""long_factor""#, #""unused""#, "long_factor"),
        BadConfiguration(
            "phi3-longrope", #""long_factor": ["#, #""unused": 1, "long_factor": 3, "x": ["#, "long_factor"),
        BadConfiguration("phi3-longrope", #""partial_rotary_factor": 0.75"#, #""partial_rotary_factor": 0.5"#, "4 fac"),
        BadConfiguration("phi3-longrope", #""intermediate_size": 64"#, #""intermediate_size": 56"#, "gate_up_proj"),
        BadConfiguration("phi3-longrope", #""num_key_value_heads": 2"#, #""num_key_value_heads": 4"#, "qkv_proj"),
        BadConfiguration("qwen3-window", #""sliding_window": 11"#, #""sliding_window": 0"#, "sliding_window"),
    ]
}

@Suite("Damaged configurations of families")
struct DamagedFamilyTests {
    private func load(_ path: String) throws -> LocalExecutor {
        var options = LocalExecutorOptions()
        options.maximumModelLength = 32
        return try LocalExecutor(ModelCheckpoint.open(path: path), options: options)
    }

    @Test("an inconsistent configuration is an error that names what is wrong", arguments: BadConfiguration.all)
    fileprivate func configuration(bad: BadConfiguration) throws {
        var checkpoint = try EditableCheckpoint(Golden.folder.appending(path: bad.fixture))
        try checkpoint.replace(bad.old, by: bad.new)
        try checkpoint.withFolder { path in
            do {
                _ = try load(path)
                Issue.record("loaded")
            } catch {
                #expect(error is ModelFileError || error is ModelError, "\(error)")
                for word in bad.words { #expect("\(error)".contains(word), "\(error)") }
            }
        }
    }

    @Test(
        "a missing or misshapen tensor of a family is an error that names it",
        arguments: [
            ("qwen3-window", "0.self_attn.q_norm.weight"), ("gemma3-bf16", "0.self_attn.k_norm.weight"),
            ("gemma2", "0.pre_feedforward_layernorm.weight"), ("gemma2", "2.post_feedforward_layernorm.weight"),
            ("phi3-window", "1.self_attn.qkv_proj.weight"), ("phi3-window", "0.mlp.gate_up_proj.weight"),
            ("mixtral-window", "0.block_sparse_moe.gate.weight"),
            ("mixtral-window", "1.block_sparse_moe.experts.3.w2.weight"),
            ("qwen2moe", "2.mlp.shared_expert_gate.weight"), ("qwen2moe", "0.mlp.shared_expert.up_proj.weight"),
            ("qwen3moe", "1.mlp.experts.7.down_proj.weight"),
        ])
    func tensors(fixture: String, tensor: String) throws {
        for isMissing in [true, false] {
            var checkpoint = try EditableCheckpoint(Golden.folder.appending(path: fixture))
            if isMissing {
                try checkpoint.remove(tensor)
            } else {
                try checkpoint.change(tensor) { $0.shape = [1] + $0.shape }
            }
            try checkpoint.withFolder { path in
                let error = #expect(throws: ModelError.self) { _ = try load(path) }
                #expect(error.map { "\($0)".contains(tensor) } == true, "\(String(describing: error))")
            }
        }
    }

    @Test("what is not supported is named beside all that is")
    func unsupported() throws {
        let error = #expect(throws: ModelError.self) { try DecoderArchitecture.named("Gemma3ForConditionalGeneration") }
        let text = error.map { "\($0)" } ?? ""
        for name in ["Gemma3ForConditionalGeneration", "Gemma3ForCausalLM", "Phi3ForCausalLM", "qwen3moe (GGUF)"] {
            #expect(text.contains(name))
        }
    }
}
