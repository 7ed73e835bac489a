// A Hugging Face folder in the making.

public import JSON

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// A folder that gets its name once it is complete: until then it is called so with `.partial` behind it, and vanishes
/// with this object.
public final class CheckpointFolder {
    /// As it will be called.
    public let path: String
    /// Where files are to be written.
    public var workPath: String { path + ".partial" }
    private var isComplete = false
    /// Files to remove if the work is given up.
    private var fileNames: [String] = []

    /// What belongs to a model beside its configuration and its weights.
    private static let companions = [
        "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
        "added_tokens.json", "vocab.json", "merges.txt", "tokenizer.model", "qwen.tiktoken", "chat_template.jinja",
        "chat_template.json", "LICENSE", "LICENSE.txt", "NOTICE",
    ]
    private static let largestCompanionBytes = 1 << 30

    /// Refuses a path at which there is something, be it complete or given up.
    public init(path: String) throws(ModelFileError) {
        var path = path[...]
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        self.path = String(path)
        for path in [self.path, self.path + ".partial"] where MappedFile.kind(ofPath: path) != .nothing {
            isComplete = true  // Not ours to remove.
            throw .alreadyThere(path: path)
        }
        guard mkdir(workPath, 0o755) == 0 else {
            throw .cannotWrite(file: workPath, reason: MappedFile.lastError())
        }
    }

    deinit {
        guard !isComplete else { return }
        for name in fileNames { unlink(workPath + "/" + name) }
        rmdir(workPath)
    }

    /// The files of weights, laid out.
    public func weights(_ tensors: [TensorDescription], shardBytes: Int) throws(ModelFileError) -> SafetensorsWriter {
        try SafetensorsWriter(folder: workPath, tensors: tensors, shardBytes: shardBytes) { fileNames.append($0) }
    }

    public func write(_ value: JSONValue, as name: String) throws(ModelFileError) {
        try write(value.serializedBytes(style: .python(indentation: 2)) + [UInt8(ascii: "\n")], as: name)
    }

    /// The configuration of `source` with one more member.
    public func copyConfiguration(
        from source: String, adding key: String, _ value: JSONValue
    ) throws(ModelFileError) {
        var object = try JSONFile(path: source + "/config.json").object
        object[key] = value
        try write(.object(object), as: "config.json")
    }

    /// Tokenizer, chat template, sampling defaults and licence, as far as `source` has them.
    public func copyCompanions(from source: String) throws(ModelFileError) {
        for name in Self.companions where MappedFile.kind(ofPath: source + "/" + name) == .other {
            try write(try JSONFile.bytes(of: source + "/" + name, limit: Self.largestCompanionBytes), as: name)
        }
    }

    /// Gives the folder its name.
    public func complete() throws(ModelFileError) {
        guard rename(workPath, path) == 0 else {
            throw .cannotWrite(file: path, reason: MappedFile.lastError())
        }
        isComplete = true
    }

    private func write(_ bytes: [UInt8], as name: String) throws(ModelFileError) {
        let file = try OutputFile(path: workPath + "/" + name)
        fileNames.append(name)
        try file.write(bytes, at: 0)
        try file.synchronize()
    }
}
