// What `pagoda complete` and `pagoda chat` share: where the text comes from, and how it is asked for.

internal import ArgumentParser
internal import Generation
internal import JSON
internal import Primitives

struct ClientOptions: ParsableArguments {
    @Argument(help: "A model to run here: a file, a folder or ORG/NAME; without one, a running server is asked.")
    var model: String?

    @Option(help: "The server to ask.")
    var url = "http://127.0.0.1:8000"

    @Option(help: "The model to ask the server for; by default the one it serves.")
    var modelName: String?

    @Option(help: "API key of the server.")
    var apiKey: String?

    @Option(help: "Tokens to generate at most.")
    var maxTokens = 256

    @Option(help: "Sampling temperature; 0 always takes the likeliest token.")
    var temperature: Double?

    @Option(help: "Arithmetic of a model run here: auto or float32.")
    var dtype = "auto"

    /// Opens what will answer.
    func source() async throws -> any TextSource {
        guard let model else { return ServerTextSource(options: self) }
        var modelOptions = ModelOptions.parseOrExit(["--model", model, "--dtype", dtype])
        modelOptions.seed = 0
        let plan = try LoadPlan(
            try await modelOptions.locate(), model: modelOptions,
            cache: .parseOrExit(["--kv-cache-dtype", dtype == "auto" ? "auto" : "float32"]),
            scheduler: .parseOrExit(["--max-num-seqs", "1"]), parallel: .parseOrExit([]))
        return OfflineTextSource(
            generator: try await plan.load(
                names: [model], chatTemplate: nil, allowsSpecialInContent: false, observer: nil, progress: { _ in }),
            options: self)
    }
}

/// Answers prompts piece by piece.
protocol TextSource: Sendable {
    /// Gives each piece of the answer to `onText` as it comes; returns the whole.
    func complete(_ prompt: String, onText: (String) -> Void) async throws -> String
    func chat(_ messages: [JSONValue], onText: (String) -> Void) async throws -> String
}

/// A model in this process.
struct OfflineTextSource: TextSource {
    let generator: TextGenerator
    let options: ClientOptions

    func complete(_ prompt: String, onText: (String) -> Void) async throws -> String {
        try await run(GenerationRequest(prompt: .text(prompt)), onText)
    }

    func chat(_ messages: [JSONValue], onText: (String) -> Void) async throws -> String {
        try await run(GenerationRequest(prompt: .chat(ChatPrompt(messages: messages))), onText)
    }

    private func run(_ request: GenerationRequest, _ onText: (String) -> Void) async throws -> String {
        var request = request
        request.maximumTokens = options.maxTokens
        request.temperature = options.temperature
        let generation = try generator.start(generator.prepare(request))
        var whole = ""
        for await batch in generation {
            for delta in batch.deltas where !delta.text.isEmpty {
                onText(delta.text)
                whole += delta.text
            }
        }
        return whole
    }
}
