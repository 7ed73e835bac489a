// `pagoda complete`: one prompt, or a line of input at a time.

internal import ArgumentParser

struct CompleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "complete", abstract: "Continue a text, by a running server or a model file.")

    @OptionGroup var client: ClientOptions

    @Option(
        name: [.long, .customLong("quick"), .customShort("q")],
        help: "The text; without it, lines of input are read.")
    var prompt: String?

    func run() async throws {
        let source = try await client.source()
        if let prompt {
            _ = try await source.complete(prompt, onText: Console.write)
            Console.write("\n")
            return
        }
        while let line = Console.ask("> ") {
            _ = try await source.complete(line, onText: Console.write)
            Console.write("\n")
        }
    }
}
