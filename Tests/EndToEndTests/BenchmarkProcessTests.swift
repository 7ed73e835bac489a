import Foundation
import JSON
import Testing

@Suite("The benchmarks of the real program", .serialized)
struct BenchmarkProcessTests {
    @Test("latency measures a real model, batch by batch, and writes JSON for scripts")
    func latency() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "pagoda-latency-\(UUID()).json")
        defer { try? FileManager.default.removeItem(at: file) }
        let text = try output(
            of: try TestFiles.binary(),
            [
                "bench", "latency", try TestFiles.model(), "--input-len", "16", "--output-len", "6", "--batch-size",
                "3",
                "--n", "2", "--num-iters-warmup", "1", "--num-iters", "2", "--output-json", file.path,
            ])
        #expect(text.hasPrefix("Avg latency: ") && text.contains("\nDecode: "))
        let result = try JSONParser.parse(try String(contentsOf: file, encoding: .utf8))
        #expect(result["latencies"]?.arrayValue?.count == 2)
        #expect(result["percentiles"]?["50"]?.doubleValue ?? 0 > 0)
        #expect(result["prefill_tokens_per_second"]?.arrayValue?.count == 2)
        #expect(result["median_decode_tokens_per_second"]?.doubleValue ?? 0 > 0)
        #expect(result["batch_size"] == 3 && result["n"] == 2 && result["preemptions"] == 0)
    }

    @Test("throughput runs more requests than fit at once, in vLLM's words")
    func throughput() throws {
        let text = try output(
            of: try TestFiles.binary(),
            [
                "bench", "throughput", try TestFiles.model(), "--num-prompts", "10", "--input-len", "12",
                "--output-len", "4", "--max-num-seqs", "4", "--random-range-ratio", "0.25",
            ])
        #expect(text.contains(/Throughput: [0-9.]+ requests\/s, [0-9.]+ total tokens\/s, [0-9.]+ output tokens\/s/))
        #expect(text.contains(/Total num output tokens:  (3[0-9]|4[0-9]|50)\n/))
        #expect(text.contains("\nPrefill: ") && text.contains("\nDecode: "))
    }

    @Test("the scheduler is measured by itself, as it always was")
    func planning() throws {
        let text = try output(
            of: try TestFiles.binary(), ["bench", "scheduler", "--sequences", "8", "--tokens", "40", "--steps", "5"])
        #expect(text.hasPrefix("8 sequences of 40 tokens, 24 blocks of 16\n") && text.contains("plan a step: median"))
    }

    @Test("a replay compares three arrangements, and writes JSON for scripts")
    func replay() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "pagoda-replay-\(UUID()).json")
        defer { try? FileManager.default.removeItem(at: file) }
        let text = try output(
            of: try TestFiles.binary(),
            ["bench", "scheduler", "replay", "--num-prompts", "200", "--output-json", file.path])
        #expect(text.contains(/static, contiguous +[0-9.]+ +1\.00/))
        #expect(text.contains(/continuous, paged +[0-9.]+ +[0-9.]+/))
        let result = try JSONParser.parse(try String(contentsOf: file, encoding: .utf8))
        let ratios = result["arrangements"]?.arrayValue?.compactMap { $0["ratio"]?.doubleValue } ?? []
        #expect(ratios.count == 3 && ratios[0] == 1 && ratios[1] > 1 && ratios[2] > ratios[1])
        #expect(result["num_requests"] == 200 && result["max_model_len"] == 4512)
    }

    @Test("beside a model a replay learns what steps cost, and the first and last arrangement run on the engine")
    func replayBesideModel() throws {
        let text = try output(
            of: try TestFiles.binary(),
            [
                "bench", "scheduler", "replay", try TestFiles.model(), "--num-prompts", "24", "--min-input-len", "4",
                "--max-input-len", "30", "--min-output-len", "4", "--max-output-len", "24", "--kv-tokens", "224",
            ])
        #expect(text.contains(/learned from [0-9]+ steps of other requests, median error [0-9.]+ %/))
        #expect(text.contains(/On the real engine: static, contiguous [0-9.]+ output tokens\/s/))
        #expect(text.contains(/continuous, paged [0-9.]+, ratio [0-9.]+ \(simulated [0-9.]+\)\n/))
    }
}
