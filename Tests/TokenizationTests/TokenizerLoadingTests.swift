// Files that lie are refused with a reason; files that are odd but right are read.

import JSON
import Primitives
import Testing
import Tokenization

@Suite
struct TokenizerLoadingTests {
    /// Bytes a to e, and merges of them.
    private static func small() -> GGUFVocabulary {
        let tokens = ["a", "b", "c", "ab", "abc", "<e>"]
        var vocabulary = GGUFVocabulary(model: "gpt2", preTokenizer: "gpt-2", tokens: tokens)
        vocabulary.tokenTypes = [1, 1, 1, 1, 1, 3]
        vocabulary.merges = ["a b", "ab c"]
        vocabulary.eosID = 5
        return vocabulary
    }

    private static func piece() -> GGUFVocabulary {
        var vocabulary = GGUFVocabulary(model: "llama", tokens: ["<unk>", "▁", "a", "b", "ab", "▁a", "ba"])
        vocabulary.tokenTypes = [2, 1, 1, 1, 1, 1, 1]
        vocabulary.scores = [0, -9, -9, -9, -2, -1, -2]
        vocabulary.unknownID = 0
        return vocabulary
    }

    @Test("a small vocabulary works")
    func smallVocabulary() throws {
        let tokenizer = try Tokenizer(gguf: Self.small())
        #expect(tokenizer.encode("abcab<e>x", addSpecialTokens: true) == [4, 3, 5])
        #expect(tokenizer.decode([4, 3, 5], skipSpecialTokens: true) == "abcab")
        #expect(tokenizer.endOfGenerationIDs == [5])
    }

    @Test("SentencePiece merges by score, the leftmost of equal ones first, and unknown characters are one token")
    func scores() throws {
        let tokenizer = try Tokenizer(gguf: Self.piece())
        #expect(tokenizer.encode("aba", addSpecialTokens: false) == [5, 6])
        var unprefixed = Self.piece()
        unprefixed.addsSpacePrefix = false
        #expect(try Tokenizer(gguf: unprefixed).encode("aba", addSpecialTokens: false) == [4, 2])
        #expect(try Tokenizer(gguf: unprefixed).encode("axyb", addSpecialTokens: false) == [2, 0, 3])
    }

    @Test("the words of Phi-4-mini end at a capital letter, those of Phi-4 do not")
    func capitals() throws {
        var vocabulary = GGUFVocabulary(model: "gpt2", preTokenizer: "gpt-4o", tokens: ["o", "W", "oW"])
        vocabulary.tokenTypes = [1, 1, 1]
        vocabulary.merges = ["o W"]
        #expect(try Tokenizer(gguf: vocabulary).encode("oW", addSpecialTokens: false) == [0, 1])
        vocabulary.preTokenizer = "dbrx"
        #expect(try Tokenizer(gguf: vocabulary).encode("oW", addSpecialTokens: false) == [2])
    }

