// `--quantization` and `--quantize-head`: what the checkpoint is said to be, and what is made of it.

internal import Kernels
internal import ModelFiles
internal import Models

/// A value of `--quantization`.
enum QuantizationChoice: Equatable {
    case gguf
    case checkpoint(QuantizationMethod)
    case rounding(RoundedForm)

    static let names =
        "gguf, gptq, awq, compressed-tensors (as the checkpoint is, and detected when left out), int4 and int8 (a "
        + "16- or 32-bit checkpoint, rounded as it is loaded)"

    /// vLLM's further names of a scheme mean the kernels that it runs it with.
    init?(_ name: String) {
        switch name {
        case "gguf": self = .gguf
        case "gptq", "auto_gptq", "gptq_marlin": self = .checkpoint(.gptq)
        case "awq", "auto_awq", "awq_marlin": self = .checkpoint(.awq)
        case "compressed-tensors": self = .checkpoint(.compressedTensors)
        case "int4": self = .rounding(.int4)
        case "int8": self = .rounding(.int8)
        default: return nil
        }
    }
}

extension ModelOptions {
    /// What linear layers are rounded to as they are loaded.
    ///
    /// - Throws: If `--quantization` says other than the checkpoint.
    func rounding(of checkpoint: ModelCheckpoint) throws(CommandError) -> RoundedForm? {
        guard let quantization else { return nil }
        guard let choice = QuantizationChoice(quantization) else {
            throw .invalidOption(name: "quantization", value: quantization, allowed: QuantizationChoice.names)
        }
        switch choice {
        case .gguf where checkpoint.format == .gguf: return nil
        case .checkpoint(let method) where checkpoint.quantization?.method == method: return nil
        case .rounding(let form) where checkpoint.format == .safetensors && checkpoint.quantization == nil:
            guard try !computesInFloat32() else {
                throw .invalidOption(
                    name: "quantization", value: quantization,
                    allowed: "only with --dtype auto; float32 is exact and rounds nothing")
            }
            return form
        default:
            throw .contradictsCheckpoint(
                quantization: quantization, model: checkpoint.name, found: Self.description(of: checkpoint))
        }
    }

    /// What the output head is rounded to.
    func headRounding(of checkpoint: ModelCheckpoint, layers: RoundedForm?) throws(CommandError) -> RoundedForm? {
        let isExact = try computesInFloat32()
        switch quantizeHead {
        case "none": return nil
        case "auto": return !isExact && (layers != nil || (checkpoint.quantization?.bits ?? 16) <= 4) ? .int8 : nil
        case "int8" where !isExact: return .int8
        case "int8":
            throw .invalidOption(
                name: "quantize-head", value: quantizeHead, allowed: "auto or none with --dtype float32")
        default: throw .invalidOption(name: "quantize-head", value: quantizeHead, allowed: "auto, int8 or none")
        }
    }

    private static func description(of checkpoint: ModelCheckpoint) -> String {
        if checkpoint.format == .gguf { return "a GGUF file" }
        guard let quantization = checkpoint.quantization else { return "a folder that is not quantised" }
        return "quantised by \(quantization.method.rawValue) in \(quantization.bits) bits"
    }
}

extension LoadPlan {
    /// What whoever rounds a model should do before it goes live; nil if nothing is rounded.
    var roundingNotice: String? {
        guard let rounding = executor.rounding else { return nil }
        return """
            weights are rounded to \(rounding) without calibration, which costs accuracy; before going live see how \
            much: pagoda eval \(root) --quantization \(rounding) --reference --text FILE
            """
    }
}
