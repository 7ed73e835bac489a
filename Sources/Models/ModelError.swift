// Why a checkpoint cannot be run.

/// What a checkpoint lacks, or what this program lacks for it.
public enum ModelError: Error, Equatable, CustomStringConvertible {
    case unsupportedArchitecture(found: String, supported: [String])
    case unsupportedFeature(String, file: String)
    case tensorMissing(name: String, file: String)
    case shapeMismatch(tensor: String, expected: [Int], found: [Int], file: String)
    case unsupportedElementType(tensor: String, type: String, file: String)
    case groupSizeDoesNotDivide(groupSize: Int, columns: Int, module: String, file: String)
    case notFinite(tensor: String, file: String)
    case valueOutOfRange(tensor: String, range: ClosedRange<Int>, file: String)
    /// The tensor holds codes, but nothing says how they are to be read.
    case quantizationNotNamed(tensor: String, file: String)
    case contextTooLong(asked: Int, supported: Int)
    /// Tensor parallel ranks cannot share what there are `count` of.
    case cannotSplit(String, count: Int, ranks: Int, possible: [Int])
    case memory(String)

    public var description: String {
        switch self {
        case .unsupportedArchitecture(let found, let supported):
            "The architecture \(found) is not supported; supported are \(supported.joined(separator: ", "))."
        case .unsupportedFeature(let feature, let file):
            "\(file): \(feature) is not supported."
        case .tensorMissing(let name, let file):
            "\(file) has no tensor named \(name); is the file complete, and of the architecture that it names?"
        case .shapeMismatch(let tensor, let expected, let found, let file):
            "\(file): tensor \(tensor) has shape \(found), but the configuration asks for \(expected)."
        case .unsupportedElementType(let tensor, let type, let file):
            "\(file): tensor \(tensor) has element type \(type), which cannot hold weights here."
        case .groupSizeDoesNotDivide(let groupSize, let columns, let module, let file):
            "\(file): the quantisation's group size \(groupSize) does not divide the \(columns) inputs of \(module)."
        case .notFinite(let tensor, let file):
            "\(file): tensor \(tensor) holds infinities or NaN; the file is damaged."
        case .valueOutOfRange(let tensor, let range, let file):
            "\(file): tensor \(tensor) holds numbers outside \(range.lowerBound) to \(range.upperBound)."
        case .quantizationNotNamed(let tensor, let file):
            "\(file) has the quantised tensor \(tensor), but config.json names no scheme for it (quantization_config)."
        case .contextTooLong(let asked, let supported):
            "--max-model-len \(asked) is more than the model's context of \(supported) tokens."
        case .cannotSplit(let name, let count, let ranks, let possible):
            "\(ranks) tensor parallel ranks cannot share the model's \(count) \(name); possible for "
                + "--tensor-parallel-size are \(possible.map(String.init).joined(separator: ", "))."
        case .memory(let reason):
            reason
        }
    }
}
