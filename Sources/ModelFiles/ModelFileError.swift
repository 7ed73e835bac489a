// Why a checkpoint cannot be used, in words for whoever has to mend it.

public import JSON

/// What is wrong with a model's files. Names that come from a file are shown quoted and shortened.
public enum ModelFileError: Error, Equatable, Sendable, CustomStringConvertible {
    case cannotRead(file: String, reason: String)
    case cannotWrite(file: String, reason: String)
    /// What would be written is there already.
    case alreadyThere(path: String)
    case notARegularFile(file: String)
    case emptyFile(file: String)
    case gitLFSPointer(file: String)
    case tooLarge(file: String, limitBytes: Int)
    case unknownFormat(file: String)
    /// A format that can run code of its own as it is read.
    case pickle(file: String)
    case missingFile(folder: String, file: String)
    /// The file ends within `part`, or `part` claims more than the file holds.
    case truncated(file: String, part: String)
    case malformed(file: String, reason: String)
    case badTensor(file: String, tensor: String, reason: String)
    case missingKey(file: String, key: String, architecture: String?)
    case badValue(file: String, key: String, reason: String)
    case invalidJSON(file: String, reason: JSONError)

    public var description: String {
        switch self {
        case .cannotRead(let file, let reason):
            "\(file) cannot be read: \(reason)."
        case .cannotWrite(let file, let reason):
            "\(file) cannot be written: \(reason)."
        case .alreadyThere(let path):
            "\(path) is there already; remove it, or name another folder."
        case .notARegularFile(let file):
            "\(file) is not a regular file; name a GGUF file or a folder with config.json."
        case .emptyFile(let file):
            "\(file) is empty; download it again."
        case .gitLFSPointer(let file):
            "\(file) is only a Git LFS pointer, not the file itself; run 'git lfs pull' in its folder."
        case .tooLarge(let file, let limitBytes):
            "\(file) is larger than the \(limitBytes) bytes that are read of such a file."
        case .unknownFormat(let file):
            "\(file) is not a GGUF file; for safetensors name the folder that holds config.json."
        case .pickle(let file):
            "\(file) is a pickle, which could run code and is never read; take the model in safetensors."
        case .missingFile(let folder, let file):
            "\(folder) has no \(file); download the whole model, or name a GGUF file."
        case .truncated(let file, let part):
            "\(file) ends before the end of \(part); it is damaged or was not downloaded completely."
        case .malformed(let file, let reason):
            "\(file) is malformed: \(reason)."
        case .badTensor(let file, let tensor, let reason):
            "\(file), tensor \(Self.quoted(tensor)): \(reason)."
        case .missingKey(let file, let key, let architecture):
            "\(file) has no \(Self.quoted(key))"
                + (architecture.map { "; the architecture \(Self.quoted($0)) may be unsupported" } ?? "") + "."
        case .badValue(let file, let key, let reason):
            "\(file), \(Self.quoted(key)): \(reason)."
        case .invalidJSON(let file, let reason):
            "\(file) is not valid JSON: \(reason)."
        }
    }

    /// Text from a file, safe to print on a terminal.
    static func quoted(_ text: String) -> String {
        let limit = 120
        return String(text.prefix(limit)).debugDescription + (text.count > limit ? "…" : "")
    }
}
