import ArgumentParser
import Foundation
import PagodaCLI
import Testing

@Suite("Options about quality")
struct QualityOptionsTests {
    /// A small checkpoint of ModelsTests, without a tokenizer.
    private static let model = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "ModelsTests/Fixtures/llama").path

    private func message(_ arguments: [String]) throws -> String {
        do {
            var command = try Pagoda.parseAsRoot(Pagoda.normalized(arguments))
            try command.run()
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
    func refused(options: String, expected: String) throws {
        let fixed = ["eval", Self.model, "--context-length", "16"]
        let message = try message(fixed + options.split(separator: " ").map { String($0) })
        #expect(message.contains(expected), "\(message)")
    }
}
