// `pagoda pull`: a model of the Hub into the cache, ahead of the time when it is served.

internal import ArgumentParser
internal import Hub
internal import ModelFiles

struct PullCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pull", abstract: "Download a model from the Hugging Face Hub into the Hub cache.",
        discussion: """
            Fetches what the model is loaded from: configuration, tokenizer and safetensors, or one GGUF file. What is \
            there is not fetched again; an interrupted download goes on where it ended. Each file is checked against \
            its hash. Prints where the model is. Environment: HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN, \
            HF_HUB_OFFLINE.
            """)

    @Argument(help: "The model: ORG/NAME, or ORG/NAME:Q4_K_M or ORG/NAME:FILE.gguf for one of its GGUF files.")
    var model: String

    @Option(help: "A branch, a tag or a commit.")
    var revision = "main"

    @Option(help: "The GGUF file to take: by its form, such as Q4_K_M, or by its name.")
    var gguf: String?

    @Option(
        parsing: .upToNextOption,
        help: "Fetch the data files that match these patterns instead of those that a model needs.")
    var include: [String] = []

    @Option(parsing: .upToNextOption, help: "Fetch all data files but those that match these patterns.")
    var exclude: [String] = []

    @Option(help: "The Hub cache, instead of the environment's.")
    var downloadDir: String?

    func run() async throws {
        let reference = try reference()
        let settings = try HubConfiguration(cacheFolder: downloadDir, environment: environmentVariable)
        let usesPatterns = !include.isEmpty || !exclude.isEmpty
        let meter = DownloadMeter.console(model)
        let snapshot = try await HubDownloader(settings).snapshot(
            of: reference, revision: revision,
            selection: usesPatterns ? .patterns(include: include, exclude: exclude) : .model
        ) { meter.report($0) }
        Console.write(snapshot.modelPath + "\n")
    }

    private func reference() throws -> HubReference {
        guard let reference = HubReference(model) else {
            throw CommandError.invalidModel(
                model, allowed: "a model of the Hub, ORG/NAME; what is on this machine needs no download")
        }
        guard let gguf else { return reference }
        guard reference.gguf == nil, include.isEmpty, exclude.isEmpty, let choice = GGUFChoice(gguf) else {
            throw CommandError.invalidOption(
                name: "gguf", value: gguf,
                allowed: "one form or file, without another in MODEL, and without --include and --exclude")
        }
        return HubReference(repository: reference.repository, gguf: choice)
    }
}
