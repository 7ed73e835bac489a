// The options of `pagoda bench serve`, with vLLM's names and defaults.

internal import ArgumentParser
internal import JSON
internal import LoadTesting

struct LoadTargetOptions: ParsableArguments {
    @Option(help: "Kind of endpoint: \(LoadBackend.allCases.map(\.rawValue).joined(separator: ", ")).")
    var backend = LoadBackend.openai.rawValue

    @Option(help: "Scheme, host and port of the server, instead of --host and --port.")
    var baseUrl: String?

    @Option(help: "The server's host.")
    var host = "127.0.0.1"

    @Option(help: "The server's port.")
    var port = 8000

    @Option(help: "Path of the endpoint; by default the backend's usual one.")
    var endpoint: String?

    @Option(parsing: .upToNextOption, help: "Headers of each request: NAME=VALUE.")
    var header: [String] = []

    @Option(help: "The model; by default the first that the server lists.")
    var model: String?

    @Option(help: "The model's name in the API, if it is not that of --model.")
    var servedModelName: String?

    @Option(help: "Seconds to try until the server answers; 0: don't try.")
    var readyCheckTimeoutSec = 0

    func serverEndpoint() throws -> ServerEndpoint {
        let headers = try keysAndValues(header, option: "header")
        return try ServerEndpoint(
            backend: try LoadBackend(option: backend), baseURL: baseUrl, host: host, port: port, path: endpoint,
            headers: headers.map { .init(name: $0.key, value: $0.value) })
    }
}

struct LoadDatasetOptions: ParsableArguments {
    @Option(help: "Where prompts come from: \(DatasetName.list).")
    var datasetName = DatasetName.random.rawValue

    @Option(help: "File of the dataset 'custom': lines of JSON with \"prompt\".")
    var datasetPath: String?

    @Option(help: "Requests to send.")
    var numPrompts = 1000

    @Option(help: "The model's tokenizer, from a file, a folder or ORG/NAME: prompts are then text of exact length.")
    var tokenizer: String?

    @Option(help: "Tokens of a random prompt.")
    var randomInputLen = 1024

    @Option(help: "Tokens to generate for a random prompt.")
    var randomOutputLen = 128

    @Option(help: "How far random lengths may lie from these: a share, or {\"input\": 0.1, \"output\": 0}.")
    var randomRangeRatio = "0"

    @Option(help: "Tokens that all random prompts share, in front of their own.")
    var randomPrefixLen = 0

    @Option(help: "Without --tokenizer, token ids of random prompts: FIRST-END, END excluded. (chat: words instead)")
    var randomTokenRange = "1000-30000"

    @Option(
        parsing: .unconditional, help: "Tokens to generate for a custom prompt; -1: as each line's output_tokens says.")
    var customOutputLen = 256

    @Flag(help: "Keep the order of custom prompts.")
    var disableShuffle = false

    @Flag(help: "Don't repeat custom prompts when there are fewer than --num-prompts.")
    var noOversample = false

    @Option(help: "Tokens of a prompt, whichever dataset.")
    var inputLen: Int?

    @Option(help: "Tokens to generate, whichever dataset.")
    var outputLen: Int?

    @Option(help: "What the ids of requests begin with.")
    var requestIdPrefix: String?

    @Option(help: "Seed of prompts and arrivals.")
    var seed: UInt64 = 0

    enum DatasetName: String, CaseIterable {
        case random, custom

        static var list: String { allCases.map(\.rawValue).joined(separator: ", ") }
    }

    func name() throws -> DatasetName {
        guard let name = DatasetName(rawValue: datasetName) else {
            throw LoadTestError.unsupported(
                option: "dataset-name", value: datasetName, supported: DatasetName.allCases.map(\.rawValue))
        }
        guard name == .custom || datasetPath == nil else {
            throw CommandError.invalidOption(
                name: "dataset-path", value: datasetPath ?? "", allowed: "only with --dataset-name custom")
        }
        return name
    }

    func requests(for backend: LoadBackend, tokenizer: (any PromptTokenizer)?) throws -> [LoadRequest] {
        // A bound on what is made before the first request is sent.
        guard (1...10_000_000).contains(numPrompts) else {
            throw CommandError.invalidOption(name: "num-prompts", value: "\(numPrompts)", allowed: "1 to 10000000")
        }
        let prefix = requestIdPrefix ?? "bench-\(String(UInt32.random(in: 0...UInt32.max), radix: 16))-"
        switch try name() {
        case .random:
            let material: RandomDataset.Material =
                if let tokenizer { .text(tokenizer) } else { backend.isChat ? .words : .tokenIDs }
            return try randomDataset().requests(count: numPrompts, material: material, idPrefix: prefix, seed: seed)
        case .custom:
            guard let datasetPath else {
                throw CommandError.invalidOption(
                    name: "dataset-name", value: "custom", allowed: "with --dataset-path FILE")
            }
            let text = try LocalFile.text(atPath: datasetPath, option: "dataset-path")
            return try CustomDataset(jsonLines: text).requests(
                count: numPrompts, outputLength: outputLen ?? customOutputLen, shuffles: !disableShuffle,
                repeats: !noOversample, tokenizer: tokenizer, idPrefix: prefix, seed: seed)
        }
    }

