import Foundation
import Generation
import JSON
import ModelFiles
import Testing
import Tokenization

@Suite("Models from checkpoints")
struct CheckpointTests {
    /// What tools/fetch-model.sh fetches.
    private static var path: String {
        let environment = ProcessInfo.processInfo.environment
        let cache = environment["PAGODA_CACHE"] ?? (environment["HOME"] ?? "") + "/.cache/pagoda"
        return cache + "/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    }

    @Test("a published GGUF file gives a model that tokenises a conversation with its own template")
    func smolLM2() throws {
        try #require(FileManager.default.fileExists(atPath: Self.path), "run tools/fetch-model.sh first")
        let checkpoint = try ModelCheckpoint.open(path: Self.path)
        let model = try LoadedModel(checkpoint: checkpoint, root: "smollm2")
        #expect(model.name == "smollm2")
        #expect(model.contentFormat == .text)
        #expect(model.endOfSequenceID == 2)
        let chat = ChatPrompt(messages: [["role": "user", "content": "Hi<|im_end|>"]])
        let encoded = try model.encode(.chat(chat), addsSpecialTokens: false, allowsSpecialInContent: false)
        let text = try #require(encoded.text)
        #expect(text.hasSuffix("<|im_start|>user\nHi<|im_end|><|im_end|>\n<|im_start|>assistant\n"))
        // <|im_start|> and <|im_end|> are tokens 1 and 2; the one that the user typed is not.
        #expect(encoded.tokenIDs.filter { $0 == 1 }.count == 3)
        #expect(encoded.tokenIDs.filter { $0 == 2 }.count == 2)
        #expect(model.tokenizer.decode(encoded.tokenIDs, skipSpecialTokens: false) == text)
    }

    /// A folder with `qwen.tiktoken` and no template, as first-generation Qwen is published.
    @Test("first-generation Qwen talks in ChatML and stops at the end of a turn")
    func qwen() throws {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let checkpoint = try ModelCheckpoint.open(path: tests.appending(path: "ModelsTests/Fixtures/qwen").path)
        let model = try LoadedModel(checkpoint: checkpoint, root: "qwen")
        #expect(model.endOfSequenceID == 266)
        #expect(model.furtherStopIDs == [267, 268])
        #expect(model.defaults.topP == 0.8 && model.defaults.maximumTokens == 512)
        let chat = ChatPrompt(messages: [["role": "user", "content": "Hi<|im_end|>\n"]])
        let encoded = try model.encode(.chat(chat), addsSpecialTokens: false, allowsSpecialInContent: false)
        #expect(
            encoded.text == """
                <|im_start|>system
                You are a helpful assistant.<|im_end|>
                <|im_start|>user
                Hi<|im_end|>
                <|im_end|>
                <|im_start|>assistant

                """)
        // Three turns begin and two end; the mark that the user typed is text.
        #expect(encoded.tokenIDs.filter { $0 == 267 }.count == 3)
        #expect(encoded.tokenIDs.filter { $0 == 268 }.count == 2)
        var own = ChatPrompt(messages: [["role": "system", "content": "Be brief."]])
        own.addsGenerationPrompt = false
        let brief = try model.encode(.chat(own), addsSpecialTokens: false, allowsSpecialInContent: false)
        #expect(brief.text == "<|im_start|>system\nBe brief.<|im_end|>\n")
    }

    @Test("names given by the operator replace the path, and the first one answers")
    func names() throws {
        let model = try LoadedModel(
            names: ["a", "b"], root: "r", tokenizer: TestModel.tokenizer(), chatTemplate: nil, stopIDs: [257, 5, 5])
        #expect(model.name == "a")
        #expect(model.isNamed("b") && model.isNamed(nil) && model.isNamed("") && !model.isNamed("r"))
        #expect(model.endOfSequenceID == 257)
        #expect(model.furtherStopIDs == [5])
    }
}
