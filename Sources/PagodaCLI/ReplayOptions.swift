// The options of `pagoda bench scheduler replay` about what is replayed, and what steps are to cost.

internal import ArgumentParser
internal import Simulation

/// A trace of mixed lengths.
struct MixedTraceOptions: ParsableArguments {
    @Option(help: "Requests; by default 1000, or 32 with a model.")
    var numPrompts: Int?

    @Option(help: "Requests a second, at random intervals; inf: all at once.")
    var requestRate = Double.infinity

    @Option(help: "Tokens of the shortest prompt.")
    var minInputLen = 64

    @Option(help: "Tokens of the longest prompt; lengths in between are log-uniform.")
    var maxInputLen = 4000

    @Option(help: "Tokens of the shortest output.")
    var minOutputLen = 16

    @Option(help: "Tokens of the longest output; lengths in between are log-uniform.")
    var maxOutputLen = 512

    @Option(help: "Tokens that the KV cache holds under each arrangement; by default 16 of the longest sequences.")
    var kvTokens: HumanCount?

    func validate() throws {
        if let numPrompts { _ = try positive(numPrompts, option: "num-prompts") }
        guard requestRate > 0 else {
            throw CommandError.invalidOption(
                name: "request-rate", value: "\(requestRate)", allowed: "a number over 0, or inf")
        }
        for (least, most, what) in [(minInputLen, maxInputLen, "input"), (minOutputLen, maxOutputLen, "output")] {
            _ = try positive(least, option: "min-\(what)-len")
            guard (least...Int(Int32.max)).contains(most) else {
                throw CommandError.invalidOption(
                    name: "max-\(what)-len", value: "\(most)", allowed: "\(least) (--min-\(what)-len) or more")
            }
        }
        if let kvTokens { _ = try positive(kvTokens.value, option: "kv-tokens") }
    }

    /// Tokens of the longest sequence that may come.
    var longestSequence: Int { maxInputLen + maxOutputLen }

    func trace(seed: UInt64, defaultCount: Int) -> MixedTrace {
        var trace = MixedTrace()
        trace.requestCount = numPrompts ?? defaultCount
        trace.promptTokens = minInputLen...maxInputLen
        trace.outputTokens = minOutputLen...maxOutputLen
        trace.requestRate = requestRate.isFinite ? requestRate : nil
        trace.seed = seed
        return trace
    }
}

/// What a step takes, where no model says so.
struct CostOptions: ParsableArguments {
    @Option(
        help: """
            Milliseconds of a step, whatever is in it; 20. The defaults of these three are an example, computed rather \
            than measured: 7 billion weights in 16 bits on a device that reads 700 GB/s and computes 280 TFLOP/s.
            """)
    var stepMs: Double?

    @Option(help: "Milliseconds for each row of a step, of a prompt or an output; 0.05.")
    var rowMs: Double?

    @Option(help: "Microseconds for each token of context that a step reads; 0.75.")
    var contextUs: Double?

    var areGiven: Bool { stepMs != nil || rowMs != nil || contextUs != nil }

    func model() throws -> (costs: StepCostModel, text: String) {
        let step = stepMs ?? 20, row = rowMs ?? 0.05, context = contextUs ?? 0.75
        let costs = try StepCostModel(perStep: step / 1e3, perRow: row / 1e3, perContextToken: context / 1e6)
        let origin = areGiven ? "as given" : "an example, see --help"
        return (costs, "a step takes \(step) ms, \(row) ms a row and \(context) µs a token of context (\(origin))")
    }
}
