// config.json → configuration. Only the keys named here are read; no key of the file can name code to run.

internal import JSON

extension ModelConfiguration {
    /// - Parameter weights: Tells what the file may leave out: biases, and whether there is an output head.
    init(_ file: JSONFile, weights: any WeightSource) throws(ModelFileError) {
        var file = file
        let architecture = try Self.architecture(file)
        file.architecture = architecture
        try Self.checkIsText(file, architecture: architecture)
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
        let windows = try WindowFields(file, layers: layers)

        self.architecture = architecture
        hiddenSize = hidden
        let intermediate = try size("intermediate_size", ConfigurationLimits.intermediate)
        intermediateSize = intermediate
        layerCount = layers
        headCount = heads
        keyValueHeadCount = try file.integer("num_key_value_heads", in: ConfigurationLimits.heads) ?? heads
        self.headSize = headSize
        vocabularySize = vocabulary
        contextLength = rope.contextLength
        normEpsilon = Float(try file.number("rms_norm_eps", in: ConfigurationLimits.epsilon) ?? 1e-6)
        let gemmaActivation = try file.string("hidden_activation"), activation = try file.string("hidden_act")
        hiddenActivation = gemmaActivation ?? activation
        attentionScalar = try file.number("query_pre_attn_scalar", in: ConfigurationLimits.attentionScalar)
        attentionSoftcap = try file.number("attn_logit_softcapping", in: ConfigurationLimits.softcap)
        logitSoftcap = try file.number("final_logit_softcapping", in: ConfigurationLimits.softcap)
        ropeTheta = rope.theta
        ropeScaling = rope.scaling
        rotaryDimensions = Int(Double(headSize) * rope.rotaryShare)
        ropeFrequencyDivisors = nil
        let hasHead = weights.tensorNames.contains { $0.hasPrefix("lm_head.") }
        tiesEmbeddings = try file.bool("tie_word_embeddings") ?? !hasHead
        let hasBias = try file.bool("attention_bias") ?? false
        hasQKVBias = hasBias || weights.tensor(named: "model.layers.0.self_attn.q_proj.bias") != nil
        hasOutputBias = hasBias || weights.tensor(named: "model.layers.0.self_attn.o_proj.bias") != nil
        let hasMLPFlag = try file.bool("mlp_bias") ?? false
        hasMLPBias = hasMLPFlag || weights.tensor(named: "model.layers.0.mlp.gate_proj.bias") != nil
        slidingWindow = windows.size
        slidingLayers = windows.layers
        slidingRopeTheta = rope.slidingTheta
        experts = try ExpertConfiguration(file, layers: layers, intermediate: intermediate)
        bosTokenID = try file.tokenIDs("bos_token_id", below: vocabulary).first
        eosTokenIDs = try file.tokenIDs("eos_token_id", below: vocabulary)
        try check(
            file: file.path, headsKey: "num_key_value_heads", rotaryKey: "partial_rotary_factor",
            slidingKey: "layer_types", expertsKey: "num_experts_per_tok")
    }

    /// Models for images have the text model's numbers in an object of their own.
    private static func checkIsText(_ file: JSONFile, architecture: String) throws(ModelFileError) {
        for key in ["vision_config", "audio_config", "text_config"] where file.value(key) != nil {
            throw file.bad(
                "architectures",
                "is \(ModelFileError.quoted(architecture)), a model of more than text (\(key)), which is not "
                    + "supported; take a checkpoint of the text model alone (…ForCausalLM)")
        }
        if try file.bool("use_bidirectional_attention") == true {
            throw file.bad("use_bidirectional_attention", "attention to later tokens is not supported")
        }
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
}
