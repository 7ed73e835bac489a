// config.json of the first generation of Qwen, whose keys are its own. Names and defaults: the published configuration
// class (QWenConfig).

extension ModelConfiguration {
    static let qwenName = "QWenLMHeadModel"

    /// Of `QWenLMHeadModel`. `seq_length` is what it was trained with; prompts beyond it, up to
    /// `max_position_embeddings`, need dynamic NTK.
    static func qwen(_ file: JSONFile) throws(ModelFileError) -> ModelConfiguration {
        func size(_ key: String, _ range: ClosedRange<Int>) throws(ModelFileError) -> Int {
            try file.require(key, try file.integer(key, in: range))
        }
        let hidden = try size("hidden_size", ConfigurationLimits.hidden)
        let heads = try size("num_attention_heads", ConfigurationLimits.heads)
        let headSize = try Self.headSize(
            try file.integer("kv_channels", in: ConfigurationLimits.headSize), hidden: hidden, heads: heads,
            file: file.path, key: "num_attention_heads")
        // The two halves of the feed-forward are counted together.
        let inner = try size("intermediate_size", ConfigurationLimits.intermediate)
        guard inner % 2 == 0 else {
            throw file.bad("intermediate_size", "is \(inner), but must be twice the width of the feed-forward")
        }
        guard try file.bool("scale_attn_weights") ?? true else {
            throw file.bad("scale_attn_weights", "attention without the scale of its scores is not supported")
        }
        let vocabulary = try size("vocab_size", ConfigurationLimits.vocabulary)
        let trained = try file.integer("seq_length", in: ConfigurationLimits.context) ?? 2048
        let positions = try file.integer("max_position_embeddings", in: ConfigurationLimits.context) ?? 8192
        let rotaryDimensions = Int(Double(headSize) * (try file.number("rotary_pct", in: 0...1) ?? 1))
        let isStretched = try file.bool("use_dynamic_ntk") ?? true
        guard !isStretched || rotaryDimensions > 2 else {
            throw file.bad("rotary_pct", "rotates too few dimensions for use_dynamic_ntk")
        }
        let usesLogN = try file.bool("use_logn_attn") ?? true
        guard !usesLogN || trained > 1 else { throw file.bad("seq_length", "is too short for use_logn_attn") }
        let hasBiases = try file.bool("no_bias").map { !$0 } ?? false
        let configuration = ModelConfiguration(
            architecture: qwenName, hiddenSize: hidden, intermediateSize: inner / 2,
            layerCount: try size("num_hidden_layers", ConfigurationLimits.layers), headCount: heads,
            keyValueHeadCount: heads, headSize: headSize, vocabularySize: vocabulary,
            contextLength: isStretched ? max(trained, positions) : trained, defaultContextLength: trained,
            normEpsilon: Float(try file.number("layer_norm_epsilon", in: ConfigurationLimits.epsilon) ?? 1e-6),
            hiddenActivation: "silu",
            ropeTheta: try file.number("rotary_emb_base", in: ConfigurationLimits.theta) ?? 10000,
            ropeScaling: isStretched ? .dynamicNTK(trainedLength: trained) : .none, rotaryDimensions: rotaryDimensions,
            logNLength: usesLogN ? trained : nil, ropeFrequencyDivisors: nil,
            tiesEmbeddings: try file.bool("tie_word_embeddings") ?? false, hasQKVBias: true, hasOutputBias: hasBiases,
            hasMLPBias: hasBiases, slidingWindow: nil, bosTokenID: nil,
            eosTokenIDs: try file.tokenIDs("eos_token_id", below: vocabulary))
        try configuration.check(
            file: file.path, headsKey: "num_attention_heads", rotaryKey: "rotary_pct", slidingKey: "", expertsKey: "")
        return configuration
    }
}
