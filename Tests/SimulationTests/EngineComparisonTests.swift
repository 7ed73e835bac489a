// The same requests on the real engine and in a replay: the same steps.

import Engine
import EngineTesting
import Models
import Primitives
import Sampling
import Simulation
import Testing
import Workload

@Suite("Replay beside the engine")
struct EngineComparisonTests {
    struct Setting: CustomTestStringConvertible {
        var name: String
        var blockCount = 1024
        var rows = 256
        var sequences = 16
        var chunk: Int?
        var sharesPrefixes = false

        var testDescription: String { name }
    }

    static let cases = [
        Setting(name: "roomy"), Setting(name: "few rows", rows: 48), Setting(name: "chunks", chunk: 20),
        Setting(name: "few places", sequences: 3), Setting(name: "preemption", blockCount: 30),
        Setting(name: "prefixes", rows: 100, sharesPrefixes: true),
        Setting(name: "prefixes, preemption", blockCount: 34, sharesPrefixes: true),
    ]

    /// A request of the engine and the same of a workload; `blocker` keeps the engine busy until all have come.
    private static func requests(_ setting: Setting) -> [(EngineRequest, WorkloadRequest)] {
        var random = SplitMix64(state: 11)
        var all: [(EngineRequest, WorkloadRequest)] = []
        for number in 0..<24 {
            let isBlocker = number == 0
            let length = isBlocker ? 1 : Int.random(in: 1...150, using: &random)
            let outputs = isBlocker ? 1 : Int.random(in: 1...40, using: &random)
            let samples = !isBlocker && number % 5 == 0 ? 3 : 1
            let alike = setting.sharesPrefixes ? 64 : 0
            let prompt = (0..<length).map { position in
                TokenID(SplitMix64.mixed(UInt64(position < alike ? 0 : number) &* 1009 &+ UInt64(position)) % 60)
            }
            var parameters = SamplingParameters()
            parameters.maximumTokens = outputs
            parameters.ignoreEOS = true
            // So that samples differ, and share no blocks of their outputs.
            parameters.temperature = 1
            parameters.seed = UInt64(number)
            var request = EngineRequest(
                id: RequestID(UInt64(number)), promptTokenIDs: prompt, parameters: parameters)
            request.sampleCount = samples
            var numbers = WorkloadRequest(
                arrival: isBlocker ? 0 : 0.001, promptTokenCount: length,
                generatedTokenCounts: Array(repeating: outputs, count: samples))
            var name: UInt64 = 5
            for block in 0..<length / 16 {
                for token in prompt[block * 16..<block * 16 + 16] {
                    name = SplitMix64.mixed(name ^ SplitMix64.mixed(UInt64(token) &+ 1))
                }
                numbers.prefixBlocks.append(name)
            }
            all.append((request, numbers))
        }
        return all
    }

    @Test("a closed set of requests is computed in the very same steps", arguments: cases)
    func sameSteps(setting: Setting) async throws {
        let all = Self.requests(setting)

        // The engine stands at its first step until every request has been sent.
        let gate = Gate()
        var model = ScriptedExecutor.Configuration()
        model.capacity = CacheCapacity(blockCount: setting.blockCount, blockSize: 16)
        model.maximumRows = setting.rows
        model.beforeStep = { _ in gate.pass() }
        var configuration = EngineConfiguration(maxModelLength: 256)
        configuration.schedulerDelay = .zero
        configuration.maxRunningSequences = setting.sequences
        configuration.maxBatchedTokens = setting.rows
        configuration.maxPrefillChunk = setting.chunk
        configuration.cachesPrefixes = setting.sharesPrefixes
        let observer = RecordingObserver()
        let engine = try InferenceEngine(
            configuration: configuration, observer: observer, executor: ScriptedExecutor(model))
        let blocker = try engine.submit(all[0].0)
        await gate.waitForArrival()
        let handles = try all.dropFirst().map { try engine.submit($0.0) }
        gate.open()
        _ = try await CheckedStream(blocker.events).collect()
        for (handle, entry) in zip(handles, all.dropFirst()) {
            _ = try await CheckedStream(handle.events, choiceCount: entry.0.sampleCount).collect()
        }
        await engine.shutdown(draining: .zero)
        let measured = observer.steps.filter { $0.sequenceCount > 0 }.map { step in
            StepSample(
                sequenceCount: step.sequenceCount, prefillRowCount: step.prefillTokenCount,
                decodeRowCount: step.decodeTokenCount, logitRowCount: step.logitRowCount,
                attendedTokenCount: step.attendedTokenCount, contextTokenCount: step.contextTokenCount, seconds: 0)
        }

        var own = WorkloadSettings(maxModelLength: 256, blockSize: 16, blockCount: setting.blockCount)
        own.schedulerDelay = 0
        own.maxRunningSequences = setting.sequences
        own.maxBatchedTokens = setting.rows
        own.maxLogitRows = model.maximumLogitRows
        own.maxPrefillChunk = setting.chunk
        own.cachesPrefixes = setting.sharesPrefixes
        var simulated: [StepSample] = []
        let outcome = try Replay(
            workload(own, all.map(\.1)), settings: own,
            costs: StepCostModel(perStep: 0.01, perRow: 0.001, perContextToken: 0)
        ).run { step in
            var step = step
            step.seconds = 0
            simulated.append(step)
        }
        #expect(simulated == measured)
        #expect(outcome.preemptionCount == observer.steps.reduce(0) { $0 + $1.preemptionCount })
        #expect(outcome.cachedPromptTokenCount > 0 || !setting.sharesPrefixes)
        if setting.name.contains("preemption") { #expect(outcome.preemptionCount > 0) }
    }
}
