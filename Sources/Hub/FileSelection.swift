// Which of a repository's files are wanted.

internal import ModelFiles

/// What to fetch.
public enum FileSelection: Sendable {
    /// What a model is loaded from, and no more.
    case model
    /// All data files that match one of `include` (all, if it is empty) and none of `exclude`, as shells match names.
    case patterns(include: [String], exclude: [String])
}

/// The files of a repository that a model is loaded from.
enum ModelFileSet: Equatable {
    case gguf(String)
    /// Without the shards, which the index names.
    case safetensors(files: [String], index: String?)

    /// Files beside the weights that say what the model is and how its text becomes tokens. All are small.
    private static let descriptions: Set<String> = [
        "config.json", "generation_config.json", "quantize_config.json", "quant_config.json",
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
        "merges.txt", "vocab.txt", "tokenizer.model", "qwen.tiktoken", "chat_template.jinja", "chat_template.json",
    ]

    /// Taken of several GGUF files if nothing is said, as llama.cpp does.
    private static let usualQuantization = "Q4_K_M"

    /// Safetensors are taken unless a GGUF file is asked for or there is nothing else.
    static func choose(
        from files: [String], gguf choice: GGUFChoice?, repository: RepositoryID
    ) throws(HubError) -> ModelFileSet {
        let name = "\(repository)"
        if let choice { return .gguf(try ggufFile(choice, of: files, repository)) }
        let present = Set(files)
        let index = present.contains(SafetensorsCheckpoint.indexName) ? SafetensorsCheckpoint.indexName : nil
        if index != nil || present.contains(SafetensorsCheckpoint.singleName) {
            guard present.contains("config.json") else { throw .noConfiguration(repository: name) }
            let weights = index ?? SafetensorsCheckpoint.singleName
            return .safetensors(files: files.filter { descriptions.contains($0) || $0 == weights }, index: index)
        }
        let candidates = weights(among: files)
        if candidates.count == 1 { return .gguf(try whole(candidates[0], repository)) }
        guard candidates.isEmpty else {
            let usual = candidates.filter { matches($0, quantization: usualQuantization) }
            guard usual.count == 1 else { throw .severalGGUF(repository: name, asked: nil, files: candidates) }
            return .gguf(try whole(usual[0], repository))
        }
        let pickles = files.filter(RepositoryFile.isPickle)
        throw pickles.isEmpty ? .noWeights(repository: name) : .pickledWeights(repository: name, files: pickles)
    }

    private static func ggufFile(
        _ choice: GGUFChoice, of files: [String], _ repository: RepositoryID
    ) throws(HubError) -> String {
        let all = weights(among: files)
        let found =
            switch choice {
            case .file(let path): files.filter { $0 == path && RepositoryFile.isGGUF($0) }
            case .quantization(let name): all.filter { matches($0, quantization: name) }
            }
        guard let first = found.first else {
            throw .noSuchGGUF(repository: "\(repository)", asked: "\(choice)", files: all)
        }
        guard found.count == 1 || part(first) != nil else {
            throw .severalGGUF(repository: "\(repository)", asked: "\(choice)", files: found)
        }
        return try whole(first, repository)
    }

    /// Projectors of images and importance matrices are no models.
    private static func weights(among files: [String]) -> [String] {
        files.filter { file in
            let name = RepositoryFile.lastComponent(file).lowercased()
            return RepositoryFile.isGGUF(file) && !name.contains("mmproj") && !name.hasPrefix("imatrix")
        }
    }

    private static func whole(_ file: String, _ repository: RepositoryID) throws(HubError) -> String {
        guard part(file) == nil else { throw .splitGGUF(repository: "\(repository)", file: file) }
        return file
    }

    /// Whether a name ends with the form, after a `-`, `.` or `_`, or is in a folder of that name.
    private static func matches(_ file: String, quantization: String) -> Bool {
        let wanted = quantization.lowercased()
        var stem = RepositoryFile.lastComponent(file).lowercased().dropLast(".gguf".count)
        if let part = part(file) { stem = stem.dropLast(part.count) }
        guard stem.hasSuffix(wanted) else { return false }
        return stem.dropLast(wanted.count).last.map { "-._".contains($0) } ?? true
    }

    /// `-00001-of-00003`, of one file among several that are one model.
    private static func part(_ file: String) -> Substring? {
        let stem = RepositoryFile.lastComponent(file).dropLast(".gguf".count)
        let tail = stem.suffix(15)
        let words = tail.split(separator: "-", omittingEmptySubsequences: false)
        guard words.count == 4, words[0].isEmpty, words[2] == "of",
            [words[1], words[3]].allSatisfy({ $0.count == 5 && $0.allSatisfy { $0.isASCII && $0.isNumber } })
        else { return nil }
        return tail
    }
}

extension FileSelection {
    /// The data files that patterns leave, and those that they would leave were they data.
    static func match(
        _ files: [String], include: [String], exclude: [String]
    ) -> (wanted: [String], refused: [String]) {
        let included = include.map { FilePattern($0) }, excluded = exclude.map { FilePattern($0) }
        let matching = files.filter { file in
            (included.isEmpty || included.contains { $0.matches(file) }) && !excluded.contains { $0.matches(file) }
        }
        return (matching.filter(RepositoryFile.isData), matching.filter { !RepositoryFile.isData($0) })
    }
}
