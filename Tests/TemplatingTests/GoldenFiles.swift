// Reads the golden files, and the published templates where the fetch scripts put them.

import Foundation
import JSON
import Templating
import Testing

enum GoldenFiles {
    /// 2024-07-06 13:05:09, the time at which the golden files were written as far as templates can tell.
    static let now = CivilTime(secondsSinceEpoch: 1_720_271_109)

    static func read(_ name: String) throws -> JSONValue {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")
        let data = try Data(contentsOf: folder.appending(path: name))
        return try JSONParser.parse(Array(data), limits: .file)
    }

    private static var cache: URL {
        let home = FileManager.default.homeDirectoryForCurrentUser.appending(path: ".cache/pagoda")
        return ProcessInfo.processInfo.environment["PAGODA_CACHE"].map { URL(filePath: $0) } ?? home
    }

    /// - Parameter origin: `corpus` for a file of the template corpus, `models` for a model that holds its template.
    static func template(_ name: String, origin: String) throws -> String {
        let isModel = origin == "models"
        let file = cache.appending(path: isModel ? "models" : "corpora/llama.cpp/templates").appending(path: name)
        guard let data = try? Data(contentsOf: file, options: .mappedIfSafe) else {
            throw MissingFile(path: file.path, script: isModel ? "fetch-model.sh" : "fetch-template-corpus.sh")
        }
        return String(decoding: isModel ? try templateBytes(inModel: data) : data, as: UTF8.self)
    }

    /// The value of `tokenizer.chat_template` in the metadata of a GGUF file: type 8, length, bytes.
    private static func templateBytes(inModel data: Data) throws -> Data {
        let key = try #require(data.range(of: Data("tokenizer.chat_template".utf8)))
        let lengthBytes = data[(key.upperBound + 4)..<(key.upperBound + 12)]
        let length = lengthBytes.reversed().reduce(0) { $0 << 8 | Int($1) }
        return data[(key.upperBound + 12)..<(key.upperBound + 12 + length)]
    }
}

struct MissingFile: Error, CustomStringConvertible {
    let path: String
    let script: String

    var description: String { "\(path) is missing: run tools/\(script) (qwen-0.5b for the larger model) first" }
}

/// What a rendering came to, or was expected to come to.
enum Outcome: Equatable, CustomStringConvertible {
    case text(String)
    /// A long text, by its length in bytes and its 64-bit FNV-1a.
    case digest(bytes: Int, hash: String)
    case raised(String)
    case failed

    init(golden: JSONValue) throws {
        if let text = golden["text"]?.stringValue {
            self = .text(text)
        } else if let bytes = golden["bytes"]?.integerValue, let hash = golden["hash"]?.stringValue {
            self = .digest(bytes: Int(bytes), hash: hash)
        } else if let message = golden["raised"]?.stringValue {
            self = .raised(message)
        } else {
            _ = try #require(golden["error"])
            self = .failed
        }
    }

    init(rendering source: String, _ variables: JSONObject, trusted: JSONObject = JSONObject()) {
        do {
            let template = try ChatTemplate(source: source)
            self = .text(try template.render(trusted: trusted, untrusted: variables, now: { GoldenFiles.now }).text)
        } catch .raised(let message) {
            self = .raised(message)
        } catch {
            self = .failed
        }
    }

    /// Whether this text is what the golden file says.
    func matches(_ golden: Outcome) -> Bool {
        guard case .digest(let count, let hash) = golden, case .text(let text) = self else {
            return self.isSame(as: golden)
        }
        let code = text.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        let digits = String(code, radix: 16)
        return text.utf8.count == count && String(repeating: "0", count: 16 - digits.count) + digits == hash
    }

    /// Equal byte by byte: Swift's `==` would take "é" for "e" and an accent.
    private func isSame(as other: Outcome) -> Bool {
        switch (self, other) {
        case (.text(let left), .text(let right)): Array(left.utf8) == Array(right.utf8)
        case (.raised(let left), .raised(let right)): left == right
        case (.failed, .failed): true
        default: false
        }
    }

    var description: String {
        switch self {
        case .text(let text): "text " + text.debugDescription
        case .digest(let bytes, let hash): "a text of \(bytes) bytes with hash \(hash)"
        case .raised(let message): "raised: \(message)"
        case .failed: "an error"
        }
    }
}
