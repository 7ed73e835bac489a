import ArgumentParser
import Foundation
import PagodaCLI
import Testing

@Suite("Options about quantisation")
struct QuantizationOptionsTests {
    /// Small checkpoints of ModelsTests, one of each kind; none has a tokenizer.
    private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "ModelsTests/Fixtures")
    private static let plain = "llama", gptq = "quantized/gptq-4bit-g32", awq = "quantized/awq-g32"
    private static let compressed = "quantized/ct-w4a16-g32"

    /// The error of `pagoda eval` with a model and options, which plans before it looks for a tokenizer.
    private func message(_ model: String, _ options: String) async throws -> String {
        let path = Self.fixtures.appending(path: model).path
        let arguments = ["eval", path, "--text", "/dev/null", "--context-length", "16"]
        let parsed = try Pagoda.parseAsRoot(
            Pagoda.normalized(arguments + options.split(separator: " ").map { String($0) }))
        var command = try #require(parsed as? any AsyncParsableCommand)
        do {
            try await command.run()
            Issue.record("a model without a tokenizer was evaluated")
            return ""
        } catch {
            return "\(error)"
        }
    }

    @Test(
        "what the checkpoint is can be said, by vLLM's names too, or left out; what is not quantised can be rounded",
        arguments: [
            (gptq, ""), (gptq, "--quantization gptq"), (gptq, "-q gptq_marlin"), (gptq, "-q auto_gptq"),
            (awq, "-q awq"),
            (awq, ""), (compressed, "-q compressed-tensors"), (plain, ""), (plain, "-q int4"), (plain, "-q int8"),
            (plain, "-q int4 --quantize_head none"), (plain, "--quantize-head int8"),
            (gptq, "--dtype float32"), (gptq, "--dtype float32 --quantize-head none"),
        ])
    func accepted(model: String, options: String) async throws {
        #expect(try await message(model, options).contains("tokenizer"))
    }

    @Test(
        "a contradiction names what was asked, what was found and what is supported",
        arguments: [
            (plain, "gptq", "not quantised"), (gptq, "awq", "quantised by gptq in 4 bits"),
            (awq, "compressed-tensors", "quantised by awq"), (compressed, "gptq", "compressed-tensors in 4 bits"),
            (gptq, "int4", "quantised by gptq"), (plain, "gguf", "not quantised"),
        ])
    func contradictions(model: String, asked: String, found: String) async throws {
        let text = try await message(model, "--quantization \(asked)")
        #expect(text.contains("--quantization \(asked)") && text.contains(found) && text.contains("int8"), "\(text)")
    }

    @Test(
        "what is unknown or cannot be together is refused by its name",
        arguments: [
            (plain, "--quantization fp6", "fp6"), (plain, "--quantization int4 --dtype float32", "--quantization"),
            (gptq, "--quantize-head int8 --dtype float32", "--quantize-head"), (gptq, "--quantize-head int2", "int2"),
        ])
    func refused(model: String, options: String, word: String) async throws {
        let text = try await message(model, options)
        #expect(text.contains(word) && text.contains("allowed"), "\(text)")
    }
}
