// Model families as data: one decoder, driven by one of these values.

/// What distinguishes a family of decoders, beyond the numbers in its configuration.
///
/// A new family is a new value here, and a new name map only if its checkpoints use other tensor names.
public struct DecoderArchitecture: Sendable {
    /// Values of `architectures` in config.json.
    let huggingFaceNames: [String]
    /// Values of `general.architecture` in GGUF.
    let ggufNames: [String]
    /// Whether Q, K and V always have biases. Other families may have them; then the tensors are there.
    let requiresQueryKeyValueBias: Bool
    /// What its folders call their tensors.
    var naming = TensorNames.Convention.llama
    /// GGUF writers reorder the rows of Q and K of this family, so that rotation pairs neighbours instead of halves.
    let ggufInterleavesRotaryRows: Bool

    public static let llama = DecoderArchitecture(
        huggingFaceNames: ["LlamaForCausalLM", "MistralForCausalLM"], ggufNames: ["llama"],
        requiresQueryKeyValueBias: false, ggufInterleavesRotaryRows: true)

    public static let qwen2 = DecoderArchitecture(
        huggingFaceNames: ["Qwen2ForCausalLM"], ggufNames: ["qwen2"],
        requiresQueryKeyValueBias: true, ggufInterleavesRotaryRows: false)

    /// The first generation. Its Q, K and V are one tensor.
    public static let qwen = DecoderArchitecture(
        huggingFaceNames: ["QWenLMHeadModel"], ggufNames: [], requiresQueryKeyValueBias: true, naming: .qwen,
        ggufInterleavesRotaryRows: false)

    public static let supported = [llama, qwen2, qwen]

    /// The family that calls itself `name` in a checkpoint of either format.
    public static func named(_ name: String) throws(ModelError) -> DecoderArchitecture {
        for family in supported where family.huggingFaceNames.contains(name) || family.ggufNames.contains(name) {
            return family
        }
        throw .unsupportedArchitecture(
            found: name, supported: supported.flatMap { $0.huggingFaceNames + $0.ggufNames.map { "\($0) (GGUF)" } })
    }
}
