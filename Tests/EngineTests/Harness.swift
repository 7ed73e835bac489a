// A real engine, on its real thread, over the scripted model.

import Engine
import EngineTesting
import Models
import Primitives
import Sampling

struct Harness: Sendable {
    let engine: InferenceEngine
    let observer = RecordingObserver()
    let record: ScriptedExecutor.Record

    init(
        _ configure: (inout EngineConfiguration, inout ScriptedExecutor.Configuration) -> Void = { _, _ in }
    ) throws(EngineError) {
        var configuration = EngineConfiguration(maxModelLength: 128)
        configuration.schedulerDelay = .zero
        var model = ScriptedExecutor.Configuration()
        configure(&configuration, &model)
        let executor = ScriptedExecutor(model)
        record = executor.record
        engine = try InferenceEngine(configuration: configuration, observer: observer, executor: executor)
    }

    /// Submits `request` and reads it to its end.
    func run(_ request: EngineRequest) async throws -> CheckedStream.Outcome {
        let handle = try engine.submit(request)
        return try await CheckedStream(handle.events, choiceCount: request.sampleCount).collect()
    }

    /// What `request` comes to on a roomy engine of its own.
    static func alone(_ request: EngineRequest) async throws -> CheckedStream.Outcome {
        let harness = try Harness()
        let outcome = try await harness.run(request)
        await harness.engine.shutdown(draining: .zero)
        return outcome
    }

    /// Yields until the engine has reported what `condition` wants.
    func wait(until condition: ([StepStatistics]) -> Bool) async {
        while !condition(observer.steps) {
            await Task.yield()
        }
    }
}

/// A greedy request of `length` prompt tokens that differ by `id`, ended by its length alone.
func request(_ id: UInt64, length: Int = 5, maximumTokens: Int = 8) -> EngineRequest {
    var parameters = SamplingParameters()
    parameters.temperature = 0
    parameters.maximumTokens = maximumTokens
    let prompt = (0..<length).map { TokenID((id &* 31 &+ UInt64($0) &* 7) % 64) }
    return EngineRequest(id: RequestID(id), promptTokenIDs: prompt, parameters: parameters)
}

/// A request as clients send them: any length, any number of samples, seeded or greedy.
func randomRequest(_ id: UInt64, using random: inout some RandomNumberGenerator) -> EngineRequest {
    var request = request(
        id, length: Int.random(in: 1...30, using: &random), maximumTokens: Int.random(in: 1...24, using: &random))
    if Bool.random(using: &random) {
        request.parameters.temperature = 1
        request.parameters.seed = UInt64.random(in: 0...1_000, using: &random)
        request.sampleCount = Int.random(in: 1...3, using: &random)
    }
    request.parameters.endOfSequenceIDs = [TokenID.random(in: 0..<64, using: &random)]
    if Int.random(in: 0..<4, using: &random) == 0 { request.promptLogprobCount = 1 }
    return request
}
