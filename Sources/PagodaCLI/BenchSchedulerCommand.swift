// `pagoda bench scheduler`: what planning costs, and what it gains.

internal import ArgumentParser

struct BenchSchedulerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scheduler",
        abstract: "Measure the scheduler, without a model or beside one: what planning costs, and what it gains.",
        subcommands: [BenchPlanningCommand.self, BenchReplayCommand.self], defaultSubcommand: BenchPlanningCommand.self)
}
