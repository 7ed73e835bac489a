// Why a checkpoint could not be quantised.

public enum QuantizationError: Error, Equatable, CustomStringConvertible {
    case notAFolder(model: String)
    case alreadyQuantized(model: String, method: String)
    case unsupportedBits(Int)
    case dampingOutOfRange(Double)
    case actOrderNeedsCalibration
    case noCalibration
    case tensorMissing(String)
    case unsupportedElementType(tensor: String, type: String)
    case shapeMismatch(tensor: String, expected: [Int], found: [Int])
    case groupSizeDoesNotDivide(groupSize: Int, columns: Int, module: String)
    /// Codes of so many bits do not fill whole words.
    case wordsNotFilled(module: String, rows: Int, columns: Int, bits: Int)
    case weightsNotFinite(module: String)
    case inputsNotFinite(module: String)
    case notPositiveDefinite(module: String)

    public var description: String {
        switch self {
        case .notAFolder(let model):
            "\(model) is a GGUF file; name a Hugging Face folder with weights in bf16, fp16 or fp32."
        case .alreadyQuantized(let model, let method):
            "\(model) is quantised already (\(method)); name the folder it was made from."
        case .unsupportedBits(let bits):
            "\(bits) bits are not supported; take one of "
                + QuantizationRecipe.widths.map(String.init).joined(separator: ", ") + "."
        case .dampingOutOfRange(let share):
            "A damping of \(share) is not possible; take a share above 0 and up to 1, such as 0.01."
        case .actOrderNeedsCalibration:
            "Act-order needs calibration; take the method gptq, or leave it out."
        case .noCalibration:
            "The method gptq needs a text to calibrate with (--calibration-text FILE), or take --method rtn."
        case .tensorMissing(let name):
            "The checkpoint has no tensor named \(name), which its configuration asks for."
        case .unsupportedElementType(let tensor, let type):
            "Tensor \(tensor) has element type \(type); weights to be quantised are BF16, F16 or F32."
        case .shapeMismatch(let tensor, let expected, let found):
            "Tensor \(tensor) has shape \(found), but the configuration asks for \(expected)."
        case .groupSizeDoesNotDivide(let groupSize, let columns, let module):
            "A group size of \(groupSize) does not divide the \(columns) inputs of \(module); "
                + Self.remedy(columns: columns)
        case .wordsNotFilled(let module, let rows, let columns, let bits):
            "\(module) of \(rows) × \(columns) does not fill whole 32-bit words with codes of \(bits) bits."
        case .weightsNotFinite(let module):
            "The weights of \(module) hold infinities or NaN; the checkpoint is damaged."
        case .inputsNotFinite(let module):
            "What \(module) reads overflows on the calibration text; the weights are damaged."
        case .notPositiveDefinite(let module):
            "What \(module) reads on the calibration text says too little of it; take more text (--num-samples)."
        }
    }

    private static func remedy(columns: Int) -> String {
        QuantizationRecipe.usualGroupSize(dividing: [columns]).map { "\($0) does." } ?? "-1 takes all of them."
    }
}
