// `pagoda verify-determinism`: the same prompts in every way they can be batched, and whether the bits are the same.

internal import ArgumentParser
internal import Evaluation
internal import Generation
internal import JSON
internal import Kernels
internal import LoadTesting
internal import ModelFiles
internal import Models
internal import Primitives
internal import Tokenization

struct VerifyDeterminismCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify-determinism",
        abstract: "Check that a model gives the same bits however its requests are batched.",
        discussion: """
            Decodes fixed prompts alone, together, in chunks, preempted, after cached prefixes and on scattered \
            blocks, each on one thread and on --threads (by default 2), and compares the hashes of all logits with \
            those of the first run. Ends with status 1 and names the first prompt and position that differ, if any do.
            """)

    @OptionGroup(title: "Model") var model: ModelOptions

    @Option(help: "Tokens decoded after each prompt.")
    var tokens = 32

    @Option(help: "A file with further prompts, one a line.")
    var prompts: String?

    @Option(help: "Write the result as JSON to this file; - is standard output.")
    var json: String?

    @OptionGroup(title: "Cache") var cache: CacheOptions
    @OptionGroup(title: "Parallelism") var parallel: ParallelOptions

    /// One line of the table.
    private struct Outcome {
        var name: String
        var threads: Int
        var hashes: [LogitsHash]
        var difference: TraceDifference?

        var hash: LogitsHash { hashes.reduce(into: LogitsHash()) { $0.combine($1) } }
    }

    func run() async throws {
        let output = JSONOutput(path: json)
        try output.check()
        let decoded = try positive(tokens, option: "tokens")
        let located = try await model.locate()
        let prompts = try loadPrompts(located, decoded: decoded)
        let plan = try plan(located, for: prompts, decoded: decoded)
        let print = { (line: String) in
            if output.replacesText { Console.report(line) } else { Console.write(line + "\n") }
        }
        print(Self.row("case", "threads", "hash of all logits", "bits"))
        var outcomes: [Outcome] = [], expected: [PromptTrace]?
        for threads in threadCounts {
            let run = DeterminismRun(try plan.makeExecutor(threadCount: threads), decodedCount: decoded)
            for arrangement in RunArrangement.all {
                let traces = try run.run(prompts.map(\.tokenIDs), arrangement)
                let outcome = Outcome(
                    name: arrangement.name, threads: threads, hashes: traces.map(\.hash),
                    difference: expected.flatMap { TraceDifference(traces, from: $0) })
                let verdict = expected == nil ? "the first" : outcome.difference == nil ? "equal" : "DIFFERENT"
                print(Self.row(arrangement.name, "\(threads)", outcome.hash.description, verdict))
                expected = expected ?? traces
                outcomes.append(outcome)
            }
        }
        try output.write(json(of: outcomes, prompts, plan))
        guard let first = outcomes.first(where: { $0.difference != nil }), let difference = first.difference else {
            return print("\(outcomes.count) runs of \(prompts.count) prompts, \(decoded) tokens each: the same bits.")
        }
        let name = prompts[difference.promptIndex].name
        let run = "\(first.name), threads \(first.threads)"
        print("First difference: \(run), prompt \(name), position \(difference.position).")
        throw ExitCode.failure
    }

    // MARK: - Preparation

    private var threadCounts: [Int] {
        let asked = parallel.threads ?? 2
        return asked == 1 ? [1] : [1, asked]
    }

    private func loadPrompts(_ located: LocatedModel, decoded: Int) throws -> [DeterminismPrompt] {
        let checkpoint = try located.checkpoint()
        let longest = try model.maximumLength(checkpoint.configuration)
        guard decoded < longest else {
            throw CommandError.invalidOption(
                name: "tokens", value: "\(decoded)", allowed: "less than the model's context of \(longest)")
        }
        let tokenizer = try LoadedModel(checkpoint: checkpoint, root: located.reference).tokenizer
        var all = DeterminismPrompt.builtIn(tokenizer, limit: longest - decoded)
        let further = try prompts.map { try LocalFile.text(atPath: $0, option: "prompts") } ?? ""
        let lines = further.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() where !line.isEmpty {
            let tokenIDs = tokenizer.encode(String(line), addSpecialTokens: true)
            guard tokenIDs.count <= longest - decoded else {
                let allowed = "at most \(longest - decoded) tokens a line"
                throw CommandError.invalidOption(name: "prompts", value: "(line \(index + 1))", allowed: allowed)
            }
            all.append(DeterminismPrompt(name: "line \(index + 1)", tokenIDs: tokenIDs))
        }
        return all
    }

    /// Room for all prompts at once, and for the longest in one batch.
    private func plan(_ located: LocatedModel, for prompts: [DeterminismPrompt], decoded: Int) throws -> LoadPlan {
        let counts = prompts.map(\.tokenIDs.count)
        let longest = counts.max() ?? 1, size = try cache.checkedBlockSize()
        let needed = DeterminismRun.blocksNeeded(promptCounts: counts, decodedCount: decoded, blockSize: size)
        let blocksPerPrompt = (longest + decoded + size - 1) / size
        var model = model, parallel = parallel
        model.maxModelLen = "\(longest + decoded)"
        parallel.threads = threadCounts.last
        let scheduler = try SchedulerOptions.parse([
            "--max-num-seqs", "\((needed + blocksPerPrompt - 1) / blocksPerPrompt)",
            "--max-num-batched-tokens", "\(max(longest, min(counts.reduce(0, +), 4096)))",
        ])
        let plan = try LoadPlan(
            located, model: model, cache: cache, scheduler: scheduler, parallel: parallel)
        guard plan.executor.blockCount >= needed else {
            throw EvaluationError.cacheTooSmall(blockCount: plan.executor.blockCount)
        }
        return plan
    }

    // MARK: - Result

    private static func row(_ name: String, _ threads: String, _ hash: String, _ verdict: String) -> String {
        func padded(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.count))
        }
        return padded(name, 21) + padded(threads, 9) + padded(hash, 34) + verdict
    }

    private func json(of outcomes: [Outcome], _ prompts: [DeterminismPrompt], _ plan: LoadPlan) -> JSONValue {
        [
            "model": .string(plan.checkpoint.name),
            "arithmetic": .string(plan.executor.computesInFloat32 ? "float32" : "auto"),
            "kv_cache_dtype": .string(plan.executor.cacheType.rawValue),
            "instruction_set": .string(KernelSet(plan.executor.instructionSet).instructionSet.rawValue),
            "block_size": .integer(Int64(plan.executor.blockSize)),
            "tokens": .integer(Int64(tokens)),
            "prompts": .array(
                prompts.map { ["name": .string($0.name), "tokens": .integer(Int64($0.tokenIDs.count))] }),
            "runs": .array(outcomes.map { Self.json(of: $0, prompts) }),
            "equal": .bool(outcomes.allSatisfy { $0.difference == nil }),
        ]
    }

    private static func json(of outcome: Outcome, _ prompts: [DeterminismPrompt]) -> JSONValue {
        [
            "case": .string(outcome.name),
            "threads": .integer(Int64(outcome.threads)),
            "hash": .string(outcome.hash.description),
            "prompt_hashes": .array(outcome.hashes.map { .string($0.description) }),
            "equal": .bool(outcome.difference == nil),
            "first_difference": outcome.difference.map {
                ["prompt": .string(prompts[$0.promptIndex].name), "position": .integer(Int64($0.position))]
            } ?? .null,
        ]
    }
}
