// What the command line says about metrics, and what they are told of the model.

internal import ArgumentParser
internal import Engine
internal import Kernels
internal import Logging
internal import Models
internal import Observability

struct MetricsOptions: ParsableArguments {
    @Option(
        help: """
            Labels to add to vllm_request_count and vllm_request_latency_seconds, separated by commas: model, endpoint.
            """)
    var metricsLabels: String?

    @Flag(inversion: .prefixedNo, help: "Measure the machine's limits at start, which takes some 50 ms.")
    var measureMachine = true

    func validate() throws {
        _ = try requestLabels()
    }

    func requestLabels() throws(CommandError) -> Set<RequestLabel> {
        var labels: Set<RequestLabel> = []
        for name in metricsLabels?.split(separator: ",") ?? [] {
            guard let label = RequestLabel(rawValue: String(name)) else {
                throw .invalidOption(
                    name: "metrics-labels", value: String(name),
                    allowed: RequestLabel.allCases.map(\.rawValue).joined(separator: ", "))
            }
            labels.insert(label)
        }
        return labels
    }
}

extension LoadPlan {
    /// - Parameter modelName: The first served name.
    func metricsConfiguration(
        modelName: String, queueLimit: Int, labels: Set<RequestLabel>
    ) -> MetricsConfiguration {
        var configuration = MetricsConfiguration(
            modelName: modelName, version: PagodaVersion.current,
            instructionSet: KernelSet(executor.instructionSet).instructionSet.rawValue,
            maxModelLength: executor.maximumModelLength, blockSize: executor.blockSize,
            blockCount: executor.blockCount, cacheDataType: executor.cacheType.rawValue)
        configuration.cachesPrefixes = engine.cachesPrefixes
        configuration.maxRunningSequences = engine.maxRunningSequences
        configuration.maxBatchedTokens = engine.maxBatchedTokens
        configuration.queueLimit = queueLimit
        configuration.requestLabels = labels
        return configuration
    }
}

extension EngineMetrics {
    /// Learns from a model that nobody runs yet what its steps will cost, and what the machine can do at best.
    func learn(from executor: any MeasuredExecutor, measuringMachine: Bool, logger: Logger) {
        setCosts(CostModel(executor.costs))
        guard measuringMachine else { return }
        do {
            let rates = try executor.measuredRates()
            setMachineRates(
                MachineRates(
                    multiplyAddsPerSecond: rates.multiplyAddsPerSecond, readBytesPerSecond: rates.readBytesPerSecond))
        } catch {
            logger.warning("the machine's limits could not be measured: \(error)")
        }
    }
}

extension CostModel {
    init(_ costs: ModelCosts) {
        self.init()
        multiplyAddsPerRow = costs.multiplyAddsPerRow
        multiplyAddsPerLogitRow = costs.multiplyAddsPerLogitRow
        multiplyAddsPerAttendedToken = costs.multiplyAddsPerAttendedToken
        weightBytes = costs.weightBytes
        headBytes = costs.headBytes
        cacheBytesPerToken = costs.cacheBytesPerToken
    }
}
