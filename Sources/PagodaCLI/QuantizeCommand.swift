// `pagoda quantize`: a folder in 16 or 32 bits → one in the GPTQ format.

public import ArgumentParser
internal import Evaluation
internal import Generation
internal import JSON
internal import LoadTesting
internal import ModelFiles
internal import Models
internal import Primitives
public import Quantization

struct QuantizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quantize", abstract: "Quantise a Hugging Face folder into the GPTQ format.",
        discussion: """
            Linear layers are quantised; embedding, norms, biases and output head stay as they are. What it costs, \
            pagoda eval OUTPUT --reference-model MODEL --text FILE says, with a text that was not calibrated with.
            """)

    @Argument(help: "A Hugging Face folder with weights in bf16, fp16 or fp32.")
    var model: String

    @Argument(help: "The folder to write; it must not be there yet.")
    var output: String

    @Option(help: "gptq, which needs a text to calibrate with, or rtn: every weight to nearest.")
    var method = QuantizationRecipe.Method.gptq

    @Option(help: "Bits of a weight: 2, 3, 4 or 8.")
    var bits = 4

    @Option(
        help: "Inputs that share a scale; -1 for all. By default the largest of 128, 64 and 32 that divides them all.")
    var groupSize: Int?

    @Flag(
        name: .customLong("sym"), inversion: .prefixedNo, help: "Zero points in the middle; else of each group its own."
    )
    var isSymmetric = true

    @Flag(help: "Take the inputs with the largest activations first (act-order).")
    var descAct = false

    @Option(help: "How scales are found: mse (least squared error) or minmax.")
    var scales = QuantizationRecipe.ScaleSearch.mse

    @Option(help: "Share of the mean of the Hessian's diagonal that is added to it.")
    var dampPercent = 0.01

    @Option(help: "The text to calibrate with: a file in UTF-8, like what the model will read and write.")
    var calibrationText: String?

    @Option(help: "Stretches of the text to take, evenly from all of it.")
    var numSamples = 64

    @Option(help: "Tokens of each.")
    var seqLen = 512

    @Option(help: "The largest file of weights.")
    var maxShardBytes: HumanCount = HumanCount(4 << 30)

    @Option(help: "Write the error of each module as JSON to this file; - is standard output.")
    var json: String?

    @OptionGroup(title: "Parallelism") var parallel: ParallelOptions

    func run() throws {
        let report = JSONOutput(path: json)
        try report.check()
        let checkpoint = try ModelCheckpoint.open(path: model)
        let recipe = try recipe(for: checkpoint)
        let quantizer = try CheckpointQuantizer(
            checkpoint, source: model, recipe: recipe,
            sequences: recipe.method == .gptq ? try sequences(of: checkpoint) : [],
            threadCount: try parallel.checkedThreads() ?? Machine.coreCount,
            instructionSet: try parallel.instructionSet())
        let start = Instant.now()
        var modules: [ModuleReport] = [], line = ProgressLine()
        try quantizer.run(
            output: output, shardBytes: try positive(maxShardBytes.value >> 20, option: "max-shard-bytes") << 20
        ) { module in
            modules.append(module)
            line.show(Self.bar(module, of: quantizer.layerCount))
            let ofLayer = modules.filter { $0.layer == module.layer }
            if ofLayer.count == Self.modulesOfLayer {
                line.show(Self.line(ofLayer, quantizer.layerCount), isLast: true)
            }
        }
        let seconds = Instant.now().seconds(since: start)
        Console.report("\(output) written in \(decimal(seconds, places: 1)) s")
        try report.write(Self.json(modules, recipe, seconds: seconds))
    }

    // MARK: - Preparation

    private func recipe(for checkpoint: ModelCheckpoint) throws -> QuantizationRecipe {
        var recipe = QuantizationRecipe()
        recipe.method = method
        recipe.bits = bits
        recipe.isSymmetric = isSymmetric
        recipe.ordersByActivation = descAct
        recipe.scaleSearch = scales
        recipe.damping = dampPercent
        let configuration = checkpoint.configuration
        let columns = LayerSite.allCases.flatMap { site in
            LayerwiseDecoder.modules(at: site, ofLayer: 0, configuration).map(\.columnCount)
        }
        switch groupSize {
        case nil: recipe.groupSize = QuantizationRecipe.usualGroupSize(dividing: columns)
        case -1: recipe.groupSize = nil
        case let size?: recipe.groupSize = try positive(size, option: "group-size")
        }
        return recipe
    }

    /// Stretches of the calibration text, each with a beginning-of-sequence token where the model adds one.
    private func sequences(of checkpoint: ModelCheckpoint) throws -> [[TokenID]] {
        guard let calibrationText else { return [] }
        let length = try positive(seqLen, option: "seq-len"), count = try positive(numSamples, option: "num-samples")
        guard length <= checkpoint.configuration.contextLength else {
            throw CommandError.invalidOption(
                name: "seq-len", value: "\(length)",
                allowed: "at most the model's \(checkpoint.configuration.contextLength)")
        }
        let encoder = try EvalEncoder(checkpoint, root: model)
        let tokens = encoder.tokens(of: try LocalFile.text(atPath: calibrationText, option: "calibration-text"))
        guard tokens.count >= length else {
            throw CommandError.invalidOption(
                name: "calibration-text", value: calibrationText,
                allowed: "a text of at least --seq-len \(length) tokens; it has \(tokens.count)")
        }
        let windows = try TextWindows(tokens, contextLength: length, bosID: encoder.bosID)
        if windows.count < count {
            Console.report(
                "the text has \(windows.count) stretches of \(length) tokens; all are taken, not \(count)"
            )
        }
        let taken = min(count, windows.count)
        return (0..<taken).map { windows[$0 * windows.count / taken] }
    }

    // MARK: - Result

    private static let modulesOfLayer = 7

    private static func bar(_ module: ModuleReport, of layerCount: Int) -> String {
        let width = 24, filled = width * (module.layer + 1) / layerCount
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
        return "[\(bar)] layer \(module.layer + 1) of \(layerCount): \(shortName(module)) \(percent(module))"
    }

    /// The errors of a layer.
    private static func line(_ modules: [ModuleReport], _ layerCount: Int) -> String {
        let errors = modules.map { "\(shortName($0)) \(percent($0))" }.joined(separator: ", ")
        return "layer \((modules.first?.layer ?? 0) + 1) of \(layerCount), error: \(errors)"
    }

    private static func shortName(_ module: ModuleReport) -> String {
        module.name.split(separator: ".").last.map { String($0) } ?? module.name
    }

    private static func percent(_ module: ModuleReport) -> String { "\(decimal(module.error * 100, places: 3)) %" }

    private static func json(
        _ modules: [ModuleReport], _ recipe: QuantizationRecipe, seconds: Double
    ) -> JSONValue {
        [
            "method": .string(recipe.method.rawValue), "bits": .integer(Int64(recipe.bits)),
            "group_size": .integer(Int64(recipe.groupSize ?? -1)), "seconds": .number(seconds),
            "modules": .array(
                modules.map { module in
                    [
                        "name": .string(module.name), "error": .number(module.error),
                        "damping": module.damping.map { .number($0) } ?? .null,
                    ]
                }),
        ]
    }
}

extension QuantizationRecipe.Method: ExpressibleByArgument {}
extension QuantizationRecipe.ScaleSearch: ExpressibleByArgument {}
