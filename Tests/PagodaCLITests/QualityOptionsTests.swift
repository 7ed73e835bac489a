import ArgumentParser
import Foundation
import PagodaCLI
import Testing

@Suite("Options about quality")
struct QualityOptionsTests {
    /// A small checkpoint of ModelsTests, without a tokenizer.
    private static let model = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "ModelsTests/Fixtures/llama").path

    private func message(_ arguments: [String]) async throws -> String {
        do {
            var command = try Pagoda.parseAsRoot(Pagoda.normalized(arguments))
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            Issue.record("\(arguments) ran")
            return ""
        } catch {
            return Pagoda.message(for: error)
        }
    }

    @Test(
        "an evaluation that cannot say what it is asked for is refused before anything is loaded",
        arguments: [
            ("", "Nothing to measure"), ("--text /dev/null --fail-if kl_mean>0.1", "needs --reference"),
            ("--choices builtin --fail-if perplexity>9", "needs --text"),
            ("--text /dev/null --fail-if top1=1", "has none of > >= < <="),
            ("--text /dev/null --fail-if accuracy<1", "none of perplexity, perplexity_ratio, kl_mean"),
            ("--text /dev/null --fail_if top1<one", "which is no number"),
            ("--choices /nowhere", "--choices /nowhere"), ("--choices /dev/null", "The file of questions has none"),
            ("--text /dev/null --reference-model /nowhere", "/nowhere"),
        ])
    func refused(options: String, expected: String) async throws {
        let fixed = ["eval", Self.model, "--context-length", "16"]
        let message = try await message(fixed + options.split(separator: " ").map { String($0) })
        #expect(message.contains(expected), "\(message)")
    }

    @Test(
        "a quantisation that cannot be done is refused before anything is written",
        arguments: [
            ("--calibration-text /dev/null --seq-len 16", "tokenizer"), ("", "--calibration-text"),
            ("--method rtn --bits 7", "7 bits are not supported"), ("--method rtn --desc-act", "Act-order"),
            ("--method rtn --group-size 24", "does not divide the 32 inputs"),
            ("--method rtn --group-size 0", "--group-size 0 is not possible"), ("--method awq", "awq"),
            ("--method rtn --damp-percent 2", "damping of 2.0"),
            ("--calibration-text x --seq-len 4096", "--seq-len 4096"),
        ])
    func refusedQuantization(options: String, expected: String) async throws {
        let output = FileManager.default.temporaryDirectory.appending(path: "pagoda-none-\(UUID().uuidString)").path
        let message = try await message(
            ["quantize", Self.model, output] + options.split(separator: " ").map { String($0) })
        #expect(message.contains(expected), "\(message)")
        #expect(!FileManager.default.fileExists(atPath: output))
        #expect(!FileManager.default.fileExists(atPath: output + ".partial"))
    }

    @Test("round to nearest writes a folder that is recognised as GPTQ")
    func roundToNearest() async throws {
        let output = FileManager.default.temporaryDirectory.appending(path: "pagoda-rtn-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: output) }
        var command = try Pagoda.parseAsRoot([
            "quantize", Self.model, output, "--method", "rtn", "--no-sym", "--json", output + ".json",
        ])
        defer { try? FileManager.default.removeItem(atPath: output + ".json") }
        try command.run()
        // It has no tokenizer either, but got as far as to be looked for one as a GPTQ checkpoint.
        let message = try await message(["eval", output, "-q", "gptq", "--text", "/dev/null", "--context-length", "16"])
        #expect(message.contains("tokenizer"))
        let report = try String(contentsOfFile: output + ".json", encoding: .utf8)
        #expect(report.contains("model.layers.1.mlp.down_proj") && report.contains("\"group_size\": 32"))
    }
}
