// GGUF metadata → configuration. Key names: the GGUF specification (ggml, docs/gguf.md).

extension ModelConfiguration {
    init(_ gguf: GGUFFile) throws(ModelFileError) {
        let metadata = gguf.metadata
        let architecture = try metadata.require("general.architecture", metadata.string)
        let fields = GGUFFields(metadata: metadata, prefix: architecture)
        let hidden = try fields.require("embedding_length", in: ConfigurationLimits.hidden)
        let heads = try fields.require("attention.head_count", in: ConfigurationLimits.heads)
        let headSize = try Self.headSize(
            try fields.integer("attention.key_length", in: ConfigurationLimits.headSize), hidden: hidden, heads: heads,
            file: gguf.fileName, key: fields.key("attention.head_count"))
        if let valueSize = try fields.integer("attention.value_length", in: ConfigurationLimits.headSize) {
            guard valueSize == headSize else {
                throw fields.bad("attention.value_length", "values of another size than keys are not supported")
            }
        }
        let context = try fields.require("context_length", in: ConfigurationLimits.context)
        let vocabulary = try Self.vocabularySize(gguf, fields)
        let hasDivisors = gguf.tensor(named: "rope_freqs.weight") != nil

        self.architecture = architecture
        hiddenSize = hidden
        intermediateSize = try fields.require("feed_forward_length", in: ConfigurationLimits.intermediate)
        layerCount = try fields.require("block_count", in: ConfigurationLimits.layers)
        headCount = heads
        keyValueHeadCount = try fields.integer("attention.head_count_kv", in: ConfigurationLimits.heads) ?? heads
        self.headSize = headSize
        vocabularySize = vocabulary
        contextLength = context
        normEpsilon = Float(
            try fields.number("attention.layer_norm_rms_epsilon", in: ConfigurationLimits.epsilon) ?? 1e-6)
        hiddenActivation = nil
        attentionScalar = nil
        attentionSoftcap = try fields.number("attn_logit_softcapping", in: ConfigurationLimits.softcap)
        logitSoftcap = try fields.number("final_logit_softcapping", in: ConfigurationLimits.softcap)
        ropeTheta = try fields.number("rope.freq_base", in: ConfigurationLimits.theta) ?? 10000
        let longRope = try Self.longRope(gguf, fields, context: context)
        let otherScaling = try Self.ropeScaling(fields, context: context)
        ropeScaling = longRope ?? otherScaling
        rotaryDimensions = try fields.integer("rope.dimension_count", in: ConfigurationLimits.headSize) ?? headSize
        ropeFrequencyDivisors = hasDivisors ? "rope_freqs.weight" : nil
        tiesEmbeddings = gguf.tensor(named: "output.weight") == nil
        hasQKVBias = gguf.tensor(named: "blk.0.attn_q.bias") != nil
        hasOutputBias = gguf.tensor(named: "blk.0.attn_output.bias") != nil
        hasMLPBias = gguf.tensor(named: "blk.0.ffn_gate.bias") != nil
        // 0 is how converters say that there is none.
        let window = try fields.integer("attention.sliding_window", in: 0...ConfigurationLimits.context.upperBound)
        slidingWindow = window == 0 ? nil : window
        slidingLayers = try Self.slidingLayers(fields)
        slidingRopeTheta = try fields.number("rope.freq_base_swa", in: ConfigurationLimits.theta)
        experts = try ExpertConfiguration(gguf, fields, intermediate: intermediateSize)
        bosTokenID = try Self.tokenID("bos", metadata, below: vocabulary)
        eosTokenIDs = []
        // End of text, of turn and of message: each ends a generation.
        for kind in ["eos", "eot", "eom"] {
            guard let identifier = try Self.tokenID(kind, metadata, below: vocabulary) else { continue }
            if !eosTokenIDs.contains(identifier) { eosTokenIDs.append(identifier) }
        }
        try check(
            file: gguf.fileName, headsKey: fields.key("attention.head_count_kv"),
            rotaryKey: fields.key("rope.dimension_count"), slidingKey: fields.key("attention.sliding_window_pattern"),
            expertsKey: fields.key("expert_used_count"))
    }

    private static func slidingLayers(_ fields: GGUFFields) throws(ModelFileError) -> SlidingLayers? {
        let name = "attention.sliding_window_pattern"
        if case .bools(let layers) = fields.metadata[fields.key(name)] { return .each(layers) }
        return try fields.integer(name, in: ConfigurationLimits.layers).map { .allButEvery($0) }
    }

    /// LongRoPE, which files say by its tensors of factors.
    private static func longRope(
        _ gguf: GGUFFile, _ fields: GGUFFields, context: Int
    ) throws(ModelFileError) -> RopeScaling? {
        guard let short = gguf.tensor(named: "rope_factors_short.weight"),
            let long = gguf.tensor(named: "rope_factors_long.weight")
        else { return nil }
        let original =
            try fields.integer("rope.scaling.original_context_length", in: ConfigurationLimits.context) ?? context
        return .longRope(
            RopeScaling.LongRope(
                shortFactors: try factors(short, file: gguf.fileName),
                longFactors: try factors(long, file: gguf.fileName),
                originalContextLength: original, factor: Double(context) / Double(original),
                attentionFactor: try fields.number("rope.scaling.attn_factor", in: ConfigurationLimits.factor)))
    }

