// `pagoda bench scheduler plan`: what planning a step costs, without a model.

internal import ArgumentParser
internal import Benchmarking

struct BenchPlanningCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Measure the scheduler alone: planning a step, and operations on KV blocks (the default).",
        discussion: """
            All sequences decode, and a queue of as many waits behind them. Times are those of one thread, without the \
            model; a step of the engine has them on top.
            """)

    @Option(help: "Sequences that run, and as many that wait.")
    var sequences = 1024

    @Option(help: "Tokens of each at the beginning.")
    var tokens = 1024

    @Option(help: "Tokens a block of the KV cache holds.")
    var blockSize = 16

    @Option(help: "Steps that are measured.")
    var steps = 512

    func validate() throws {
        guard (1...16_384).contains(sequences) else { throw ValidationError("--sequences is from 1 to 16384.") }
        guard (1...32_768).contains(tokens) else { throw ValidationError("--tokens is from 1 to 32768.") }
        guard (1...1024).contains(blockSize) else { throw ValidationError("--block-size is from 1 to 1024.") }
        guard (1...100_000).contains(steps) else { throw ValidationError("--steps is from 1 to 100000.") }
    }

    func run() throws {
        var benchmark = try SchedulerBenchmark(
            sequenceCount: sequences, tokenCount: tokens, blockSize: blockSize, stepLimit: 3 * steps)
        let blocks = "\(benchmark.usedBlockCount) blocks of \(blockSize)"
        Console.write("\(sequences) sequences of \(tokens) tokens, \(blocks)\n")
        let alone = try benchmark.steps(steps, waitingCount: 0)
        report("plan a step", alone.planning)
        report("commit it, a token for each", alone.commit)
        report("plan, \(sequences) more waiting", try benchmark.steps(steps, waitingCount: sequences).planning)
        report("end a sequence, take one in", try benchmark.turnover(steps))
        for poolSize in [1_000, 100_000, 1_000_000] {
            let seconds = SchedulerBenchmark.blockOperation(poolSize: poolSize, rounds: 4_000_000 / poolSize)
            Console.write("a block taken, shared or returned, pool of \(poolSize): \(tenths(seconds * 1e9)) ns\n")
        }
    }

    private func report(_ what: String, _ times: [Double]) {
        let sorted = times.sorted()
        let median = sorted[sorted.count / 2], late = sorted[sorted.count * 99 / 100]
        Console.write("\(what): median \(tenths(median * 1e6)) µs, P99 \(tenths(late * 1e6)) µs\n")
    }

    private func tenths(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
}
