// `pagoda bench`: how fast a model runs here, and how fast a server answers.

internal import ArgumentParser

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure a model in this process, or a server.",
        subcommands: [
            BenchServeCommand.self, BenchLatencyCommand.self, BenchThroughputCommand.self, BenchSchedulerCommand.self,
            BenchKernelsCommand.self,
        ])
}
