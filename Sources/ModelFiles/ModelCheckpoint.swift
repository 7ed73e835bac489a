// A model as it lies on disk: weights, configuration, tokenizer files, chat template.

public import JSON

/// Where the tokenizer of a checkpoint is described.
public enum TokenizerFiles: Sendable {
    /// `tokenizer.json` and `tokenizer_config.json`, where the folder has them.
    case huggingFace(tokenizer: JSONValue?, configuration: JSONValue?)
    /// Keys `tokenizer.ggml.*`.
    case gguf(GGUFMetadata)
}

/// Everything that a GGUF file or a Hugging Face folder says, checked and mapped but not yet loaded.
public struct ModelCheckpoint: Sendable {
    /// For display.
    public let name: String
    public let configuration: ModelConfiguration
    public let weights: any WeightSource
    /// Of a folder; nil where weights are stored as numbers of 16 or 32 bits. A GGUF file says it of each tensor.
    public let quantization: CheckpointQuantization?
    public let tokenizerFiles: TokenizerFiles
    public let chatTemplate: String?
    public let generationDefaults: GenerationDefaults
    /// Size of all tensors in the files.
    public let parameterBytes: Int

    public var format: CheckpointFormat { weights.format }

    private static let longestTemplateBytes = 1 << 20

    /// Opens a GGUF file, or a folder with config.json and safetensors. Whether the architecture is supported is for
    /// the loader to say.
    ///
    /// - Parameter name: By default the path's last component.
    public static func open(path: String, name: String? = nil) throws(ModelFileError) -> ModelCheckpoint {
        let name = name ?? path.split(separator: "/").last.map { String($0) } ?? path
        if MappedFile.kind(ofPath: path) == .folder { return try ModelCheckpoint(folder: path, name: name) }
        return try ModelCheckpoint(gguf: try GGUFFile(path: path), path: path, name: name)
    }

    /// Whether there is a file or a folder at a path, whatever it is.
    public static func exists(atPath path: String) -> Bool { MappedFile.kind(ofPath: path) != .nothing }

    private init(gguf: GGUFFile, path: String, name: String) throws(ModelFileError) {
        configuration = try ModelConfiguration(gguf)
        generationDefaults = try GenerationDefaults(gguf.metadata)
        chatTemplate = try Self.checked(
            try gguf.metadata.string("tokenizer.chat_template"), file: path, key: "tokenizer.chat_template")
        tokenizerFiles = .gguf(gguf.metadata)
        self.name = name
        weights = gguf
        quantization = nil
        parameterBytes = Self.parameterBytes(gguf)
    }

    private init(folder: String, name: String) throws(ModelFileError) {
        guard let config = Self.existing("config.json", in: folder) else {
            throw .missingFile(folder: folder, file: "config.json")
        }
        let weights = try SafetensorsCheckpoint(folder: folder)
        let configurationFile = try JSONFile(path: config)
        let configuration = try ModelConfiguration(configurationFile, weights: weights)
        quantization = try CheckpointQuantization.read(configurationFile, folder: folder)
        generationDefaults =
            if let path = Self.existing("generation_config.json", in: folder) {
                try GenerationDefaults(try JSONFile(path: path), vocabularySize: configuration.vocabularySize)
            } else {
                GenerationDefaults()
            }
        let tokenizer = try Self.json("tokenizer.json", in: folder)
        let tokenizerConfiguration = try Self.json("tokenizer_config.json", in: folder)
        tokenizerFiles = .huggingFace(tokenizer: tokenizer, configuration: tokenizerConfiguration)
        chatTemplate = try Self.chatTemplate(in: folder, tokenizerConfiguration)
        self.name = name
        self.configuration = configuration
        self.weights = weights
        parameterBytes = Self.parameterBytes(weights)
    }

    // MARK: - Folder

    private static func existing(_ name: String, in folder: String) -> String? {
        let path = folder + "/" + name
        return MappedFile.kind(ofPath: path) == .nothing ? nil : path
    }

    private static func json(_ name: String, in folder: String) throws(ModelFileError) -> JSONValue? {
        guard let path = existing(name, in: folder) else { return nil }
        return try JSONFile.read(path, limits: .file)
    }

    /// chat_template.jinja wins over tokenizer_config.json, as in Transformers; of several named templates the default
    /// one is taken.
    private static func chatTemplate(
        in folder: String, _ tokenizerConfiguration: JSONValue?
    ) throws(ModelFileError) -> String? {
        if let path = existing("chat_template.jinja", in: folder) {
            let bytes = try JSONFile.bytes(of: path, limit: longestTemplateBytes)
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw .malformed(file: path, reason: "it is not UTF-8")
            }
            return text
        }
        let file = folder + "/tokenizer_config.json", key = "chat_template"
        guard let value = tokenizerConfiguration?[key], !value.isNull else { return nil }
        if let named = value.arrayValue {
            let template = named.first { $0["name"]?.stringValue == "default" }?["template"]
            return try checked(template?.stringValue, file: file, key: key)
        }
        guard let text = value.stringValue else {
            throw .badValue(file: file, key: key, reason: "must be a string or a list of named templates")
        }
        return try checked(text, file: file, key: key)
    }

    private static func checked(_ template: String?, file: String, key: String) throws(ModelFileError) -> String? {
        guard let template, template.utf8.count > longestTemplateBytes else { return template }
        throw .badValue(file: file, key: key, reason: "is longer than \(longestTemplateBytes) bytes")
    }

    /// Cannot overflow: ranges of a file don't overlap, and an index names each tensor once.
    private static func parameterBytes(_ weights: any WeightSource) -> Int {
        weights.tensorNames.reduce(0) { $0 + (weights.tensor(named: $1)?.byteRange.count ?? 0) }
    }
}
