// The vocabulary of first-generation Qwen, against tiktoken itself (tools/qwen-tokenizer-golden.py).

import Primitives
import Testing
import Tokenization

@Suite("qwen.tiktoken")
struct QwenTiktokenTests {
    private static func base64(_ bytes: [UInt8]) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var text = ""
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let part = bytes[start..<min(start + 3, bytes.count)]
            let bits = part.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - part.count))
            for index in 0..<4 {
                text.append(index <= part.count ? digits[bits >> (18 - 6 * index) & 63] : "=")
            }
        }
        return text
    }

    private static func file(_ tokens: [[UInt8]]) -> [UInt8] {
        Array(tokens.enumerated().map { "\(base64($1)) \($0)\n" }.joined().utf8)
    }

    /// The published file, rebuilt: Qwen2's vocabulary has the same tokens in the same order.
    private static let published = Result {
        let other = try Published.tokenizer("qwen2")
        return try Tokenizer(qwenTiktoken: file((0..<151_643).map { other.bytes(of: $0) }))
    }

    private static let bytes = (0...255).map { [UInt8($0)] }

    @Test("encodes and decodes as tiktoken does, with special tokens and without")
    func golden() throws {
        #expect(Golden.texts.count >= 2000)
        Golden.compare(
            try Self.published.get(), "qwen", texts: Golden.texts, lines: try Golden.lines("qwen"))
    }

    @Test("special tokens follow the vocabulary, and three of them end a text")
    func specialTokens() throws {
        let tokenizer = try Self.published.get()
        #expect(tokenizer.vocabularySize == 151_851)
        let ids = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|extra_0|>", "<|extra_204|>"].map(tokenizer.id)
        #expect(ids == [151_643, 151_644, 151_645, 151_646, 151_850])
        #expect(tokenizer.endOfGenerationIDs == [151_643, 151_644, 151_645])
        #expect(tokenizer.specialTokens == SpecialTokens(eosID: 151_643, padID: 151_643))
        #expect((151_643..<151_851).allSatisfy(tokenizer.isSpecial))
        #expect(tokenizer.bytes(of: 151_900).isEmpty)
        #expect(tokenizer.encode("a", addSpecialTokens: true).count == 1)
    }

    @Test("ranks decide, wherever their lines are")
    func order() throws {
        let lines = Self.file(Self.bytes + [Array("ab".utf8), Array("abc".utf8)]).split(separator: 10)
        let reversed = Array(lines.reversed().joined(separator: [10]))
        let tokenizer = try Tokenizer(qwenTiktoken: reversed)
        #expect(tokenizer.encode("abc ab", addSpecialTokens: false) == [257, 32, 256])
        #expect(tokenizer.decode([257, 32, 256], skipSpecialTokens: false) == "abc ab")
    }

    static let damages: [(String, String)] = [
        ("YQ== 0\nYg==", "line 2"), ("YQ== 0\nYg== 1 2", "line 2"), ("YQ== zero", "line 1"), ("YQ== -1", "line 1"),
        ("YQ 0", "line 1"), ("Y=Q= 0", "line 1"), ("Y*== 0", "line 1"), ("==== 0", "line 1"), ("YQ== 9", "token 9"),
        ("YQ== 99999999999999999999", "line 1"), ("YQ== 0\nYg== 0", "both"), ("YQ== 0\nYQ== 1", "twice"),
        ("PHxpbV9lbmR8Pg== 0", "twice"),
    ]

    @Test("a damaged vocabulary is an error that says where", arguments: damages)
    func damaged(text: String, words: String) {
        do {
            _ = try Tokenizer(qwenTiktoken: Array(text.utf8))
            Issue.record("accepted")
        } catch {
            #expect("\(error)".contains(words))
        }
    }

    @Test("an empty vocabulary knows only special tokens, and takes any text")
    func empty() throws {
        let tokenizer = try Tokenizer(qwenTiktoken: [])
        #expect(tokenizer.encode("a<|im_end|>", addSpecialTokens: false) == [2])
    }
}
