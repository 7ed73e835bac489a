// The options of `pagoda serve`, grouped as vLLM groups them, with vLLM's names. What runs a model without serving it
// takes the groups that its engine needs.

internal import Access
internal import ArgumentParser
internal import Engine
internal import Kernels
internal import Observability
internal import Server

struct ModelOptions: ParsableArguments {
    @Argument(help: "The model: a GGUF file, a Hugging Face folder, or ORG/NAME[:GGUF] of the Hugging Face Hub.")
    var modelArgument: String?

    @Option(name: .customLong("model"), help: "The model, as vLLM's older command line names it.")
    var modelOption: String?

    @Option(help: "A branch, a tag or a commit of a model of the Hub; by default main.")
    var revision: String?

    @Option(help: "The Hub cache, instead of what HF_HUB_CACHE or HF_HOME says.")
    var downloadDir: String?

    @Option(help: "Arithmetic: auto (as the checkpoint is stored) or float32 (reference mode: exact, slower).")
    var dtype = "auto"

    @Option(help: "Longest sequence, prompt and output together; 'auto' is what the model supports.")
    var maxModelLen: String?

    @Option(
        name: [.long, .customShort("q")],
        help: """
            The checkpoint's quantisation (gguf, gptq, awq, compressed-tensors), detected when left out; int4 or int8 \
            rounds a 16- or 32-bit checkpoint as it is loaded.
            """)
    var quantization: String?

    @Option(help: "Output head in 8 bits: int8, none, or auto (int8 beside 4-bit weights, but not in float32).")
    var quantizeHead = "auto"

    @Option(help: "Seed of requests that bring none.")
    var seed: UInt64 = 0
}

struct ServedModelOptions: ParsableArguments {
    @Option(
        parsing: .upToNextOption,
        help: "Names under which the API serves the model; the first is the one in answers and metrics.")
    var servedModelName: [String] = []

    @Option(help: "A file with the chat template to use instead of the checkpoint's.")
    var chatTemplate: String?

    @Flag(inversion: .prefixedNo, help: "Tell in usage how many tokens of the prompt were found in the prefix cache.")
    var enablePromptTokensDetails = false

    @Flag(help: "Let special tokens in users' text act as such, as vLLM does.")
    var allowSpecialInContent = false
}

struct CacheOptions: ParsableArguments {
    @Option(name: [.long, .customLong("page-size")], help: "Tokens a block of the KV cache holds: a multiple of 8.")
    var blockSize = 16

    @Option(help: "Memory of the KV cache, such as 4G; by default from the machine's or the container's memory.")
    var kvCacheMemoryBytes: HumanCount?

    @Option(help: "Element type of the KV cache: auto (int16), int16, float16, bfloat16, float32 or int8.")
    var kvCacheDtype = "auto"

    @Flag(inversion: .prefixedNo, help: "Share the KV blocks of common prefixes between requests.")
    var enablePrefixCaching: Bool?
}

struct ParallelOptions: ParsableArguments {
    @Option(
        name: [.long, .customLong("tp"), .customLong("tp", withSingleDash: true)],
        help: "Ranks among which the model is split, each with threads and memory of its own.")
    var tensorParallelSize = 1

    @Option(help: "Compute threads of all ranks together; by default the cores that this process may use.")
    var threads: Int?

    @Option(help: "Instruction set of the kernels: \(InstructionSet.allCases.map(\.rawValue).joined(separator: ", ")).")
    var cpuFeatures: String?
}

struct ServerOptions: ParsableArguments {
    @Option(help: "Address to listen on.")
    var host = "0.0.0.0"

    @Option(help: "Port to listen on; 0 takes a free one.")
    var port = 8000

    @Option(help: "Requests in the server at once; over it they are answered 503.")
    var maxNumQueuedReqs = 1024

    @Option(
        help: """
            Prompt tokens that may wait for their first token; over it requests are answered 503. By default 64 times \
            the longest sequence.
            """)
    var maxNumQueuedTokens: HumanCount?

    @Option(help: "Seconds that a request may wait to begin; then it is answered 503. 0: any time.")
    var maxQueueTime = 0.0

    @Option(help: "Milliseconds to the first token; requests that are predicted to miss it are answered 503. 0: none.")
    var ttftSloMs = 0.0

    @Option(help: "YAML file of tenants: their weights, priorities, ceilings and quotas.")
    var tenantFile: String?

    @Option(help: "Seconds that running requests get to finish after SIGTERM.")
    var shutdownTimeout = 0.0

    @Option(help: "Largest request body.")
    var maxRequestBytes: HumanCount = HumanCount(32 << 20)

    /// The tenants of the file.
    func tenants(_ scheduler: SchedulerOptions) throws -> [TenantSettings] {
        guard let tenantFile else { return [] }
        let tenants = try TenantFile.read(tenantFile)
        var engine = EngineConfiguration(maxModelLength: 1)
        try scheduler.apply(to: &engine)
        guard engine.heedsPriorities || tenants.allSatisfy({ $0.priority == 0 }) else {
            throw CommandError.server("--tenant-file: priorities need --scheduling-policy priority.")
        }
        return tenants
    }

    func validate() throws {
        var configuration = ServerConfiguration()
        try applyLimits(to: &configuration, maxModelLength: 1)
    }

    /// Sets whom the server lets in, and for how long they may wait.
    func applyLimits(to configuration: inout ServerConfiguration, maxModelLength: Int) throws(CommandError) {
        configuration.maxQueuedRequests = try positive(maxNumQueuedReqs, option: "max-num-queued-reqs")
        let tokens = maxNumQueuedTokens?.value ?? min(64 * maxModelLength, Int(Int32.max))
        configuration.maxQueuedTokens = try positive(tokens, option: "max-num-queued-tokens")
        let queueTime = try checked(maxQueueTime, in: 0...86_400, option: "max-queue-time", unit: " seconds")
        configuration.maxQueueTime = queueTime > 0 ? .milliseconds(Int64(queueTime * 1000)) : nil
        let objective = try checked(ttftSloMs, in: 0...86_400_000, option: "ttft-slo-ms", unit: " milliseconds")
        configuration.firstTokenObjective = objective > 0 ? .microseconds(Int64(objective * 1000)) : nil
    }
}

extension TenantGrant {
    init(_ settings: TenantSettings) {
        self.init(settings.name)
        weight = settings.weight
        priority = settings.priority
        maxSequences = settings.maxSequences
        cacheShare = settings.kvShare
    }
}

extension EngineTenant {
    init(_ settings: TenantSettings) {
        self.init(name: settings.name)
        weight = settings.weight
        priority = settings.priority
        maxRunningSequences = settings.maxSequences
        cacheShare = settings.kvShare
    }
}
