// Tokens of thousands of texts against the reference.

import JSON
import Primitives
import Testing
import Tokenization

@Suite
struct GoldenTests {
    @Test(
        "encodes and decodes as the reference does, with special tokens and without",
        arguments: ["gpt-2", "llama-bpe", "llama-spm", "qwen2", "smollm2", "qwen2.5"])
    func published(name: String) throws {
        #expect(Golden.texts.count >= 2000)
        Golden.compare(
            try Published.tokenizer(name), name, texts: Golden.texts, lines: try Golden.lines(name))
    }

    @Test(
        "reads every kind of component of tokenizer.json, and those of families together, as the reference does",
        arguments: [("components.json", 15), ("families.json", 5)])
    func components(file: String, count: Int) throws {
        let json = try JSONParser.parse(try Golden.bytes(of: file), limits: .file)
        let texts = try Golden.texts(of: try #require(json["texts"]))
        let cases = try #require(json["cases"]?.arrayValue)
        #expect(cases.count >= count)
        for item in cases {
            let name = item["name"]?.stringValue ?? ""
            let tokenizer = try Tokenizer(tokenizerJSON: try #require(item["tokenizer"]), tokenizerConfig: nil)
            let lines = try Golden.texts(of: try #require(item["golden"])).compactMap { Golden.Line($0) }
            Golden.compare(tokenizer, name, texts: texts, lines: lines)
            let hello = try #require(item["hello"]?.arrayValue).compactMap { $0.integerValue.map { TokenID($0) } }
            #expect(tokenizer.encode("Hello world", addSpecialTokens: true) == hello, "\(name)")
        }
    }

    /// llama.cpp's own cases, but for texts with combining marks where the published tokenizer composes characters:
    /// llama.cpp does not.
    @Test(
        "agrees with llama.cpp's test cases",
        arguments: ["gpt-2", "llama-bpe", "llama-spm", "phi-3", "qwen2", "qwen35"])
    func llamaCases(name: String) throws {
        let tokenizer = try Published.tokenizer(name)
        let cache = try #require(Published.files[name])
        let path = GGUFMetadata.path(cache)
        let input = String(decoding: try #require(readFile(path + ".inp")), as: UTF8.self)
        let output = String(decoding: try #require(readFile(path + ".out")), as: UTF8.self)
        let expected = output.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            line.split(separator: " ").compactMap { TokenID($0) }
        }
        let texts = input.components(separatedBy: "\n__ggml_vocab_test__\n")
        #expect(texts.count > 40)
        for (text, ids) in zip(texts, expected)
        where !name.hasPrefix("qwen") || !text.unicodeScalars.contains(where: { (0x300..<0x370).contains($0.value) }) {
            #expect(tokenizer.encode(text, addSpecialTokens: false, allowsSpecialTokens: false) == ids)
        }
    }
}

extension String {
    /// The parts between occurrences of `separator`, compared by bytes.
    fileprivate func components(separatedBy separator: String) -> [String] {
        let (text, mark) = (Array(utf8), Array(separator.utf8))
        var parts: [String] = []
        var start = 0
        var index = 0
        while index < text.count {
            if text[index...].starts(with: mark) {
                parts.append(String(decoding: text[start..<index], as: UTF8.self))
                index += mark.count
                start = index
            } else {
                index += 1
            }
        }
        return parts + [String(decoding: text[start...], as: UTF8.self)]
    }
}
