// Text that comes token by token is the text of all tokens.

import Primitives
import Testing
import Tokenization

@Suite
struct IncrementalDetokenizerTests {
    private static let names = ["smollm2", "llama-spm", "llama-bpe", "qwen2"]

    @Test("the joined pieces are the decoded whole, without U+FFFD, for every text", arguments: names)
    func joinedPieces(name: String) throws {
        let tokenizer = try Published.tokenizer(name)
        for text in Golden.texts {
            let ids = tokenizer.encode(text, addSpecialTokens: true)
            for skips in [true, false] {
                var detokenizer = IncrementalDetokenizer(tokenizer: tokenizer, skipSpecialTokens: skips)
                var joined = ids.map { detokenizer.append($0) }.joined()
                joined += detokenizer.finish()
                let whole = tokenizer.decode(ids, skipSpecialTokens: skips)
                guard joined.utf8.elementsEqual(whole.utf8) else {
                    Issue.record("\(text.debugDescription) became \(joined.debugDescription)")
                    return
                }
                if !text.contains("\u{FFFD}") { #expect(!joined.unicodeScalars.contains("\u{FFFD}")) }
            }
        }
    }

    @Test("any prefix of the tokens gives a prefix of the text, in whole characters", arguments: names)
    func prefixes(name: String) throws {
        let tokenizer = try Published.tokenizer(name)
        for text in ["🦙👩‍👩‍👧‍👦 ok", "水𝟙 ꙮ", "ᚠᛇᚻ e\u{301}\u{323}"] {
            let ids = tokenizer.encode(text, addSpecialTokens: false)
            var detokenizer = IncrementalDetokenizer(tokenizer: tokenizer, skipSpecialTokens: true)
            var joined = ""
            let whole = tokenizer.decode(ids, skipSpecialTokens: true)
            for id in ids {
                joined += detokenizer.append(id)
                #expect(whole.utf8.starts(with: joined.utf8))
            }
            #expect(joined.utf8.elementsEqual(whole.utf8))
        }
    }

    @Test("random byte-level tokens give what decoding gives, invalid bytes included", arguments: ["smollm2", "gpt-2"])
    func randomTokens(name: String) throws {
        let tokenizer = try Published.tokenizer(name)
        var random = SplitMix64(state: 7)
        // Half of them tokens of a single byte, which make the most errors.
        let bytes = (0..<tokenizer.vocabularySize).map { TokenID($0) }.filter { tokenizer.bytes(of: $0).count == 1 }
        for _ in 0..<500 {
            let ids = (0..<20).map { _ in
                random.next() % 2 == 0
                    ? bytes[Int(random.next() % UInt64(bytes.count))]
                    : TokenID(random.next() % UInt64(tokenizer.vocabularySize))
            }
            var detokenizer = IncrementalDetokenizer(tokenizer: tokenizer, skipSpecialTokens: false)
            let joined = ids.map { detokenizer.append($0) }.joined() + detokenizer.finish(replacesIncomplete: true)
            #expect(joined.utf8.elementsEqual(tokenizer.decode(ids, skipSpecialTokens: false).utf8), "\(ids)")
        }
    }

    @Test("an incomplete character at the end is left out, or replaced on request")
    func incompleteEnd() throws {
        for name in ["smollm2", "llama-spm"] {
            let tokenizer = try Published.tokenizer(name)
            let ids = tokenizer.encode("ok 𓆏", addSpecialTokens: false).dropLast()
            var detokenizer = IncrementalDetokenizer(tokenizer: tokenizer, skipSpecialTokens: true)
            #expect(ids.map { detokenizer.append($0) }.joined() == "ok ")
            var other = detokenizer
            #expect(detokenizer.finish() == "")
            #expect(other.finish(replacesIncomplete: true).unicodeScalars.allSatisfy { $0 == "\u{FFFD}" })
        }
    }

    @Test("a run of byte tokens that is not UTF-8 gives U+FFFD for each byte")
    func invalidRun() throws {
        let tokenizer = try Published.tokenizer("llama-spm")
        let ids = ["<0xE2>", "<0x41>", "<0x42>", "x", "<0xFF>", "y"].compactMap { tokenizer.id(ofToken: $0) }
        var detokenizer = IncrementalDetokenizer(tokenizer: tokenizer, skipSpecialTokens: true)
        let joined = ids.map { detokenizer.append($0) }.joined()
        #expect(joined == "\u{FFFD}\u{FFFD}\u{FFFD}x\u{FFFD}y")
        #expect(joined == tokenizer.decode(ids, skipSpecialTokens: true))
    }

    @Test("the first token keeps its space after a prompt, and loses it at the start of a text")
    func primedSpace() throws {
        let tokenizer = try Published.tokenizer("llama-spm")
        let prompt = tokenizer.encode("Hello", addSpecialTokens: true)
        let world = try #require(tokenizer.id(ofToken: "▁world"))
        var after = IncrementalDetokenizer(tokenizer: tokenizer, promptIDs: prompt, skipSpecialTokens: true)
        #expect(after.append(world) == " world")
        var alone = IncrementalDetokenizer(tokenizer: tokenizer, promptIDs: prompt.prefix(1), skipSpecialTokens: true)
        #expect(alone.append(world) == "world")
        #expect(alone.append(world) == " world")
    }

    @Test("a character begun in the prompt is completed by the first tokens")
    func primedCharacter() throws {
        let tokenizer = try Published.tokenizer("gpt-2")
        let ids = tokenizer.encode("a𓆏b", addSpecialTokens: false)
        #expect(ids.count >= 4)
        var detokenizer = IncrementalDetokenizer(
            tokenizer: tokenizer, promptIDs: ids.prefix(2), skipSpecialTokens: true)
        #expect(ids.dropFirst(2).map { detokenizer.append($0) }.joined() == "𓆏b")
    }

    @Test("ids outside of the vocabulary leave no text")
    func unknownIDs() throws {
        let tokenizer = try Published.tokenizer("smollm2")
        var detokenizer = IncrementalDetokenizer(
            tokenizer: tokenizer, promptIDs: [-1, .max], skipSpecialTokens: false)
        #expect([-1, .max, .min, 49152].map { detokenizer.append($0) }.joined() == "")
        #expect(tokenizer.decode([-1, .max, .min, 49152], skipSpecialTokens: false) == "")
        #expect(tokenizer.tokenText(-1) == nil)
        #expect(tokenizer.bytes(of: 49152) == [])
    }
}
