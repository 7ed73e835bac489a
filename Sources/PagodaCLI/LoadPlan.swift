// From options to what is loaded: everything that can be decided before the weights are read.

internal import Engine
internal import Kernels
internal import MessagePassing
internal import ModelFiles
internal import Models

/// A checkpoint that has been opened, and how it will be run.
struct LoadPlan {
    let checkpoint: ModelCheckpoint
    /// As the operator wrote it.
    let root: String
    let executor: LocalExecutorOptions
    var engine: EngineConfiguration
    let memory: MemoryPlan
    let ranks: RankPlan

    /// - Parameter processes: The ranks that mpirun started, this one among them; nil: all ranks are in this process.
    init(
        _ located: LocatedModel, model: ModelOptions, cache: CacheOptions, scheduler: SchedulerOptions,
        parallel: ParallelOptions, memoryLimit: Int = Machine.memoryBytes, processes: RankProcesses? = nil
    ) throws {
        root = located.reference
        checkpoint = try located.checkpoint()
        let configuration = checkpoint.configuration
        _ = try DecoderArchitecture.named(configuration.architecture)
        let rounding = try model.rounding(of: checkpoint)
        let ranks = try RankPlan(parallel, configuration, processes)
        self.ranks = ranks
        let maximumLength = try model.maximumLength(configuration)

        var executor = LocalExecutorOptions()
        executor.threadCount = ranks.threadCount
        executor.instructionSet = try parallel.instructionSet()
        executor.computesInFloat32 = try model.computesInFloat32()
        executor.rounding = rounding
        executor.headRounding = try model.headRounding(of: checkpoint, layers: rounding)
        executor.cacheType = try cache.type(headSize: configuration.headSize)
        executor.blockSize = try cache.checkedBlockSize()
        executor.maximumModelLength = maximumLength
        executor.maximumRows = try positive(scheduler.maxNumBatchedTokens.value, option: "max-num-batched-tokens")
        executor.maximumLogitRows = Self.logitRows(
            maxRunningSequences: try positive(scheduler.maxNumSeqs, option: "max-num-seqs"))
        let activationBytes =
            Self.activationBytes(configuration, executor)
            + LocalExecutor.extraActivationBytes(of: checkpoint, executor)
        let planned = try MemoryPlan(
            limitBytes: memoryLimit / ranks.processesHere,
            weightBytes: LocalExecutor.weightBytes(of: checkpoint, executor) / ranks.processCount,
            activationBytes: activationBytes * ranks.ranksHere,
            shape: LocalExecutor.cacheShape(
                ranks.configurationHere(configuration), executor, rankCount: ranks.ranksHere),
            maximumModelLength: maximumLength, maximumSequences: scheduler.maxNumSeqs,
            asked: cache.kvCacheMemoryBytes.map { $0.value / ranks.processCount })
        // All ranks have as many blocks as the one with the least memory.
        memory =
            try processes.map { planned.limited(toBlocks: try $0.transport.minimum(planned.blockCount)) } ?? planned
        executor.blockCount = memory.blockCount
        self.executor = executor

        var engine = EngineConfiguration(maxModelLength: maximumLength)
        engine.maxBatchedTokens = executor.maximumRows
        try scheduler.apply(to: &engine)
        engine.cachesPrefixes = cache.enablePrefixCaching ?? true
        engine.rotaryVariants = RotaryVariants(configuration.ropeScaling)
        engine.seed = model.seed
        self.engine = engine
    }

    /// Rows of a step whose logits may be wanted: one of each sequence, and enough for prompts whose logprobs are.
    static func logitRows(maxRunningSequences: Int) -> Int { max(maxRunningSequences, 64) }

    /// What a step's buffers take at most: the rows of the batch in every form, and the logits.
    private static func activationBytes(_ configuration: ModelConfiguration, _ options: LocalExecutorOptions) -> Int {
        let heads = configuration.headCount + configuration.keyValueHeadCount
        let perRow =
            12 * configuration.hiddenSize + 12 * heads * configuration.headSize
            + 16 * configuration.intermediateSize
        return options.maximumRows * perRow + options.maximumLogitRows * 4 * configuration.vocabularySize
            + options.maximumModelLength * 4 * configuration.rotaryDimensions
            * (1 + configuration.ropeScaling.variant(promptLength: options.maximumModelLength))
    }
}

