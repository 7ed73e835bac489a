// What a repository's files may be called, and which of them are data.

/// Rules for paths that come from a server.
enum RepositoryFile {
    /// Whether `path` stays below the folder that it is put in, on any file system: no empty component, `.` or `..`, no
    /// backslash or control character, nothing longer than a file system takes.
    static func isSafe(_ path: String) -> Bool {
        guard (1...1024).contains(path.utf8.count),
            path.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "\\") })
        else { return false }
        return path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { component in
            component != "" && component != "." && component != ".." && component.utf8.count <= 255
        }
    }

    /// Kinds of files that only hold data. Whatever else there may be (pickles, Python, archives, executables) could
    /// run code when something opens it, and is never downloaded.
    private static let dataSuffixes: Set<String> = [
        "gguf", "jinja", "json", "jsonl", "md", "model", "safetensors", "tiktoken", "txt", "vocab", "yaml", "yml",
    ]
    private static let plainNames: Set<String> = ["LICENSE", "LICENCE", "NOTICE", "README", ".gitattributes"]
    private static let pickleSuffixes: Set<String> = [
        "bin", "ckpt", "dill", "joblib", "nemo", "pickle", "pkl", "pt", "pth", "pth2",
    ]

    static func isData(_ path: String) -> Bool {
        let name = lastComponent(path)
        return plainNames.contains(name) || dataSuffixes.contains(suffix(name))
    }

    /// Weights in a form that can run code as it is read.
    static func isPickle(_ path: String) -> Bool { pickleSuffixes.contains(suffix(lastComponent(path))) }

    static func isGGUF(_ path: String) -> Bool { suffix(path) == "gguf" }

    static func lastComponent(_ path: String) -> String {
        path.split(separator: "/").last.map { String($0) } ?? path
    }

    /// In lower case; empty without a dot.
    private static func suffix(_ name: String) -> String {
        guard let dot = name.lastIndex(of: ".") else { return "" }
        return name[name.index(after: dot)...].lowercased()
    }
}

/// A pattern for file names as shells and Python's `fnmatch` have them; `*` goes beyond slashes.
struct FilePattern {
    private enum Piece {
        case any
        case one
        case character(Character)
        case set([ClosedRange<Character>], isNegated: Bool)
    }

    private let pieces: [Piece]

    /// A folder (`onnx/`) means all in it.
    init(_ text: String) {
        var pieces: [Piece] = []
        var rest = Array(text.hasSuffix("/") ? text + "*" : text)[...]
        while let character = rest.popFirst() {
            switch character {
            case "*":
                if case .any? = pieces.last { continue }
                pieces.append(.any)
            case "?": pieces.append(.one)
            case "[":
                if let set = Self.set(&rest) { pieces.append(set) } else { pieces.append(.character("[")) }
            default: pieces.append(.character(character))
            }
        }
        self.pieces = pieces
    }

    /// What follows a bracket; nil, with nothing taken, if no bracket closes it.
    private static func set(_ rest: inout ArraySlice<Character>) -> Piece? {
        var inner = rest
        let isNegated = inner.first == "!"
        if isNegated { inner.removeFirst() }
        var members: [Character] = []
        while let character = inner.popFirst() {
            guard character == "]", !members.isEmpty else {
                members.append(character)
                continue
            }
            rest = inner
            var ranges: [ClosedRange<Character>] = [], index = 0
            while index < members.count {
                if index + 2 < members.count, members[index + 1] == "-" {
                    if members[index] <= members[index + 2] { ranges.append(members[index]...members[index + 2]) }
                    index += 3
                } else {
                    ranges.append(members[index]...members[index])
                    index += 1
                }
            }
            return .set(ranges, isNegated: isNegated)
        }
        return nil
    }

    /// Goes back only to the last star, so that no pattern takes more than length × length steps.
    func matches(_ path: String) -> Bool {
        let text = Array(path)
        var piece = 0, position = 0, star: (piece: Int, position: Int)?
        while position < text.count {
            if piece < pieces.count, case .any = pieces[piece] {
                star = (piece, position)
                piece += 1
            } else if piece < pieces.count, matches(pieces[piece], text[position]) {
                piece += 1
                position += 1
            } else if let last = star {
                star = (last.piece, last.position + 1)
                piece = last.piece + 1
                position = last.position + 1
            } else {
                return false
            }
        }
        return pieces[piece...].allSatisfy { if case .any = $0 { true } else { false } }
    }

    private func matches(_ piece: Piece, _ character: Character) -> Bool {
        switch piece {
        case .any: false
        case .one: true
        case .character(let own): own == character
        case .set(let ranges, let isNegated): ranges.contains { $0.contains(character) } != isNegated
        }
    }
}
