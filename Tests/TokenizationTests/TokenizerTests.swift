// What a tokenizer promises beyond single texts: trust, BOS, roles, speed in principle.

import JSON
import Primitives
import Testing
import Tokenization

@Suite
struct TokenizerTests {
    @Test("a special token is made only of text that is trusted from end to end")
    func trust() throws {
        let tokenizer = try Published.tokenizer("smollm2")
        let start = try #require(tokenizer.id(ofToken: "<|im_start|>"))
        func count(_ pieces: [(String, Bool)]) -> Int {
            let pieces = pieces.map { TextPiece(text: $0.0, allowsSpecialTokens: $0.1) }
            return tokenizer.encode(pieces, addSpecialTokens: false).count { $0 == start }
        }
        #expect(count([("<|im_start|>", true)]) == 1)
        #expect(count([("<|im_start|>", false)]) == 0)
        #expect(count([("<|im_", true), ("start|>", true)]) == 1)
        #expect(count([("<|im_", true), ("", false), ("start|>", true)]) == 1)
        #expect(count([("<|im_", true), ("start|>", false)]) == 0)
        #expect(count([("<|im_", false), ("start|>", true)]) == 0)
        #expect(count([("x<|im_start", true), ("|", false), (">", true)]) == 0)
        #expect(count([("<|im_start|>", true), ("<|im_start|>", false), ("<|im_start|>", true)]) == 2)
        #expect(count([("<", false), ("<|im_start|>", true), (">", false)]) == 1)
    }

