// What tools/tokenizer-golden.py wrote down of the reference tokenizers.

import JSON
import Primitives
import Testing
import Tokenization

enum Golden {
    /// FNV-1a hashes of what the reference makes of a text.
    struct Line: Equatable {
        let ids: String
        let idsWithoutSpecialTokens: String
        let decodedText: String

        init?(_ line: some StringProtocol) {
            let hashes = line.split(separator: " ")
            guard hashes.count == 3 else { return nil }
            ids = String(hashes[0])
            idsWithoutSpecialTokens = String(hashes[1])
            decodedText = String(hashes[2])
        }
    }

    static let texts: [String] = (try? texts(of: JSONParser.parse(bytes(of: "strings.json")))) ?? []

    static func lines(_ name: String) throws -> [Line] {
        let content = String(decoding: try bytes(of: "\(name).golden"), as: UTF8.self)
        return content.split(separator: "\n").compactMap { Line($0) }
    }

    static func texts(of json: JSONValue) throws -> [String] {
        try #require(json.arrayValue).map { try #require($0.stringValue) }
    }

    static func bytes(of fixture: String) throws -> [UInt8] {
        let folder = #filePath.split(separator: "/").dropLast().joined(separator: "/")
        return try #require(readFile("/\(folder)/Fixtures/\(fixture)"), "run tools/tokenizer-golden.py")
    }

    static func hash(_ ids: [TokenID]) -> String {
        hash(bytes: ids.flatMap { id in (0..<4).map { UInt8(truncatingIfNeeded: id >> ($0 * 8)) } })
    }

    static func hash(_ text: String) -> String {
        hash(bytes: Array(text.utf8))
    }

    private static func hash(bytes: [UInt8]) -> String {
        let value = bytes.reduce(UInt32(0x811C_9DC5)) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    /// Records an issue for the first few texts that differ, with what was made of them.
    static func compare(_ tokenizer: Tokenizer, _ name: String, texts: [String], lines: [Line]) {
        #expect(texts.count == lines.count)
        var differences = 0
        for (text, line) in zip(texts, lines) where differences < 5 {
            let ids = tokenizer.encode(text, addSpecialTokens: false)
            let untrusted = tokenizer.encode(text, addSpecialTokens: false, allowsSpecialTokens: false)
            let decoded = tokenizer.decode(ids, skipSpecialTokens: false)
            guard hash(ids) == line.ids, hash(untrusted) == line.idsWithoutSpecialTokens,
                hash(decoded) == line.decodedText
            else {
                differences += 1
                Issue.record(
                    """
                    \(name), \(text.debugDescription): \(ids.map { tokenizer.tokenText($0) ?? "" })
                    untrusted \(untrusted.map { tokenizer.tokenText($0) ?? "" }), decoded \(decoded.debugDescription),
                    equal: \(hash(ids) == line.ids) \(hash(untrusted) == line.idsWithoutSpecialTokens) \
                    \(hash(decoded) == line.decodedText)
                    """)
                continue
            }
        }
    }
}

/// The tokenizers of published vocabularies, each read once.
enum Published {
    static let files = [
        "gpt-2": "corpora/llama.cpp/ggml-vocab-gpt-2.gguf",
        "llama-bpe": "corpora/llama.cpp/ggml-vocab-llama-bpe.gguf",
        "llama-spm": "corpora/llama.cpp/ggml-vocab-llama-spm.gguf",
        "phi-3": "corpora/llama.cpp/ggml-vocab-phi-3.gguf",
        "qwen2": "corpora/llama.cpp/ggml-vocab-qwen2.gguf",
        "qwen35": "corpora/llama.cpp/ggml-vocab-qwen35.gguf",
        "smollm2": "models/SmolLM2-135M-Instruct.Q4_1.gguf",
        "qwen2.5": "models/Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf",
    ]

    private static let tokenizers: [String: Result<Tokenizer, any Error>] = files.mapValues { file in
        Result { try Tokenizer(gguf: try GGUFMetadata.vocabulary(file)) }
    }

    static func tokenizer(_ name: String) throws -> Tokenizer {
        try #require(tokenizers[name]).get()
    }
}