    private static func factors(_ tensor: TensorView, file: String) throws(ModelFileError) -> [Double] {
        guard tensor.elementType == .float32, tensor.shape.count == 1, tensor.shape[0] <= 1 << 13 else {
            throw .badTensor(file: file, tensor: tensor.name, reason: "must be a vector of F32")
        }
        let values = tensor.withUnsafeBytes { bytes in
            (0..<tensor.shape[0]).map { index in
                let bits = bytes.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)
                return Double(Float(bitPattern: UInt32(littleEndian: bits)))
            }
        }
        guard values.allSatisfy({ ConfigurationLimits.factor.contains($0) }) else {
            throw .badTensor(file: file, tensor: tensor.name, reason: "must hold numbers from 0.001 to 1000000")
        }
        return values
    }

    /// Rows of the embedding; a vocabulary in the file must have as many tokens.
    private static func vocabularySize(_ gguf: GGUFFile, _ fields: GGUFFields) throws(ModelFileError) -> Int {
        let metadata = gguf.metadata, key = "tokenizer.ggml.tokens"
        let tokenCount = try metadata.strings(key)?.count
        let rows = gguf.tensor(named: "token_embd.weight").flatMap { $0.shape.count == 2 ? $0.shape[0] : nil }
        if let tokenCount, let rows, tokenCount != rows {
            throw .badValue(
                file: gguf.fileName, key: key, reason: "has \(tokenCount) tokens for an embedding of \(rows) rows")
        }
        let claimed = try fields.integer("vocab_size", in: ConfigurationLimits.vocabulary)
        guard let size = rows ?? tokenCount ?? claimed else {
            throw .missingKey(file: gguf.fileName, key: key, architecture: nil)
        }
        guard ConfigurationLimits.vocabulary.contains(size) else {
            throw .badValue(file: gguf.fileName, key: key, reason: "a vocabulary of \(size) tokens is out of range")
        }
        return size
    }

    private static func ropeScaling(_ fields: GGUFFields, context: Int) throws(ModelFileError) -> RopeScaling {
        func factor(_ name: String) throws(ModelFileError) -> Double? {
            try fields.number(name, in: ConfigurationLimits.factor)
        }
        let kind = try fields.metadata.string(fields.key("rope.scaling.type")) ?? "none"
        switch kind {
        case "none":
            return .none
        case "linear":
            return .linear(factor: try factor("rope.scaling.factor") ?? 1)
        case "yarn":
            let original = try fields.integer(
                "rope.scaling.original_context_length", in: ConfigurationLimits.context)
            return .yarn(
                RopeScaling.Yarn(
                    factor: try factor("rope.scaling.factor") ?? 1, originalContextLength: original ?? context,
                    betaFast: try factor("rope.scaling.yarn_beta_fast") ?? 32,
                    betaSlow: try factor("rope.scaling.yarn_beta_slow") ?? 1,
                    attentionFactor: try factor("rope.scaling.attn_factor")))
        default:
            return .unsupported(kind)
        }
    }

    /// A special token; the greatest 32-bit number and -1 mean that there is none.
    private static func tokenID(
        _ kind: String, _ metadata: GGUFMetadata, below count: Int
    ) throws(ModelFileError) -> Int? {
        let key = "tokenizer.ggml.\(kind)_token_id"
        guard let identifier = try metadata.integer(key), identifier != -1, identifier != Int(UInt32.max) else {
            return nil
        }
        guard (0..<count).contains(identifier) else {
            throw .badValue(
                file: metadata.fileName, key: key, reason: "is \(identifier), beyond the vocabulary of \(count)")
        }
        return identifier
    }
}

extension ExpertConfiguration {
    /// Nil for a model without experts.
    ///
    /// - Parameter intermediate: The size of experts where they have none of their own.
    fileprivate init?(_ gguf: GGUFFile, _ fields: GGUFFields, intermediate: Int) throws(ModelFileError) {
        // 0 is how some converters say that there are none.
        let most = ConfigurationLimits.experts.upperBound
        guard let count = try fields.integer("expert_count", in: 0...most), count > 0 else { return nil }
        self.count = count
        perToken = try fields.require("expert_used_count", in: ConfigurationLimits.experts)
        let sizes = ConfigurationLimits.intermediate
        intermediateSize = try fields.integer("expert_feed_forward_length", in: sizes) ?? intermediate
        let shared = try fields.integer("expert_shared_feed_forward_length", in: sizes)
        let hasShared = gguf.tensor(named: "blk.0.ffn_gate_shexp.weight") != nil
        sharedIntermediateSize = shared ?? (hasShared ? intermediate : nil)
        normalizesWeights = nil
        denseLayers = []
    }
}

/// Metadata of one architecture, with ranges.
private struct GGUFFields {
    let metadata: GGUFMetadata
    let prefix: String

    func key(_ name: String) -> String { prefix + "." + name }

    /// An integer, or an array with the same one for each layer.
    func integer(_ name: String, in range: ClosedRange<Int>) throws(ModelFileError) -> Int? {
        let value: Int?
        if case .integers(let perLayer) = metadata[key(name)] {
            guard let first = perLayer.first, perLayer.allSatisfy({ $0 == first }) else {
                throw bad(name, "differs between layers, which is not supported")
            }
            value = Int(first)
        } else {
            value = try metadata.integer(key(name))
        }
        guard let value else { return nil }
        guard range.contains(value) else {
            throw bad(name, "is \(value), not from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func number(_ name: String, in range: ClosedRange<Double>) throws(ModelFileError) -> Double? {
        guard let value = try metadata.number(key(name)) else { return nil }
        guard range.contains(value) else {
            throw bad(name, "is \(value), not from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func require(_ name: String, in range: ClosedRange<Int>) throws(ModelFileError) -> Int {
        guard let value = try integer(name, in: range) else {
            throw .missingKey(file: metadata.fileName, key: key(name), architecture: prefix)
        }
        return value
    }

    func bad(_ name: String, _ reason: String) -> ModelFileError {
        .badValue(file: metadata.fileName, key: key(name), reason: reason)
    }
}
