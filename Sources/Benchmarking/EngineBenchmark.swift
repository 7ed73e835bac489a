// Runs requests on an engine, all at once, and measures its steps.

public import Engine
public import LoadTesting
public import Primitives
import Sampling

/// A prompt and how much is to follow it.
public struct BenchmarkRequest: Sendable, Equatable {
    public var promptTokenIDs: [TokenID]
    public var outputLength: Int
    /// Continuations of the prompt (`n`).
    public var sampleCount: Int

    public init(promptTokenIDs: [TokenID], outputLength: Int, sampleCount: Int = 1) {
        self.promptTokenIDs = promptTokenIDs
        self.outputLength = outputLength
        self.sampleCount = sampleCount
    }

    /// Nil if the prompt is text, or has a number that is no token id.
    public init?(_ request: LoadRequest, sampleCount: Int) {
        guard case .tokens(let tokens) = request.prompt else { return nil }
        let tokenIDs = tokens.compactMap { TokenID(exactly: $0) }
        guard tokenIDs.count == tokens.count else { return nil }
        self.init(promptTokenIDs: tokenIDs, outputLength: request.outputTokenCount, sampleCount: sampleCount)
    }
}

/// A benchmark that has no result.
public enum BenchmarkError: Error, Equatable, CustomStringConvertible {
    case failedSequences(Int, of: Int)
    case incompleteOutput(Int, of: Int)

    public var description: String {
        switch self {
        case .failedSequences(let count, let total):
            "\(count) of \(total) sequences failed: a step could not be computed, or gave no numbers; "
                + "try --dtype float32."
        case .incompleteOutput(let count, let total):
            "\(count) of \(total) tokens were generated; raise --max-model-len."
        }
    }
}

/// One engine, measured run by run.
public struct EngineBenchmark: Sendable {
    public let engine: InferenceEngine
    private let recorder: StepRecorder

    /// - Parameter recorder: the observer that `engine` was started with.
    public init(engine: InferenceEngine, recorder: StepRecorder) {
        self.engine = engine
        self.recorder = recorder
    }

    /// Sequences of the current run that have ended.
    public var finishedCount: Int { recorder.finishedCount }

    /// Continues all prompts greedily to their full length, whatever tokens come, and returns when the last has ended.
    ///
    /// Runs must not overlap. Throws `EngineError` for a request that the engine refuses, and `BenchmarkError`.
    public func run(_ requests: [BenchmarkRequest]) async throws -> BenchmarkRun {
        let sequenceCount = requests.reduce(0) { $0 + $1.sampleCount }
        let engineRequests = requests.enumerated().map { index, request in
            var parameters = SamplingParameters()
            parameters.temperature = 0
            parameters.ignoreEOS = true
            parameters.maximumTokens = request.outputLength
            var engineRequest = EngineRequest(
                id: RequestID(UInt64(index)), promptTokenIDs: request.promptTokenIDs, parameters: parameters)
            engineRequest.sampleCount = request.sampleCount
            return engineRequest
        }
        recorder.begin(expecting: sequenceCount)
        let startedAt = Instant.now()
        let handles = try engineRequests.map { try engine.submit($0) }
        let (steps, failedCount) = await recorder.end()
        // Letting go of a handle would have cancelled its request.
        withExtendedLifetime(handles) {}
        guard failedCount == 0 else { throw BenchmarkError.failedSequences(failedCount, of: sequenceCount) }
        let run = BenchmarkRun(
            startedAt: startedAt, steps: steps,
            promptTokenCount: requests.reduce(0) { $0 + $1.promptTokenIDs.count },
            outputTokenCount: requests.reduce(0) { $0 + $1.outputLength * $1.sampleCount })
        let generatedCount = steps.reduce(0) { $0 + $1.generatedTokenCount }
        guard generatedCount == run.outputTokenCount else {
            throw BenchmarkError.incompleteOutput(generatedCount, of: run.outputTokenCount)
        }
        return run
    }
}
