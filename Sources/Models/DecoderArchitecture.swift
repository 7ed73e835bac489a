// Model families as data: one decoder, driven by one of these values.

internal import Kernels

/// What distinguishes a family of decoders, beyond the numbers in its configuration.
///
/// A new family is a new value here, and a new name map only if its checkpoints use other tensor names. What most
/// families have in common is the default.
public struct DecoderArchitecture: Sendable {
    /// Values of `architectures` in config.json.
    let huggingFaceNames: [String]
    /// Values of `general.architecture` in GGUF.
    let ggufNames: [String]
    var tensorNames = HuggingFaceNames.llama
    /// Whether Q, K and V always have biases. Other families may have them; then the tensors are there.
    var requiresQueryKeyValueBias = false
    /// GGUF writers reorder the rows of Q and K of this family, so that rotation pairs neighbours instead of halves.
    var ggufInterleavesRotaryRows = false
    /// Whether Q, K and V are one tensor, and gate and up another.
    var fusesProjections = false
    /// Whether the heads of Q and K are normed, before they are rotated.
    var normsQueriesAndKeys = false
    /// Whether what attention and feed-forward add to the residual stream is normed first.
    var normsOutputs = false
    /// Whether safetensors hold the weights of norms less 1; GGUF writers add it.
    var normsAreLessOne = false
    /// Whether embeddings are multiplied with √hiddenSize.
    var scalesEmbedding = false
    var activation = GateActivation.silu
    /// Of layers with a sliding window where the configuration does not name them: all but every so many-th.
    var slidingPattern: Int?
    /// The base of the rotary embedding of those layers, if theirs is another.
    var slidingRopeTheta: Double?
    /// GGUF does not say what scores are scaled by: 1 / √headSize, but of models of so many layers
    /// 1 / √(hiddenSize / headCount).
    var ggufLayersScaledByHiddenSize: Int?
    /// Whether the weights of a token's experts are made to sum up to 1, where the configuration does not say it.
    var normalizesExperts = false

    public static let llama = DecoderArchitecture(
        huggingFaceNames: ["LlamaForCausalLM", "MistralForCausalLM"], ggufNames: ["llama"],
        ggufInterleavesRotaryRows: true, normalizesExperts: true)

    public static let mixtral = DecoderArchitecture(
        huggingFaceNames: ["MixtralForCausalLM"], ggufNames: [], tensorNames: .mixtral, normalizesExperts: true)

    public static let qwen2 = DecoderArchitecture(
        huggingFaceNames: ["Qwen2ForCausalLM"], ggufNames: ["qwen2"], requiresQueryKeyValueBias: true)

    public static let qwen2Moe = DecoderArchitecture(
        huggingFaceNames: ["Qwen2MoeForCausalLM"], ggufNames: ["qwen2moe"], requiresQueryKeyValueBias: true)

    public static let qwen3 = DecoderArchitecture(
        huggingFaceNames: ["Qwen3ForCausalLM"], ggufNames: ["qwen3"], normsQueriesAndKeys: true)

    /// GGUF does not say whether experts' weights are normalised; llama.cpp does it.
    public static let qwen3Moe = DecoderArchitecture(
        huggingFaceNames: ["Qwen3MoeForCausalLM"], ggufNames: ["qwen3moe"], normsQueriesAndKeys: true,
        normalizesExperts: true)

    public static let gemma2 = DecoderArchitecture(
        huggingFaceNames: ["Gemma2ForCausalLM"], ggufNames: ["gemma2"], tensorNames: .gemma, normsOutputs: true,
        normsAreLessOne: true, scalesEmbedding: true, activation: .geluTanh, slidingPattern: 2,
        ggufLayersScaledByHiddenSize: 46)

    public static let gemma3 = DecoderArchitecture(
        huggingFaceNames: ["Gemma3ForCausalLM"], ggufNames: ["gemma3"], tensorNames: .gemma,
        normsQueriesAndKeys: true, normsOutputs: true, normsAreLessOne: true, scalesEmbedding: true,
        activation: .geluTanh, slidingPattern: 6, slidingRopeTheta: 10_000, ggufLayersScaledByHiddenSize: 62)

    /// Phi-3, Phi-3.5, Phi-4 and Phi-4-mini.
    public static let phi3 = DecoderArchitecture(
        huggingFaceNames: ["Phi3ForCausalLM"], ggufNames: ["phi3"], fusesProjections: true)

    public static let supported = [llama, mixtral, qwen2, qwen2Moe, qwen3, qwen3Moe, gemma2, gemma3, phi3]

    /// The family that calls itself `name` in a checkpoint of either format.
    public static func named(_ name: String) throws(ModelError) -> DecoderArchitecture {
        for family in supported where family.huggingFaceNames.contains(name) || family.ggufNames.contains(name) {
            return family
        }
        throw .unsupportedArchitecture(
            found: name, supported: supported.flatMap { $0.huggingFaceNames + $0.ggufNames.map { "\($0) (GGUF)" } })
    }
}