/// A whole number that an option needs to be above 0.
func positive(_ value: Int, option: String) throws(CommandError) -> Int {
    guard (1...Int(Int32.max)).contains(value) else {
        throw .invalidOption(name: option, value: "\(value)", allowed: "1 to \(Int32.max)")
    }
    return value
}

/// A number that an option needs to be in a range.
func checked(
    _ value: Double, in range: ClosedRange<Double>, option: String, unit: String = ""
) throws(CommandError) -> Double {
    guard value.isFinite, range.contains(value) else {
        let allowed = "\(Int(range.lowerBound)) to \(Int(range.upperBound))\(unit)"
        throw .invalidOption(name: option, value: "\(value)", allowed: allowed)
    }
    return value
}

extension ModelOptions {
    /// The model as it was written.
    func reference() throws(CommandError) -> String {
        switch (modelArgument, modelOption) {
        case (let model?, nil), (nil, let model?): return model
        case (let first?, let second?):
            guard first == second else { throw .twoModels(first, second) }
            return first
        case (nil, nil): throw .noModel
        }
    }

    func computesInFloat32() throws(CommandError) -> Bool {
        switch dtype {
        case "auto": return false
        case "float32", "float": return true
        case "half", "float16", "bfloat16":
            throw .notYet(option: "dtype \(dtype)", detail: "auto keeps the checkpoint's own types, float32 is exact")
        default: throw .invalidOption(name: "dtype", value: dtype, allowed: "auto or float32")
        }
    }

    func maximumLength(_ configuration: ModelConfiguration) throws -> Int {
        guard let maxModelLen, maxModelLen != "auto", maxModelLen != "-1" else {
            return configuration.defaultContextLength
        }
        let contextLength = configuration.contextLength
        guard let count = HumanCount(argument: maxModelLen)?.value, count > 0 else {
            throw CommandError.invalidOption(
                name: "max-model-len", value: maxModelLen, allowed: "a number of tokens, or auto")
        }
        guard count <= contextLength else { throw ModelError.contextTooLong(asked: count, supported: contextLength) }
        return count
    }
}

extension CacheOptions {
    func type(headSize: Int) throws(CommandError) -> KVCacheType {
        let hasRoom = headSize <= KVCacheType.largestInt16HeadSize
        if kvCacheDtype == "auto" { return hasRoom ? .int16 : .float16 }
        guard let type = KVCacheType(rawValue: kvCacheDtype) else {
            throw .invalidOption(
                name: "kv-cache-dtype", value: kvCacheDtype, allowed: "auto, int16, float16, bfloat16, float32 or int8")
        }
        guard type != .int16 || hasRoom else {
            throw .invalidOption(
                name: "kv-cache-dtype", value: kvCacheDtype,
                allowed: "float16, bfloat16, float32 or int8 with attention heads of \(headSize) numbers")
        }
        return type
    }

    func checkedBlockSize() throws(CommandError) -> Int {
        guard (8...1024).contains(blockSize), blockSize % 8 == 0 else {
            throw .invalidOption(name: "block-size", value: "\(blockSize)", allowed: "a multiple of 8, from 8 to 1024")
        }
        return blockSize
    }
}

extension ParallelOptions {
    /// `--threads`; nil if it was left out.
    func checkedThreads() throws(CommandError) -> Int? {
        guard let threads else { return nil }
        guard (1...1024).contains(threads) else {
            throw .invalidOption(name: "threads", value: "\(threads)", allowed: "1 to 1024")
        }
        return threads
    }

    func instructionSet() throws(CommandError) -> InstructionSet {
        guard let cpuFeatures else { return .best }
        guard let set = InstructionSet(rawValue: cpuFeatures), InstructionSet.available.contains(set) else {
            throw .invalidOption(
                name: "cpu-features", value: cpuFeatures,
                allowed: "what this CPU has: " + InstructionSet.available.map(\.rawValue).joined(separator: ", "))
        }
        return set
    }
}
