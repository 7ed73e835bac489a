// `pagoda bench throughput`: how many requests a second when all are there from the start.

internal import ArgumentParser
internal import Benchmarking
internal import Engine
internal import JSON
internal import LoadTesting

struct BenchThroughputCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "throughput", abstract: "Measure a model in this process: many requests, all there at once.",
        discussion: """
            Prompts are random tokens, output is greedy and runs to its full length. Beside vLLM's throughput it says \
            where the time went: steps with prompts in them, in which other sequences decode as well, and steps that \
            only decode.
            """)

    @OptionGroup var options: BenchOptions

    @Option(help: "Requests.")
    var numPrompts = 1000

    @Option(name: [.long, .customLong("random-input-len")], help: "Tokens of each prompt.")
    var inputLen = 1024

    @Option(name: [.long, .customLong("random-output-len")], help: "Tokens generated for each prompt.")
    var outputLen = 128

    @Option(help: "How far lengths may lie from those two, as a share of them: 0 to below 1.")
    var randomRangeRatio = 0.0

    @Option(help: "Where the prompts come from: random.")
    var datasetName = "random"

    func validate() throws {
        _ = try positive(numPrompts, option: "num-prompts")
        _ = try positive(inputLen, option: "input-len")
        _ = try positive(outputLen, option: "output-len")
        _ = try positive(options.sampleCount, option: "n")
        guard (0..<1).contains(randomRangeRatio) else {
            throw CommandError.invalidOption(
                name: "random-range-ratio", value: "\(randomRangeRatio)", allowed: "0 to below 1")
        }
        guard datasetName == "random" else {
            throw CommandError.invalidOption(name: "dataset-name", value: datasetName, allowed: "random")
        }
    }

    func run() async throws {
        try options.writeOutput()
        var prompts = RandomDataset()
        prompts.inputLength = inputLen
        prompts.outputLength = outputLen
        prompts.inputRangeRatio = randomRangeRatio
        prompts.outputRangeRatio = randomRangeRatio
        let longest = [inputLen, outputLen].map { Int((Double($0) * (1 + randomRangeRatio)).rounded(.up)) }
        let plan = try await options.plan(sequenceLength: longest.reduce(0, +))
        let requests = try options.requests(prompts, count: numPrompts, round: 0, plan: plan)
        let benchmark = try await options.start(plan)
        let progress = Task { await watch(benchmark) }
        defer { progress.cancel() }
        let run = try await benchmark.run(requests)
        progress.cancel()
        await progress.value
        await benchmark.engine.shutdown(draining: .zero)
        let report = ThroughputReport(run: run, requestCount: numPrompts)
        try options.write(
            lines: report.lines, json: report.json,
            setUp: [
                ("input_len", .integer(Int64(inputLen))), ("output_len", .integer(Int64(outputLen))),
                ("random_range_ratio", .number(randomRangeRatio)), ("n", .integer(Int64(options.sampleCount))),
                ("max_num_seqs", .integer(Int64(options.scheduler.maxNumSeqs))),
            ], plan: plan)
    }

    /// Shows the progress until the task is cancelled.
    private func watch(_ benchmark: EngineBenchmark) async {
        var line = ProgressLine()
        let total = numPrompts * options.sampleCount
        while (try? await Task.sleep(for: .seconds(1))) != nil {
            line.show("\(benchmark.finishedCount) of \(total) sequences")
        }
        line.show("\(benchmark.finishedCount) of \(total) sequences", isLast: true)
    }
}
