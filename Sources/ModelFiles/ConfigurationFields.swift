// Members of config.json that come in several spellings: rotary embedding, sliding windows, experts.

internal import JSON

/// Rotary embedding: `rope_theta` and `rope_scaling`, or both in `rope_parameters` of newer files, which may have one
/// object for each kind of layer.
struct RopeFields {
    let theta: Double
    let scaling: RopeScaling
    /// The part of each head that is rotated.
    let rotaryShare: Double
    /// Of layers with a sliding window, where it is another.
    let slidingTheta: Double?
    /// As vLLM derives the longest context (vllm/config/model.py, _get_and_verify_max_len).
    let contextLength: Int

    init(_ file: JSONFile, positions: Int) throws(ModelFileError) {
        let newer = try file.file("rope_parameters")
        let parameters = try newer?.file("full_attention") ?? newer
        let sliding = try newer?.file("sliding_attention")
        let older = try file.file("rope_scaling")
        func theta(_ fields: JSONFile?, _ key: String) throws(ModelFileError) -> Double? {
            try fields?.number(key, in: ConfigurationLimits.theta)
        }
        let innerTheta = try theta(parameters, "rope_theta"), outerTheta = try theta(file, "rope_theta")
        self.theta = innerTheta ?? outerTheta ?? 10000
        let innerLocal = try theta(sliding, "rope_theta"), outerLocal = try theta(file, "rope_local_base_freq")
        slidingTheta = innerLocal ?? outerLocal
        if let sliding, let kind = try sliding.string("rope_type"), kind != "default" {
            throw sliding.bad(
                "rope_type", "is \(ModelFileError.quoted(kind)) for sliding windows, which is not supported")
        }
        let innerShare = try parameters?.number("partial_rotary_factor", in: 0...1)
        let outerShare = try file.number("partial_rotary_factor", in: 0...1)
        rotaryShare = innerShare ?? outerShare ?? 1
        scaling = try Self.scaling(parameters ?? older, file, positions: positions)
        let stretched: Double =
            switch scaling {
            case .linear(let factor): Double(positions) * factor
            case .yarn(let yarn): Double(yarn.originalContextLength) * yarn.factor
            default: Double(positions)
            }
        let longest = ConfigurationLimits.context.upperBound
        contextLength = max(1, Int(min(stretched, Double(longest))))
    }

    private static func scaling(
        _ fields: JSONFile?, _ file: JSONFile, positions: Int
    ) throws(ModelFileError) -> RopeScaling {
        guard let fields else { return .none }
        func factor(_ key: String) throws(ModelFileError) -> Double? {
            try fields.number(key, in: ConfigurationLimits.factor)
        }
        func original() throws(ModelFileError) -> Int? {
            try fields.integer("original_max_position_embeddings", in: ConfigurationLimits.context)
        }
        // Older files say "type".
        let newerKind = try fields.string("rope_type"), olderKind = try fields.string("type")
        let kind = newerKind ?? olderKind ?? "default"
        switch kind {
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
        case "longrope", "su", "yarn":
            // Phi-3 called it by all three names.
            guard kind != "yarn" || fields.value("short_factor") != nil else { break }
            let outer = try file.integer("original_max_position_embeddings", in: ConfigurationLimits.context)
            let context = try fields.require("original_max_position_embeddings", try original() ?? outer)
            return .longRope(
                RopeScaling.LongRope(
                    shortFactors: try fields.factors("short_factor"), longFactors: try fields.factors("long_factor"),
                    originalContextLength: context,
                    factor: try factor("factor") ?? Double(positions) / Double(context),
                    attentionFactor: try factor("attention_factor")))
        default:
            return .unsupported(kind)
        }
        return .yarn(
            RopeScaling.Yarn(
                factor: try fields.require("factor", try factor("factor")),
                originalContextLength: try original() ?? positions,
                betaFast: try factor("beta_fast") ?? 32, betaSlow: try factor("beta_slow") ?? 1,
                attentionFactor: try factor("attention_factor")))
    }
}

