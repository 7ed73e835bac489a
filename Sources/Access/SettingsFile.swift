// Files of an operator's: read whole, within bounds, as YAML or as lines.

internal import Yams

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

enum SettingsFile {
    private static let limitBytes = 4 << 20

    static func bytes(_ path: String) throws(AccessError) -> [UInt8] {
        guard let file = fopen(path, "rb") else {
            throw .unreadable(file: path, reason: String(cString: strerror(errno)))
        }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            guard count > 0 else { break }
            bytes += buffer[..<count]
            guard bytes.count <= limitBytes else { throw .unreadable(file: path, reason: "it is too large") }
        }
        guard ferror(file) == 0 else { throw .unreadable(file: path, reason: "reading it failed") }
        return bytes
    }

    static func text(_ path: String) throws(AccessError) -> String {
        guard let text = String(validating: try bytes(path), as: UTF8.self) else {
            throw .unreadable(file: path, reason: "it is not UTF-8")
        }
        return text
    }

    /// The lines that say something, without the blanks around them. `#` begins a remark.
    static func lines(_ path: String) throws(AccessError) -> [(number: Int, text: Substring)] {
        let lines = try text(path).split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        return lines.enumerated().compactMap { index, line in
            var text = line.drop(while: \.isWhitespace)
            while text.last?.isWhitespace == true { text.removeLast() }
            return text.isEmpty || text.hasPrefix("#") ? nil : (index + 1, text)
        }
    }

    /// The whole document. What YAML says of a mistake is not repeated with the text, which may be secret.
    static func yaml(_ path: String) throws(AccessError) -> SettingsNode {
        let text = try text(path)
        do {
            guard let root = try Yams.compose(yaml: text) else {
                throw AccessError.malformed(file: path, line: 0, problem: "it is empty")
            }
            return SettingsNode(root, file: path)
        } catch let error as AccessError {
            throw error
        } catch YamlError.scanner(_, let problem, let mark, _), YamlError.parser(_, let problem, let mark, _),
            YamlError.composer(_, let problem, let mark, _)
        {
            throw .malformed(file: path, line: mark.line, problem: problem)
        } catch YamlError.duplicatedKeysInMapping(_, let context) {
            throw .malformed(file: path, line: context.mark.line, problem: "a name stands twice in one mapping")
        } catch {
            throw .malformed(file: path, line: 0, problem: "it is not YAML")
        }
    }
}

/// A value of a YAML file that knows where it stands.
struct SettingsNode {
    private let node: Node
    let file: String

    init(_ node: Node, file: String) {
        self.node = node
        self.file = file
    }

    func problem(_ problem: String) -> AccessError {
        .malformed(file: file, line: node.mark?.line ?? 0, problem: problem)
    }

    func string(_ what: String) throws(AccessError) -> String {
        guard case .scalar(let scalar) = node else { throw problem("\(what) must be one word") }
        return scalar.string
    }

    func list(_ what: String) throws(AccessError) -> [SettingsNode] {
        guard case .sequence(let sequence) = node else { throw problem("\(what) must be a list") }
        return sequence.map { SettingsNode($0, file: file) }
    }

    func strings(_ what: String) throws(AccessError) -> [String] {
        var strings: [String] = []
        for element in try list(what) { strings.append(try element.string(what)) }
        return strings
    }

    /// The members of a mapping, in their order.
    func members(_ what: String) throws(AccessError) -> [(name: String, value: SettingsNode)] {
        guard case .mapping(let mapping) = node else { throw problem("\(what) must be a mapping") }
        var members: [(name: String, value: SettingsNode)] = []
        for (key, value) in mapping {
            members.append((try SettingsNode(key, file: file).string("a name"), SettingsNode(value, file: file)))
        }
        return members
    }
}
