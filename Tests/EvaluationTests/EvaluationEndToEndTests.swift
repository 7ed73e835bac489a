// The commands themselves, on a real model.

import Foundation
import JSON
import Testing

@Suite("Evaluation of a real model", .serialized)
struct EvaluationEndToEndTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Runs the binary; its status and standard output.
    private func pagoda(_ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process(), pipe = Pipe()
        let binary = Self.root.appending(path: ".build/release/pagoda")
        try #require(FileManager.default.fileExists(atPath: binary.path), "\(binary.path) is missing: run make build")
        process.executableURL = binary
        process.arguments = arguments
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }

    private func model() throws -> String {
        let cache = ProcessInfo.processInfo.environment["PAGODA_CACHE"] ?? "\(NSHomeDirectory())/.cache/pagoda"
        let path = "\(cache)/models/SmolLM2-135M-Instruct.Q4_1.gguf"
        try #require(FileManager.default.fileExists(atPath: path), "\(path) is missing: run tools/fetch-model.sh")
        return path
    }

    /// Evaluates the beginning of the architecture page.
    private func evaluate(_ options: [String]) throws -> JSONValue {
        let text = Self.root.appending(path: "docs/architecture.md").path
        let fixed = ["--text", text, "--context-length", "128", "--max-tokens", "512", "--json", "-"]
        let run = try pagoda(["eval", model()] + fixed + options)
        #expect(run.status == 0)
        return try JSONParser.parse(run.output)
    }

    @Test("the default mode stays near its reference")
    func reference() throws {
        let result = try evaluate(["--reference"])
        #expect(result["windows"] == 4 && result["tokens_scored"] == 252)
        let perplexity = try #require(result["perplexity"]?.doubleValue)
        let ratio = try #require(result["reference"]?["perplexity_ratio"]?.doubleValue)
        #expect(perplexity > 2 && perplexity < 200 && (ratio - 1).magnitude < 0.05)
        let divergence = try #require(result["reference"]?["kl_divergence"])
        let median = try #require(divergence["median"]?.doubleValue)
        let mean = try #require(divergence["mean"]?.doubleValue)
        let maximum = try #require(divergence["maximum"]?.doubleValue)
        #expect(median > 0 && mean > 0 && mean < 0.02 && median <= maximum)
        #expect(try #require(result["reference"]?["top_1_agreement"]?.doubleValue) > 0.9)
    }

    @Test("the reference beside itself diverges by exactly nothing")
    func itself() throws {
        let result = try evaluate(["--reference", "--dtype", "float32", "--kv-cache-dtype", "float32"])
        #expect(
            result["reference"]?["kl_divergence"] == ["mean": 0.0, "median": 0.0, "p99": 0.0, "maximum": 0.0])
        #expect(result["reference"]?["top_1_agreement"] == 1.0 && result["reference"]?["perplexity_ratio"] == 1.0)
    }

    @Test("bounds that hold are kept, one that is broken is an exit code of its own; questions are answered")
    func bounds() throws {
        let text = Self.root.appending(path: "docs/architecture.md").path
        let fixed = [
            "eval", try model(), "--text", text, "--context-length", "128", "--max-tokens", "256", "--choices",
            "builtin",
            "--reference-model", try model(), "--reference-dtype", "auto", "--json", "-",
        ]
        let kept = try pagoda(fixed + ["--fail-if", "kl_mean>0.02", "--fail-if", "choices<0.3"])
        #expect(kept.status == 0)
        let result = try JSONParser.parse(kept.output)
        #expect(result["passed"] == true && result["bounds"]?.arrayValue?.count == 2)
        let choices = try #require(result["choices"])
        #expect(choices["questions"]?.integerValue ?? 0 >= 60)
        let accuracy = try #require(choices["accuracy_normalised"]?.doubleValue)
        // A guess is right in one of four.
        #expect(accuracy > 0.4 && accuracy <= 1)
        #expect(try #require(result["reference"]?["choices"]?["agreement"]?.doubleValue) > 0.9)
        let broken = try pagoda(fixed + ["--fail-if", "kl_mean>0.02", "--fail-if", "perplexity>1.5"])
        #expect(broken.status == 2)
        let bounds = try #require(JSONParser.parse(broken.output)["bounds"]?.arrayValue)
        #expect(bounds.map { $0["broken"]?.boolValue } == [false, true])
        #expect(try pagoda(["eval", try model(), "--text", "/nowhere"]).status == 1)
    }

    @Test("bits are the same however prompts are batched")
    func determinism() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "prompts-\(UUID().uuidString).txt")
        try Data("Once upon a time\n\n  1, 2, 3,".utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let run = try pagoda([
            "verify-determinism", model(), "--tokens", "4", "--max-model-len", "70", "--prompts", file.path, "--json",
            "-",
        ])
        #expect(run.status == 0)
        let result = try JSONParser.parse(run.output)
        #expect(result["equal"] == true)
        let lengths = try #require(result["prompts"]?.arrayValue).compactMap { $0["tokens"]?.integerValue }
        #expect(Array(lengths.prefix(12)) == [1, 2, 15, 16, 17, 31, 33, 64, 66, 66, 66, 66])
        #expect(lengths.count == 14)
        let runs = try #require(result["runs"]?.arrayValue)
        #expect(Set(runs.compactMap { $0["hash"]?.stringValue }).count == 1)
        #expect(Set(runs.compactMap { $0["threads"]?.integerValue }) == [1, 2] && runs.count >= 20)
        // Prompts of their own have hashes of their own.
        #expect(Set(runs[0]["prompt_hashes"]?.arrayValue?.compactMap(\.stringValue) ?? []).count == 14)
    }
}
