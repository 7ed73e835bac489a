import Benchmarking
import Engine
import EngineTesting
import LoadTesting
import Primitives
import Testing

@Suite("Engine benchmark")
struct EngineBenchmarkTests {
    private func benchmark(
        maxModelLength: Int = 256, _ configure: (inout ScriptedExecutor.Configuration) -> Void = { _ in }
    ) throws -> EngineBenchmark {
        var model = ScriptedExecutor.Configuration()
        configure(&model)
        let recorder = StepRecorder()
        var configuration = EngineConfiguration(maxModelLength: maxModelLength)
        // As the commands do it: what is found in the cache is not measured.
        configuration.cachesPrefixes = false
        let engine = try InferenceEngine(
            configuration: configuration, observer: recorder, executor: ScriptedExecutor(model))
        return EngineBenchmark(engine: engine, recorder: recorder)
    }

    private func requests(_ count: Int, promptLength: Int, outputLength: Int, samples: Int = 1) -> [BenchmarkRequest] {
        (0..<count).map { request in
            BenchmarkRequest(
                promptTokenIDs: (0..<promptLength).map { TokenID((request * 11 + $0) % 7) }, outputLength: outputLength,
                sampleCount: samples)
        }
    }

    @Test("a run counts every prompt and every token, and the next one starts from nothing")
    func counts() async throws {
        let benchmark = try benchmark()
        for _ in 0..<2 {
            let run = try await benchmark.run(requests(3, promptLength: 20, outputLength: 5, samples: 2))
            #expect(run.promptTokenCount == 60 && run.outputTokenCount == 30)
            #expect(run.untilLastFirstToken.tokenCount == 60)
            #expect(run.steps.reduce(0) { $0 + $1.prefillTokenCount } == 60)
            #expect(run.steps.reduce(0) { $0 + $1.firstTokenCount } == 6)
            // What was not decoded in steps of its own was decoded beside another's prompt, or is a first token.
            #expect(run.decodeSteps.tokenCount > 0 && run.decodeSteps.tokenCount <= 24)
            #expect(run.elapsedSeconds >= run.decodeSteps.seconds + run.prefillSteps.seconds - 1e-9)
            #expect(benchmark.finishedCount == 6)
        }
        await benchmark.engine.shutdown(draining: .zero)
    }

    @Test("sequences that fail are an error, not a rate")
    func failure() async throws {
        let benchmark = try benchmark { model in
            model.poison = 7
            model.script = { $0.count < 22 ? 3 : 7 }
        }
        await #expect(throws: BenchmarkError.failedSequences(2, of: 2)) {
            try await benchmark.run(requests(2, promptLength: 20, outputLength: 5))
        }
        await benchmark.engine.shutdown(draining: .zero)
    }

    @Test("an output cut short by the context is an error that names the option")
    func tooLong() async throws {
        let benchmark = try benchmark(maxModelLength: 24)
        await #expect(throws: BenchmarkError.incompleteOutput(8, of: 20)) {
            try await benchmark.run(requests(2, promptLength: 20, outputLength: 10))
        }
        await benchmark.engine.shutdown(draining: .zero)
    }

    @Test("a drawn prompt becomes a request if it is made of token ids")
    func drawnPrompts() {
        let drawn = LoadRequest(id: "1", prompt: .tokens([5, 6]), promptTokenCount: 2, outputTokenCount: 3)
        #expect(
            BenchmarkRequest(drawn, sampleCount: 4)
                == BenchmarkRequest(promptTokenIDs: [5, 6], outputLength: 3, sampleCount: 4))
        let text = LoadRequest(id: "1", prompt: .text("a b"), promptTokenCount: 2, outputTokenCount: 3)
        #expect(BenchmarkRequest(text, sampleCount: 1) == nil)
        let wide = LoadRequest(id: "1", prompt: .tokens([1 << 40]), promptTokenCount: 1, outputTokenCount: 3)
        #expect(BenchmarkRequest(wide, sampleCount: 1) == nil)
    }
}
