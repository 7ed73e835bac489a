// `pagoda chat`: a conversation in the terminal.

internal import ArgumentParser
internal import JSON

struct ChatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat", abstract: "Talk to a model, by a running server or a model file.")

    @OptionGroup var client: ClientOptions

    @Option(help: "The system message.")
    var systemPrompt: String?

    @Option(
        name: [.long, .customLong("quick"), .customShort("q")],
        help: "A single message; without it, a conversation.")
    var prompt: String?

    func run() async throws {
        let source = try await client.source()
        var messages: [JSONValue] = []
        if let systemPrompt { messages.append(Self.message("system", systemPrompt)) }
        func answer(_ text: String) async throws {
            messages.append(Self.message("user", text))
            let reply = try await source.chat(messages, onText: Console.write)
            Console.write("\n")
            messages.append(Self.message("assistant", reply))
        }
        if let prompt {
            try await answer(prompt)
            return
        }
        while let line = Console.ask("> ") { try await answer(line) }
    }

    private static func message(_ role: String, _ content: String) -> JSONValue {
        ["role": .string(role), "content": .string(content)]
    }
}