    @Test(
        "pieces without special tokens give the tokens of the joined text",
        arguments: ["smollm2", "llama-spm", "qwen2"])
    func borders(name: String) throws {
        let tokenizer = try Published.tokenizer(name)
        var random = SplitMix64(state: 3)
        for text in Golden.texts.prefix(600) where !text.contains("<") {
            var pieces: [TextPiece] = []
            for scalar in text.unicodeScalars {
                if pieces.isEmpty || random.next() % 4 == 0 {
                    pieces.append(TextPiece(text: "", allowsSpecialTokens: random.next() % 2 == 0))
                }
                pieces[pieces.count - 1].text.unicodeScalars.append(scalar)
            }
            #expect(
                tokenizer.encode(pieces, addSpecialTokens: false) == tokenizer.encode(text, addSpecialTokens: false),
                "\(text.debugDescription)")
        }
    }

    @Test("BOS is added where the model wants it, and never twice")
    func beginning() throws {
        let llama = try Published.tokenizer("llama-spm")
        let hello = llama.encode("Hello", addSpecialTokens: false)
        #expect(llama.encode("Hello", addSpecialTokens: true) == [1] + hello)
        #expect(llama.encode("<s>Hello", addSpecialTokens: true) == [1] + hello)
        #expect(llama.encode("<s>Hello", addSpecialTokens: true, allowsSpecialTokens: false).first == 1)
        #expect(llama.encode("", addSpecialTokens: true) == [1])
        #expect(llama.addsBOS)
        // Llama 3's file names no flag: the name of its pre-tokenizer implies it.
        #expect(try Published.tokenizer("llama-bpe").encode("Hello", addSpecialTokens: true).first == 128000)
        let smol = try Published.tokenizer("smollm2")
        #expect(smol.encode("Hello", addSpecialTokens: true) == smol.encode("Hello", addSpecialTokens: false))
        #expect(!smol.addsBOS)
    }

    @Test("knows the roles of tokens")
    func roles() throws {
        let smol = try Published.tokenizer("smollm2")
        #expect(smol.vocabularySize == 49152)
        #expect(smol.specialTokens == SpecialTokens(bosID: 1, eosID: 2, unknownID: 0, padID: 2))
        #expect(smol.endOfGenerationIDs == [0, 2])
        #expect(smol.isSpecial(1) && !smol.isSpecial(100) && !smol.isSpecial(-1))
        #expect(smol.tokenText(2) == "<|im_end|>")
        let qwen = try Published.tokenizer("qwen2.5")
        #expect(qwen.endOfGenerationIDs == [151643, 151645])
        #expect(try Published.tokenizer("llama-bpe").endOfGenerationIDs == [128001, 128009])
    }

    @Test("tells the bytes and the written form of a token")
    func bytes() throws {
        let smol = try Published.tokenizer("smollm2")
        let the = try #require(smol.encode(" the", addSpecialTokens: false).first)
        #expect(smol.tokenText(the) == "Ġthe")
        #expect(smol.bytes(of: the) == Array(" the".utf8))
        let llama = try Published.tokenizer("llama-spm")
        let byte = try #require(llama.id(ofToken: "<0xE2>"))
        #expect(llama.bytes(of: byte) == [0xE2])
        #expect(llama.bytes(of: try #require(llama.id(ofToken: "▁the"))) == Array(" the".utf8))
        for name in Published.files.keys {
            let tokenizer = try Published.tokenizer(name)
            for id in stride(from: 0, to: TokenID(tokenizer.vocabularySize), by: 97) {
                let text = try #require(tokenizer.tokenText(id))
                #expect(tokenizer.id(ofToken: text) == id)
            }
        }
    }

    @Test("decoding leaves out special tokens on request")
    func skipping() throws {
        let tokenizer = try Published.tokenizer("smollm2")
        let ids = tokenizer.encode("<|im_start|>user\nhi<|im_end|>", addSpecialTokens: false)
        #expect(tokenizer.decode(ids, skipSpecialTokens: true) == "user\nhi")
        #expect(tokenizer.decode(ids, skipSpecialTokens: false) == "<|im_start|>user\nhi<|im_end|>")
    }

    @Test(
        "a million characters without a space take about a second, not hours",
        arguments: ["smollm2", "llama-spm", "llama-bpe"])
    func longWords(name: String) throws {
        let tokenizer = try Published.tokenizer(name)
        var random = SplitMix64(state: 5)
        let letters = (0..<1_000_000).map { _ in UInt8(ascii: "a") + UInt8(random.next() % 26) }
        let duration = ContinuousClock().measure {
            let ids = tokenizer.encode(String(decoding: letters, as: UTF8.self), addSpecialTokens: false)
            #expect(ids.count > 300_000)
        }
        // A generous bound: quadratic merging takes minutes.
        #expect(duration < .seconds(10))
    }

    @Test(
        "texts made to be slow are not",
        arguments: ["\u{301}", "\u{301}\u{323}", "\n ", "<|im_", " ", "'", "\n", "ab", "1"])
    func hostileTexts(unit: String) throws {
        let text = String(repeating: unit, count: 300_000 / unit.utf8.count)
        let tokenizers = try ["qwen2", "llama-spm"].map { try Published.tokenizer($0) }
        let duration = ContinuousClock().measure {
            for tokenizer in tokenizers { #expect(!tokenizer.encode(text, addSpecialTokens: false).isEmpty) }
        }
        #expect(duration < .seconds(10))
    }

    @Test("every Unicode scalar survives encoding and decoding", arguments: ["gpt-2", "llama-spm"])
    func everyScalar(name: String) throws {
        let tokenizer = try Published.tokenizer(name)
        for start in stride(from: UInt32(0), to: 0x11_0000, by: 0x400) {
            var text = ""
            for value in start..<(start + 0x400) {
                if let scalar = Unicode.Scalar(value) { text.unicodeScalars.append(scalar) }
            }
            // What is written as "▁" is a space to SentencePiece.
            if name == "llama-spm", (0x2400..<0x2800).contains(start) { continue }
            let ids = tokenizer.encode(text, addSpecialTokens: false)
            let decoded = tokenizer.decode(ids, skipSpecialTokens: false)
            let survives = decoded.utf8.elementsEqual(text.utf8)
            #expect(survives, "block \(start)")
        }
    }
}
