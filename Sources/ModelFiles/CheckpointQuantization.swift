// How the weights of a Hugging Face folder are quantised.

/// The schemes that are read, by the names that `quant_method` has.
public enum QuantizationMethod: String, Sendable, CaseIterable {
    case gptq, awq
    case compressedTensors = "compressed-tensors"

    /// With their widths, for errors.
    static let supported =
        "supported are gptq (2, 3, 4 or 8 bits), awq (4 bits, GEMM layout) and compressed-tensors (pack-quantized of "
        + "2, 3, 4 or 8 bits, int-quantized of up to 8 bits)"
}

/// How one linear module is quantised, and how its tensors say so.
public struct ModuleQuantization: Sendable, Equatable {
    /// Tensors of a module P with N outputs and K inputs in G groups.
    public enum Storage: Sendable, Equatable {
        /// P.qweight [K·bits/32, N], P.qzeros [G, N·bits/32], P.scales [G, N], P.g_idx [K]. The zero points are those
        /// stored plus `zeroPointOffset`.
        case gptq(zeroPointOffset: Int)
        /// P.qweight [K, N/8], P.scales [G, N] and, with zero points, P.qzeros [G, N/8], interleaved.
        case awq(hasZeroPoints: Bool)
        /// P.weight_packed [N, K·bits/32], P.weight_scale [N, G], P.weight_zero_point [N·bits/32, G], P.weight_g_idx
        /// [K].
        case packed(isSymmetric: Bool)
        /// P.weight i8 [N, K], P.weight_scale [N, G], P.weight_zero_point i8 [N, G].
        case int8(isSymmetric: Bool)
    }

    /// Of a code.
    public var bits: Int
    /// Inputs that share a scale; nil: all of them.
    public var groupSize: Int?
    public var storage: Storage

    public init(bits: Int, groupSize: Int?, storage: Storage) {
        self.bits = bits
        self.groupSize = groupSize
        self.storage = storage
    }
}

/// What a checkpoint says about its quantisation.
public struct CheckpointQuantization: Sendable, Equatable {
    public let method: QuantizationMethod
    private let rules: [Rule]

    /// The scheme of some modules; the first rule that fits a module is its own.
    struct Rule: Sendable, Equatable {
        enum Modules: Sendable, Equatable {
            case named(String)
            case containing(String)
            case matching(ModuleNamePattern)
            case all
        }

        var modules: Modules
        /// Nil where the modules are not quantised.
        var quantization: ModuleQuantization?
    }

    init(method: QuantizationMethod, rules: [Rule]) {
        self.method = method
        self.rules = rules
    }

    /// How the module `name` (such as `model.layers.0.mlp.up_proj`) is quantised; nil if it is not.
    public func scheme(ofModule name: String) -> ModuleQuantization? {
        rules.first { $0.applies(to: name) }?.quantization
    }

    /// The narrowest codes that it has.
    public var bits: Int { rules.compactMap { $0.quantization?.bits }.min() ?? 16 }
}

extension CheckpointQuantization.Rule {
    func applies(to module: String) -> Bool {
        switch modules {
        case .named(let name): name == module
        case .containing(let part): module.contains(part)
        case .matching(let pattern): pattern.matchesStart(of: module)
        case .all: true
        }
    }
}
