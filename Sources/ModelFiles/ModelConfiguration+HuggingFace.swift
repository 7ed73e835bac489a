// config.json → configuration. Only the keys named here are read; no key of the file can name code to run.

internal import JSON

extension ModelConfiguration {
    /// - Parameter weights: Tells what the file may leave out: biases, and whether there is an output head.
    init(_ file: JSONFile, weights: any WeightSource) throws(ModelFileError) {
        var file = file
        let architecture = try Self.architecture(file)
        file.architecture = architecture
        if architecture == Self.qwenName {
            self = try Self.qwen(file)
            return
        }
        func size(_ key: String, _ range: ClosedRange<Int>) throws(ModelFileError) -> Int {
            try file.require(key, try file.integer(key, in: range))
        }
        let hidden = try size("hidden_size", ConfigurationLimits.hidden)
        let heads = try size("num_attention_heads", ConfigurationLimits.heads)
        let headSize = try Self.headSize(
            try file.integer("head_dim", in: ConfigurationLimits.headSize), hidden: hidden, heads: heads,
            file: file.path, key: "num_attention_heads")
        let layers = try size("num_hidden_layers", ConfigurationLimits.layers)
        let vocabulary = try size("vocab_size", ConfigurationLimits.vocabulary)
        let positions = try size("max_position_embeddings", ConfigurationLimits.context)
        let rope = try RopeFields(file, positions: positions)
        let rotaryShare = try file.number("partial_rotary_factor", in: 0...1) ?? 1

        self.architecture = architecture
        hiddenSize = hidden
        intermediateSize = try size("intermediate_size", ConfigurationLimits.intermediate)
        layerCount = layers
        headCount = heads
        keyValueHeadCount = try file.integer("num_key_value_heads", in: ConfigurationLimits.heads) ?? heads
        self.headSize = headSize
        vocabularySize = vocabulary
        contextLength = rope.contextLength
        defaultContextLength = rope.contextLength
        normEpsilon = Float(try file.number("rms_norm_eps", in: ConfigurationLimits.epsilon) ?? 1e-6)
        hiddenActivation = try file.string("hidden_act") ?? "silu"
        ropeTheta = rope.theta
        ropeScaling = rope.scaling
        rotaryDimensions = Int(Double(headSize) * rotaryShare)
        logNLength = nil
        ropeFrequencyDivisors = nil
        let hasHead = weights.tensorNames.contains { $0.hasPrefix("lm_head.") }
        tiesEmbeddings = try file.bool("tie_word_embeddings") ?? !hasHead
        let hasBias = try file.bool("attention_bias") ?? false
        hasQKVBias = hasBias || weights.tensor(named: "model.layers.0.self_attn.q_proj.bias") != nil
        hasOutputBias = hasBias || weights.tensor(named: "model.layers.0.self_attn.o_proj.bias") != nil
        let hasMLPFlag = try file.bool("mlp_bias") ?? false
        hasMLPBias = hasMLPFlag || weights.tensor(named: "model.layers.0.mlp.gate_proj.bias") != nil
        slidingWindow = try Self.slidingWindow(file, layers: layers)
        bosTokenID = try file.tokenIDs("bos_token_id", below: vocabulary).first
        eosTokenIDs = try file.tokenIDs("eos_token_id", below: vocabulary)
        try check(file: file.path, headsKey: "num_key_value_heads", rotaryKey: "partial_rotary_factor")
    }

    private static func architecture(_ file: JSONFile) throws(ModelFileError) -> String {
        guard let value = file.value("architectures") else {
            throw .missingKey(file: file.path, key: "architectures", architecture: try file.string("model_type"))
        }
        guard let name = value.arrayValue?.first?.stringValue else {
            throw file.bad("architectures", "must be a list of class names")
        }
        return name
    }

    /// Qwen2 keeps a window in its configuration that only applies if `use_sliding_window` is true.
    private static func slidingWindow(_ file: JSONFile, layers: Int) throws(ModelFileError) -> Int? {
        guard let window = try file.integer("sliding_window", in: ConfigurationLimits.context),
            try file.bool("use_sliding_window") ?? true
        else { return nil }
        let full = try file.integer("max_window_layers", in: 0...ConfigurationLimits.layers.upperBound) ?? 0
        if full >= layers { return nil }
        guard full == 0 else {
            throw file.bad("max_window_layers", "a sliding window on a part of the layers is not supported")
        }
        return window
    }
}

/// Rotary embedding in config.json: `rope_theta` and `rope_scaling`, or both in `rope_parameters` of newer files.
private struct RopeFields {
    let theta: Double
    let scaling: RopeScaling
    /// As vLLM derives the longest context (vllm/config/model.py, _get_and_verify_max_len).
    let contextLength: Int

    init(_ file: JSONFile, positions: Int) throws(ModelFileError) {
        let parameters = try file.file("rope_parameters")
        let older = try file.file("rope_scaling")
        let innerTheta = try parameters?.number("rope_theta", in: ConfigurationLimits.theta)
        let outerTheta = try file.number("rope_theta", in: ConfigurationLimits.theta)
        theta = innerTheta ?? outerTheta ?? 10000
        scaling = try Self.scaling(parameters ?? older, positions: positions)
        let stretched: Double =
            switch scaling {
            case .linear(let factor): Double(positions) * factor
            case .yarn(let yarn): Double(yarn.originalContextLength) * yarn.factor
            default: Double(positions)
            }
        let longest = ConfigurationLimits.context.upperBound
        contextLength = max(1, Int(min(stretched, Double(longest))))
    }

    private static func scaling(_ fields: JSONFile?, positions: Int) throws(ModelFileError) -> RopeScaling {
        guard let fields else { return .none }
        func factor(_ key: String) throws(ModelFileError) -> Double? {
            try fields.number(key, in: ConfigurationLimits.factor)
        }
        func original() throws(ModelFileError) -> Int? {
            try fields.integer("original_max_position_embeddings", in: ConfigurationLimits.context)
        }
        // Older files say "type".
        let kind = try fields.string("rope_type"), olderKind = try fields.string("type")
        switch kind ?? olderKind ?? "default" {
        case "default", "mrope":
            return .none
        case "linear":
            return .linear(factor: try fields.require("factor", try factor("factor")))
        case "llama3":
            return .llama3(
                factor: try fields.require("factor", try factor("factor")),
                lowFrequencyFactor: try fields.require("low_freq_factor", try factor("low_freq_factor")),
                highFrequencyFactor: try fields.require("high_freq_factor", try factor("high_freq_factor")),
                originalContextLength: try fields.require("original_max_position_embeddings", try original()))
        case "yarn":
            return .yarn(
                RopeScaling.Yarn(
                    factor: try fields.require("factor", try factor("factor")),
                    originalContextLength: try original() ?? positions,
                    betaFast: try factor("beta_fast") ?? 32, betaSlow: try factor("beta_slow") ?? 1,
                    attentionFactor: try factor("attention_factor")))
        case let other:
            return .unsupported(other)
        }
    }
}
