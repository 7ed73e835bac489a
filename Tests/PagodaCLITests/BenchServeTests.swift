import ArgumentParser
import LoadTesting
import PagodaCLI
import Testing

@Suite("bench serve")
struct BenchServeTests {
    @Test(
        "what can't be done is refused before anything is sent, by the option's name",
        arguments: [
            (
                ["--dataset-name", "sharegpt"],
                "--dataset-name sharegpt is not supported; supported are random, custom."
            ),
            (["--backend", "tgi"], "--backend tgi is not supported; supported are vllm, openai, openai-chat."),
            (["--dataset-path", "x"], "--dataset-path x is not possible; allowed is only with --dataset-name custom."),
            (
                ["--dataset-name", "custom"],
                "--dataset-name custom is not possible; allowed is with --dataset-path FILE."
            ),
            (["--num-prompts", "0"], "--num-prompts 0 is not possible; allowed is 1 to 10000000."),
            (["--header", "x"], "--header x is not possible; allowed is KEY=VALUE."),
            (["--metadata", "=x"], "--metadata =x is not possible; allowed is KEY=VALUE."),
            (["--extra-body", "[1]"], "--extra-body [1] is not possible; allowed is a JSON object."),
            (
                ["--random-token-range", "9-5"],
                "--random-token-range 9-5 is not possible; allowed is FIRST-END, such as 1000-30000."
            ),
            (["--request-rate", "-1"], "--request-rate -1.0 is not possible; allowed is a number over 0, or inf."),
        ])
    func refusals(options: [String], message: String) async throws {
        let error = await #expect(throws: (any Error).self) {
            guard var command = try Pagoda.parseAsRoot(["bench", "serve"] + options) as? any AsyncParsableCommand else {
                return
            }
            try await command.run()
        }
        #expect("\(try #require(error))" == message)
    }

    @Test("vLLM's usual command line is understood")
    func usualOptions() throws {
        let line = """
            bench serve --backend openai-chat --base-url http://h:1 --endpoint /v1/chat/completions --model m \
            --tokenizer t --dataset-name random --num-prompts 5 --random-input-len 3 --random-output-len 4 \
            --random-range-ratio 0.5 --random-prefix-len 1 --request-rate inf --burstiness 2 --max-concurrency 8 \
            --num-warmups 1 --ignore-eos --seed 1 --temperature 0 --extra-body {} --header a=b c=d \
            --goodput ttft:1 tpot:2 --percentile-metrics ttft,e2el --metric-percentiles 50,99 --save-result \
            --save-detailed --append-result --result-dir d --result-filename f --metadata k=v l=w --label x \
            --ready-check-timeout-sec 5 --disable-tqdm --custom-output-len -1
            """
        _ = try Pagoda.parseAsRoot(line.split(separator: " ").map(String.init))
    }
}