    @Test("vocabularies that contradict themselves are refused")
    func lies() {
        func error(_ change: (inout GGUFVocabulary) -> Void) -> TokenizerError? {
            var vocabulary = Self.small()
            change(&vocabulary)
            do throws(TokenizerError) {
                _ = try Tokenizer(gguf: vocabulary)
                return nil
            } catch {
                return error
            }
        }
        #expect(error { _ in } == nil)
        #expect(error { $0.tokens[1] = "a" } == .duplicateToken("a"))
        #expect(error { $0.merges.append("a z") } == .invalidMerge("a z", index: 2))
        #expect(error { $0.merges.append("b a") } == .invalidMerge("b a", index: 2))
        #expect(error { $0.merges.append("ab") } == .invalidMerge("ab", index: 2))
        #expect(error { $0.merges.append("") } == .invalidMerge("", index: 2))
        #expect(
            error { $0.tokenTypes.removeLast() }
                == .lengthMismatch(field: "tokenizer.ggml.token_type", count: 5, expected: 6))
        #expect(
            error { $0.model = "llama" }
                == .lengthMismatch(field: "tokenizer.ggml.scores", count: 0, expected: 6))
        for id in [-1, 6, Int.max, Int.min] {
            #expect(
                error { $0.eosID = id }
                    == .tokenIDOutOfRange(id, field: "tokenizer.ggml.eos_token_id", vocabularySize: 6))
        }
        for type in [-1, 7, Int32.max, Int32.min] {
            #expect(
                error { $0.tokenTypes[1] = type }
                    == .invalidField("tokenizer.ggml.token_type", expected: "made of numbers from 0 to 6"))
        }
        #expect(error { $0.tokens[2] = "" } == .invalidMerge("ab c", index: 1))
    }

    @Test("names what is not supported, and what is")
    func unsupported() throws {
        var vocabulary = Self.small()
        vocabulary.preTokenizer = "no-such"
        let name = #expect(throws: TokenizerError.self) { try Tokenizer(gguf: vocabulary) }
        #expect(name?.description.contains("'no-such'") == true && name?.description.contains("smollm") == true)
        vocabulary.model = "t5"
        #expect(throws: TokenizerError.unsupportedModel("t5", supported: ["gpt2", "llama"])) {
            try Tokenizer(gguf: vocabulary)
        }
        let unigram: JSONValue = ["model": ["type": "Unigram", "vocab": []]]
        #expect(throws: TokenizerError.unsupportedModel("Unigram", supported: ["BPE"])) {
            try Tokenizer(tokenizerJSON: unigram, tokenizerConfig: nil)
        }
    }

    @Test("scores that are no numbers only lose")
    func badScores() throws {
        var vocabulary = Self.piece()
        vocabulary.scores = [.nan, .infinity, -.infinity, .nan, .nan, -1, 2]
        #expect(try Tokenizer(gguf: vocabulary).encode("aba", addSpecialTokens: false) == [5, 6])
    }

    // MARK: - tokenizer.json

    private static func json(_ changes: [(String, JSONValue)] = [], model: [(String, JSONValue)] = []) -> JSONValue {
        var object = JSONObject()
        var modelObject = JSONObject()
        modelObject["type"] = "BPE"
        modelObject["vocab"] = ["a": 0, "b": 1, "ab": 2, "<s>": 3]
        modelObject["merges"] = ["a b"]
        for (key, value) in model { modelObject[key] = value }
        object["model"] = .object(modelObject)
        object["added_tokens"] = [["id": 3, "content": "<s>", "special": true]]
        object["pre_tokenizer"] = ["type": "ByteLevel", "add_prefix_space": false, "use_regex": true]
        object["decoder"] = ["type": "ByteLevel"]
        for (key, value) in changes { object[key] = value }
        return .object(object)
    }

    @Test("roles and BOS come from tokenizer_config.json")
    func configuration() throws {
        let config: JSONValue = [
            "bos_token": ["content": "<s>"], "eos_token": "b", "pad_token": nil, "add_bos_token": true,
        ]
        let tokenizer = try Tokenizer(tokenizerJSON: Self.json(), tokenizerConfig: config)
        #expect(tokenizer.specialTokens == SpecialTokens(bosID: 3, eosID: 1))
        #expect(tokenizer.encode("ab", addSpecialTokens: true) == [3, 2])
        #expect(tokenizer.endOfGenerationIDs == [1])
    }

    @Test("merges may be pairs, ids may have gaps")
    func variants() throws {
        let gaps: JSONValue = ["a": 0, "b": 1, "ab": 9, "<s>": 3]
        let tokenizer = try Tokenizer(
            tokenizerJSON: Self.json(model: [("vocab", gaps), ("merges", [["a", "b"]])]), tokenizerConfig: nil)
        #expect(tokenizer.encode("ab", addSpecialTokens: false) == [9])
        #expect(tokenizer.vocabularySize == 10)
        #expect(tokenizer.tokenText(5) == nil)
    }

    @Test(
        "files that are wrong or unknown in one place are refused",
        arguments: [
            json(model: [("vocab", nil)]),
            json(model: [("vocab", ["a": -1])]),
            json(model: [("vocab", ["a": 4_000_000_000])]),
            json(model: [("vocab", ["a": 1.5])]),
            json(model: [("vocab", ["a": 0, "b": 0])]),
            json(model: [("merges", ["a c"])]),
            json(model: [("merges", [["a"]])]),
            json(model: [("merges", [1])]),
            json(model: [("unk_token", "<unk>")]),
            json(model: [("end_of_word_suffix", "</w>")]),
            json([("model", nil)]),
            json([("added_tokens", [["id": 0, "content": "x"]])]),
            json([("added_tokens", [["id": 7, "content": "a"]])]),
            json([("added_tokens", [["content": "x"]])]),
            json([("normalizer", ["type": "BertNormalizer"])]),
            json([("normalizer", ["type": "Replace", "pattern": ["String": ""], "content": "x"])]),
            json([("normalizer", 3)]),
            json([("pre_tokenizer", ["type": "BertPreTokenizer"])]),
            json([("pre_tokenizer", nil)]),
            json([("decoder", nil)]),
            json([("decoder", ["type": "WordPiece"])]),
            json([("post_processor", ["type": "BertProcessing"])]),
            json([("post_processor", ["type": "TemplateProcessing", "single": [["SpecialToken": ["id": "?"]]]])]),
            json([
                (
                    "post_processor",
                    [
                        "type": "TemplateProcessing", "single": [["SpecialToken": ["id": "x"]]],
                        "special_tokens": ["x": ["ids": [99]]],
                    ]
                )
            ]),
        ])
    func wrongFiles(file: JSONValue) {
        #expect(throws: TokenizerError.self) { try Tokenizer(tokenizerJSON: file, tokenizerConfig: nil) }
    }

    @Test(
        "patterns that cannot be matched in linear time, or are malformed, are refused",
        arguments: [
            #"(a)\1"#, "(?<=a)b", "(?=ab)c", "a++", "(", ")", "[", "[a", "a{2", "a{3,2}", "a{99999}", "*", #"\"#,
            #"\q"#,
            #"\p{Xy}"#, #"\p{L"#, "^a", "[[a]]", "(((a{100}){100}){100}){100}", "(?>a)", "[b-a]",
            String(repeating: "(", count: 5000),
        ])
    func badPatterns(pattern: String) {
        let split: JSONValue = [
            "type": "Sequence",
            "pretokenizers": [
                ["type": "Split", "pattern": ["Regex": .string(pattern)], "behavior": "Isolated", "invert": false],
                ["type": "ByteLevel", "add_prefix_space": false, "use_regex": false],
            ],
        ]
        #expect(throws: TokenizerError.self) {
            try Tokenizer(tokenizerJSON: Self.json([("pre_tokenizer", split)]), tokenizerConfig: nil)
        }
    }

    @Test(
        "patterns that ruin backtracking cost nothing",
        arguments: ["(a|a|b)*c", "(a?){30}a{30}x", "(a*)*b", "(){1000}a"])
    func slowPatterns(pattern: String) throws {
        let split: JSONValue = [
            "type": "Sequence",
            "pretokenizers": [
                ["type": "Split", "pattern": ["Regex": .string(pattern)], "behavior": "Isolated", "invert": false],
                ["type": "ByteLevel", "add_prefix_space": false, "use_regex": false],
            ],
        ]
        let tokenizer = try Tokenizer(tokenizerJSON: Self.json([("pre_tokenizer", split)]), tokenizerConfig: nil)
        let text = String(repeating: "a", count: 300)
        #expect(tokenizer.encode(text, addSpecialTokens: false).count == 300)
    }
}