extension JSONFile {
    /// Divisors of frequencies, at most as many as half of the largest head.
    fileprivate func factors(_ key: String) throws(ModelFileError) -> [Double] {
        guard let values = try require(key, value(key)).arrayValue, values.count <= 1 << 13 else {
            throw bad(key, "must be a list of numbers")
        }
        var factors: [Double] = []
        for value in values {
            guard let factor = value.doubleValue, ConfigurationLimits.factor.contains(factor) else {
                throw bad(key, "must hold numbers from 0.001 to 1000000")
            }
            factors.append(factor)
        }
        return factors
    }
}

/// The sliding window, and which layers have it.
struct WindowFields {
    let size: Int?
    /// Nil: as the family has it.
    let layers: SlidingLayers?

    init(_ file: JSONFile, layers count: Int) throws(ModelFileError) {
        // Qwen keeps a window that only applies if `use_sliding_window` is true.
        guard try file.bool("use_sliding_window") ?? true,
            let window = try file.integer("sliding_window", in: ConfigurationLimits.context)
        else {
            (size, layers) = (nil, nil)
            return
        }
        let layers: SlidingLayers?
        if let types = file.value("layer_types") {
            layers = .each(try Self.layers(types, file))
        } else if let first = try file.integer("max_window_layers", in: 0...ConfigurationLimits.layers.upperBound) {
            guard file.architecture != "Qwen2MoeForCausalLM" else {
                throw file.bad("max_window_layers", "means something else in this family; layer_types must be there")
            }
            layers = .each((0..<count).map { $0 >= first })
        } else {
            let pattern = try file.integer("sliding_window_pattern", in: ConfigurationLimits.layers)
            layers = pattern.map { .allButEvery($0) }
        }
        if case .each(let each) = layers, each.count == count, !each.contains(true) {
            (size, self.layers) = (nil, nil)
        } else {
            (size, self.layers) = (window, layers)
        }
    }

    private static func layers(_ types: JSONValue, _ file: JSONFile) throws(ModelFileError) -> [Bool] {
        guard let names = types.arrayValue, names.count <= ConfigurationLimits.layers.upperBound else {
            throw file.bad("layer_types", "must be a list of a kind for each layer")
        }
        var layers: [Bool] = []
        for name in names {
            switch name.stringValue {
            case "sliding_attention": layers.append(true)
            case "full_attention": layers.append(false)
            default: throw file.bad("layer_types", "may hold \"full_attention\" and \"sliding_attention\" alone")
            }
        }
        return layers
    }
}

extension ExpertConfiguration {
    /// Nil for a model without experts.
    ///
    /// - Parameter intermediate: The size of experts where they have none of their own, as in Mixtral.
    init?(_ file: JSONFile, layers: Int, intermediate: Int) throws(ModelFileError) {
        let names = ["num_local_experts", "num_experts"].filter { file.value($0) != nil }
        guard let name = names.first else { return nil }
        func size(_ key: String, _ range: ClosedRange<Int>) throws(ModelFileError) -> Int {
            try file.require(key, try file.integer(key, in: range))
        }
        count = try size(name, ConfigurationLimits.experts)
        perToken = try size("num_experts_per_tok", ConfigurationLimits.experts)
        intermediateSize =
            try file.integer("moe_intermediate_size", in: ConfigurationLimits.intermediate) ?? intermediate
        sharedIntermediateSize = try file.integer(
            "shared_expert_intermediate_size", in: ConfigurationLimits.intermediate)
        normalizesWeights = try file.bool("norm_topk_prob")
        let step = try file.integer("decoder_sparse_step", in: ConfigurationLimits.layers) ?? 1
        denseLayers = Set((0..<layers).filter { ($0 + 1) % step != 0 })
        guard let dense = file.value("mlp_only_layers") else { return }
        guard let indices = dense.arrayValue else { throw file.bad("mlp_only_layers", "must be a list of layers") }
        for index in indices {
            guard let layer = index.integerValue, layer >= 0, layer < layers else {
                throw file.bad("mlp_only_layers", "must hold layers from 0 to \(layers - 1)")
            }
            denseLayers.insert(Int(layer))
        }
    }
}
