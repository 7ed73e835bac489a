// The command: its subcommands, and what every spelling of an option comes down to.

public import ArgumentParser
internal import CPlatform

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// `pagoda`, the root command.
public struct Pagoda: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "pagoda",
        abstract: "Serves open language models on ordinary machines, with vLLM's command line, API and metrics.",
        version: PagodaVersion.current,
        subcommands: [
            ServeCommand.self, PullCommand.self, CompleteCommand.self, ChatCommand.self, BenchCommand.self,
            EvalCommand.self, VerifyDeterminismCommand.self, QuantizeCommand.self, DoctorCommand.self,
            HealthCommand.self, HashKeyCommand.self, HashPasswordCommand.self,
        ])

    public init() {}

    /// Runs the command line of this process; the program's only entry.
    public static func run() async {
        pg_configure_allocator()
        endOnSignals()
        await main(normalized(Array(CommandLine.arguments.dropFirst())))
    }

    /// In a container this is process 1, which the kernel spares every signal that has no handler. Until a command
    /// handles them itself, SIGTERM and SIGINT end it as they end any other process.
    private static func endOnSignals() {
        guard getpid() == 1 else { return }
        for number in [SIGTERM, SIGINT] {
            signal(number) { _exit(128 + $0) }
        }
    }

    /// Options may be written with underscores, as vLLM allows: `--max_num_seqs` is `--max-num-seqs`.
    /// Values, and everything after `--`, stay as they are.
    public static func normalized(_ arguments: [String]) -> [String] {
        var isOptions = true
        return arguments.map { argument in
            if argument == "--" { isOptions = false }
            guard isOptions, argument.hasPrefix("--") else { return argument }
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0].map { $0 == "_" ? "-" : $0 })
            return parts.count == 2 ? "\(name)=\(parts[1])" : name
        }
    }
}

/// The program's version, said once.
public enum PagodaVersion {
    public static let current = "0.1.0"
}
