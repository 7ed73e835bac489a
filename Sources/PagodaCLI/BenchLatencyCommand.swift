// `pagoda bench latency`: how long one batch takes, over and over.

internal import ArgumentParser
internal import Benchmarking
internal import Engine
internal import JSON
internal import LoadTesting

struct BenchLatencyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "latency", abstract: "Measure a model in this process: one batch of equal requests.",
        discussion: """
            Prompts are random tokens, output is greedy and runs to its full length. Beside vLLM's latencies: prefill, \
            which is all prompts' tokens over the time until the last prompt has its first token; and decode, which is \
            the tokens of all sequences over the time of the steps that only decode.
            """)

    @OptionGroup var options: BenchOptions

    @Option(help: "Tokens of each prompt.")
    var inputLen = 32

    @Option(help: "Tokens generated for each prompt.")
    var outputLen = 128

    @Option(help: "Prompts in the batch.")
    var batchSize = 8

    @Option(help: "Runs before those that count.")
    var numItersWarmup = 10

    @Option(help: "Runs that count.")
    var numIters = 30

    func validate() throws {
        _ = try positive(inputLen, option: "input-len")
        _ = try positive(outputLen, option: "output-len")
        _ = try positive(batchSize, option: "batch-size")
        _ = try positive(options.sampleCount, option: "n")
        _ = try positive(numIters, option: "num-iters")
        guard (0...Int(Int32.max)).contains(numItersWarmup) else {
            throw CommandError.invalidOption(
                name: "num-iters-warmup", value: "\(numItersWarmup)", allowed: "0 to \(Int32.max)")
        }
        // Otherwise it would not be one batch.
        guard batchSize * options.sampleCount <= options.scheduler.maxNumSeqs else {
            throw CommandError.invalidOption(
                name: "batch-size", value: "\(batchSize)",
                allowed: "at most --max-num-seqs \(options.scheduler.maxNumSeqs), with --n \(options.sampleCount)")
        }
    }

    func run() async throws {
        try options.writeOutput()
        let plan = try await options.plan(sequenceLength: inputLen + outputLen)
        let benchmark = try await options.start(plan)
        var prompts = RandomDataset()
        prompts.inputLength = inputLen
        prompts.outputLength = outputLen
        var report = LatencyReport()
        var progress = ProgressLine()
        for iteration in 1...(numItersWarmup + numIters) {
            // Other prompts each time, so that no run finds what the one before left.
            // Other prompts each time, so that no run finds what the one before left.
            let requests = try options.requests(prompts, count: batchSize, round: iteration, plan: plan)
            let run = try await benchmark.run(requests)
            if iteration > numItersWarmup {
                report.add(run)
                progress.show(
                    "run \(iteration - numItersWarmup) of \(numIters)", isLast: iteration == numItersWarmup + numIters)
            } else {
                progress.show("warm-up run \(iteration) of \(numItersWarmup)")
            }
        }
        await benchmark.engine.shutdown(draining: .zero)
        try options.write(
            lines: report.lines, json: report.json,
            setUp: [
                ("input_len", .integer(Int64(inputLen))), ("output_len", .integer(Int64(outputLen))),
                ("batch_size", .integer(Int64(batchSize))), ("n", .integer(Int64(options.sampleCount))),
            ], plan: plan)
    }
}
