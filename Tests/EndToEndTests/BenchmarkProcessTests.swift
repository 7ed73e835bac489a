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
}