    private func randomDataset() throws -> RandomDataset {
        var dataset = RandomDataset()
        dataset.inputLength = inputLen ?? randomInputLen
        dataset.outputLength = outputLen ?? randomOutputLen
        dataset.prefixLength = randomPrefixLen
        (dataset.inputRangeRatio, dataset.outputRangeRatio) = try rangeRatios()
        let bounds = randomTokenRange.split(separator: "-").map { Int($0) }
        guard bounds.count == 2, let first = bounds[0], let end = bounds[1], first < end else {
            throw CommandError.invalidOption(
                name: "random-token-range", value: randomTokenRange, allowed: "FIRST-END, such as 1000-30000")
        }
        dataset.tokenRange = first..<end
        return dataset
    }

    private func rangeRatios() throws(CommandError) -> (input: Double, output: Double) {
        if let ratio = Double(randomRangeRatio) { return (ratio, ratio) }
        guard let object = try? JSONParser.parse(randomRangeRatio), object.objectValue != nil else {
            throw .invalidOption(
                name: "random-range-ratio", value: randomRangeRatio,
                allowed: "a number, or {\"input\": 0.1, \"output\": 0}")
        }
        return (object["input"]?.doubleValue ?? 0, object["output"]?.doubleValue ?? 0)
    }
}

struct LoadTrafficOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: "Requests per second; inf: all at once.")
    var requestRate = Double.infinity

    @Option(help: "Shape of the gamma distribution of gaps: 1 is a Poisson process, less is burstier.")
    var burstiness = 1.0

    @Option(help: "Requests under way at once, at most.")
    var maxConcurrency: Int?

    @Option(help: "Let the rate grow over the run: linear or exponential.")
    var rampUpStrategy: String?

    @Option(help: "Requests per second at the ramp's start.")
    var rampUpStartRps: Int?

    @Option(help: "Requests per second at the ramp's end.")
    var rampUpEndRps: Int?

    @Option(help: "Requests sent before the run, which don't count.")
    var numWarmups = 0

    func arrivals() throws -> ArrivalProcess {
        let rampUp = try rampUpStrategy.map {
            try ArrivalProcess.RampUp(strategy: $0, startRate: rampUpStartRps, endRate: rampUpEndRps)
        }
        return try ArrivalProcess(requestRate: requestRate, burstiness: burstiness, rampUp: rampUp)
    }
}

struct LoadSamplingOptions: ParsableArguments {
    @Flag(
        inversion: .prefixedNo,
        help: "Generate to the full length whatever the model says; by default with random prompts alone.")
    var ignoreEos: Bool?

    @Option(help: "Sampling temperature; by default the server's.")
    var temperature: Double?

    @Option(help: "Likeliest tokens that make up this probability.")
    var topP: Double?

    @Option(help: "Likeliest tokens to choose from.")
    var topK: Int?

    @Option(help: "Least probability, as a share of the likeliest token's.")
    var minP: Double?

    @Option(parsing: .unconditional, help: "Penalty of tokens by their count in the output.")
    var frequencyPenalty: Double?

    @Option(parsing: .unconditional, help: "Penalty of tokens that are in the output.")
    var presencePenalty: Double?

    @Option(help: "Factor against tokens that were there before.")
    var repetitionPenalty: Double?

    @Option(help: "Log probabilities to ask for with each token.")
    var logprobs: Int?

    @Option(help: "Members added to each request's body: a JSON object.")
    var extraBody: String?

    /// What is added to each request; `--extra-body` has the last word.
    func members() throws(CommandError) -> JSONObject {
        var object = JSONObject()
        let numbers = [
            ("top_p", topP), ("min_p", minP), ("temperature", temperature), ("frequency_penalty", frequencyPenalty),
            ("presence_penalty", presencePenalty), ("repetition_penalty", repetitionPenalty),
        ]
        for case (let name, let value?) in numbers { object[name] = .number(value) }
        if let topK { object["top_k"] = .integer(Int64(topK)) }
        guard let extraBody else { return object }
        guard let extra = (try? JSONParser.parse(extraBody))?.objectValue else {
            throw .invalidOption(name: "extra-body", value: extraBody, allowed: "a JSON object")
        }
        for member in extra.members { object[member.key] = member.value }
        return object
    }
}

struct LoadReportOptions: ParsableArguments {
    @Option(parsing: .upToNextOption, help: "Objectives in milliseconds: ttft:200 tpot:50 e2el:5000.")
    var goodput: [String] = []

    @Option(help: "Latencies to report: \(LatencyMetric.allCases.map(\.rawValue).joined(separator: ",")).")
    var percentileMetrics = "ttft,tpot,itl"

    @Option(help: "Percentiles to report, with commas.")
    var metricPercentiles = "99"

    @Flag(help: "Show no progress.")
    var disableTqdm = false

    @Flag(help: "Write the result to a JSON file.")
    var saveResult = false

    @Flag(help: "List every request in the file.")
    var saveDetailed = false

    @Flag(help: "Append the result to the file, on a line of its own.")
    var appendResult = false

    @Option(help: "Folder of the file.")
    var resultDir: String?

    @Option(help: "Name of the file; by default {label}-{rate}qps[-concurrencyN]-{model}-{date}.json.")
    var resultFilename: String?

    @Option(parsing: .upToNextOption, help: "Members of the file: KEY=VALUE.")
    var metadata: [String] = []

    @Option(help: "What the file's name begins with; by default the backend.")
    var label: String?

    var savesResult: Bool { saveResult || appendResult }
}

/// Splits `KEY=VALUE` at the first equals sign.
func keysAndValues(_ texts: [String], option: String) throws(CommandError) -> [(key: String, value: String)] {
    var pairs: [(key: String, value: String)] = []
    for text in texts {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty else {
            throw .invalidOption(name: option, value: text, allowed: "KEY=VALUE")
        }
        pairs.append((String(parts[0]), String(parts[1])))
    }
    return pairs
}
