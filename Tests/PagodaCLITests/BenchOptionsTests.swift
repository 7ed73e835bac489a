import ArgumentParser
import PagodaCLI
import Testing

@Suite("Options of pagoda bench")
struct BenchOptionsTests {
    @Test(
        "vLLM's spellings are accepted",
        arguments: [
            "latency M", "latency --model M --input-len 32 --output_len 128 --batch-size 8",
            "latency M --num-iters-warmup 0 --num-iters 1 --n 2 --output-json x.json --threads 2 --block-size 32",
            "throughput M", "throughput M --num-prompts 10 --dataset-name random --random-input-len 5 --max-num-seqs 4",
            "throughput --model M --input-len 5 --output-len 6 --random-range-ratio 0.5 --kv-cache-dtype float32",
            "scheduler", "scheduler --sequences 8 --steps 4", "scheduler plan --tokens 8 --block_size 32",
            "scheduler replay", "scheduler replay M --num-prompts 8 --kv-tokens 16k --max-num-seqs 4 --threads 2",
            "scheduler replay --request-rate 20 --min-input-len 5 --max-input-len 9 --step-ms 1 --output-json x.json",
        ])
    func accepted(line: String) throws {
        _ = try Pagoda.parseAsRoot(Self.arguments(line))
    }

    @Test(
        "what can't be measured is refused in a sentence that names the option",
        arguments: [
            ("latency M --batch-size 0", "batch-size"), ("latency M --input-len -1", "input-len"),
            ("latency M --output-len 0", "output-len"), ("latency M --num-iters 0", "num-iters"),
            ("latency M --num-iters-warmup -1", "num-iters-warmup"), ("latency M --n 0", "--n"),
            ("latency M --batch-size 4 --n 3 --max-num-seqs 8", "max-num-seqs"),
            ("latency M --input-len 9999999999999", "input-len"),
            ("throughput M --num-prompts 0", "num-prompts"), ("throughput M --random-range-ratio 1", "range-ratio"),
            ("throughput M --random-range-ratio nan", "range-ratio"),
            ("throughput M --dataset-name sharegpt", "dataset-name"),
            ("scheduler --sequences 0", "--sequences"), ("scheduler replay --num-prompts 0", "num-prompts"),
            ("scheduler replay --request-rate 0", "request-rate"), ("scheduler replay --request-rate nan", "rate"),
            ("scheduler replay --min-input-len 10 --max-input-len 9", "max-input-len"),
            ("scheduler replay --max-output-len 9999999999", "max-output-len"),
            ("scheduler replay --max-model-len 4000", "max-model-len"), ("scheduler replay --n 2", "--n"),
            ("scheduler replay M --step-ms 3", "step-ms"), ("scheduler replay M --request-rate 3", "request-rate"),
            ("scheduler replay --kv-cache-memory-bytes 1G", "--kv-tokens"),
        ])
    func refused(line: String, word: String) {
        let error = #expect(throws: (any Error).self) { try Pagoda.parseAsRoot(Self.arguments(line)) }
        #expect(error.map { Pagoda.fullMessage(for: $0).contains(word) } == true)
    }

    private static func arguments(_ line: String) -> [String] {
        Pagoda.normalized(["bench"] + line.split(separator: " ").map(String.init))
    }
}
