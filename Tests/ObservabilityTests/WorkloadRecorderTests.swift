import Engine
import EngineTesting
import Models
import Observability
import Primitives
import Sampling
import Testing
import Workload

@Suite("The recorder of workloads")
struct WorkloadRecorderTests {
    private static let settings = WorkloadSettings(maxModelLength: 512, blockSize: 16, blockCount: 100)

    private static func recorder(
        _ configure: (inout WorkloadRecorder.Configuration) -> Void = { _ in }
    ) -> WorkloadRecorder {
        var configuration = WorkloadRecorder.Configuration()
        configure(&configuration)
        let recorder = WorkloadRecorder(configuration, started: at(0))
        recorder.note(settings)
        return recorder
    }

    @Test("a real engine's requests come back with what they asked for, shared and got")
    func engine() async throws {
        let recorder = WorkloadRecorder()
        #expect(recorder.workload(lastSeconds: 60) == nil, "nothing is known of the settings yet")
        recorder.note(Self.settings)
        var configuration = EngineConfiguration(maxModelLength: 128)
        configuration.schedulerDelay = .zero
        let engine = try InferenceEngine(
            configuration: configuration, observer: recorder, executor: ScriptedExecutor(.init()))
        for (id, scope, sampleCount) in [(1, "a", 1), (2, "a", 3), (3, "b", 1)] {
            var parameters = SamplingParameters()
            parameters.temperature = 0
            parameters.maximumTokens = 6
            // The last two differ in the third block.
            let prompt = (0..<50).map { TokenID($0 == 40 ? id : $0) }
            var request = EngineRequest(id: RequestID(UInt64(id)), promptTokenIDs: prompt, parameters: parameters)
            request.prefixScope = scope
            request.sampleCount = sampleCount
            let handle = try engine.submit(request)
            _ = try await CheckedStream(handle.events, choiceCount: sampleCount).collect()
        }
        await engine.shutdown(draining: .seconds(5))

        let workload = try #require(recorder.workload(lastSeconds: 60))
        #expect(workload.requests.map(\.promptTokenCount) == [50, 50, 50])
        #expect(workload.requests.map(\.generatedTokenCounts) == [[6], [6, 6, 6], [6]])
        #expect(workload.requests.map(\.arrival) == workload.requests.map(\.arrival).sorted())
        let blockSize = ScriptedExecutor.Configuration().capacity.blockSize
        let names = workload.requests.map(\.prefixBlocks)
        #expect(names.allSatisfy { $0.count == 50 / blockSize })
        let common = 40 / blockSize
        #expect(names[0].prefix(common) == names[1].prefix(common))
        #expect(names[0][common] != names[1][common] && Set(names[0]).isDisjoint(with: names[2]))
        for request in workload.requests {
            let first = try #require(request.firstTokenLatency), end = try #require(request.endLatency)
            #expect(first <= end && !request.wasAborted)
        }
        // Each sample's tokens but the first have one before them.
        #expect(workload.interTokenLatencies.count == 25)
        #expect(workload.unfinishedCount == 0)
        let prompts = workload.steps.filter { $0.prefillRowCount > 0 }
        #expect(!prompts.isEmpty && workload.steps.contains { $0.decodeRowCount == 3 && $0.prefillRowCount == 0 })
        #expect(workload.steps.allSatisfy { $0.seconds > 0 && $0.contextTokenCount > 0 })
        #expect(workload.duration <= 60)
    }

    @Test("however many steps of one size there are, those of others stay")
    func strata() throws {
        let recorder = Self.recorder { $0.stepCount = 4 }
        recorder.stepEnded(Self.step(prefill: 700, decode: 3, seconds: 0.5))
        for _ in 0..<1000 { recorder.stepEnded(Self.step(decode: 4, seconds: 0.01)) }
        for _ in 0..<1000 { recorder.stepEnded(Self.step(prefill: 1, decode: 4, seconds: 0.02)) }
        recorder.stepEnded(Self.step(decode: 0, seconds: 0))
        let steps = try #require(recorder.workload(lastSeconds: 60, now: Self.at(1))).steps
        #expect(steps.count == 9)
        #expect(
            steps.map(\.seconds).sorted() == Array(repeating: 0.01, count: 4) + Array(repeating: 0.02, count: 4) + [0.5]
        )
        let large = try #require(steps.first { $0.prefillRowCount == 700 })
        #expect(large.decodeRowCount == 3 && large.sequenceCount == 4)
    }

    @Test("memory is bounded, and the time that is told begins where everything is known")
    func bounds() throws {
        let recorder = Self.recorder {
            $0.requestCount = 10
            $0.tokenLatencyCount = 5
        }
        for second in 0..<100 {
            var step = Self.step(decode: 1, seconds: 0.001)
            step.endedAt = Self.at(Double(second) + 0.5)
            step.interTokenLatencies = [Double(second)]
            step.finished = [Self.sequence(UInt64(second), arrival: Double(second), blocks: [])]
            recorder.stepEnded(step)
        }
        let workload = try #require(recorder.workload(lastSeconds: 1000, now: Self.at(100)))
        #expect(workload.requests.count == 10 && workload.interTokenLatencies == [95, 96, 97, 98, 99])
        // The request that came at 89 is gone.
        #expect(abs(workload.duration - 11) < 1e-6)
        #expect(workload.requests.map(\.arrival) == (0..<10).map { Double($0) + 1 })
        let recent = try #require(recorder.workload(lastSeconds: 3.25, now: Self.at(100)))
        #expect(recent.requests.map(\.arrival) == [0.25, 1.25, 2.25] && recent.duration == 3.25)
        #expect(recent.interTokenLatencies == [97, 98, 99])
    }

    @Test("names of blocks are bounded together, and the oldest requests go for new ones")
    func blockNames() throws {
        let recorder = Self.recorder { $0.blockNameCount = 100 }
        for second in 0..<10 {
            recorder.stepEnded(Self.ending(Self.sequence(UInt64(second), arrival: Double(second), blocks: 30)))
        }
        #expect(try Self.arrivals(recorder) == [7, 8, 9])
        // More than there is room for: kept without its names, and nobody has to go.
        recorder.stepEnded(Self.ending(Self.sequence(10, arrival: 10, blocks: 101)))
        #expect(try Self.arrivals(recorder) == [7, 8, 9, 10])
        let workload = try #require(recorder.workload(lastSeconds: 100, now: Self.at(20)))
        #expect(workload.requests.map(\.prefixBlocks.count) == [30, 30, 30, 0])
        recorder.stepEnded(Self.ending(Self.sequence(11, arrival: 11, blocks: 100)))
        #expect(try Self.arrivals(recorder) == [10, 11])
    }

    @Test("a request is there once all its samples have ended, as one, with the tenant of the settings")
    func samples() throws {
        let recorder = Self.recorder()
        var settings = Self.settings
        settings.tenants.append(WorkloadTenant(name: "guest"))
        recorder.note(settings)
        var first = Self.sequence(5, arrival: 1, blocks: [1, 2], sampleCount: 2)
        first.origin.tenant = "guest"
        first.priority = 3
        first.preemptionCount = 2
        var step = Self.ending(first)
        step.runningCount = 1
        recorder.stepEnded(step)
        #expect(try Self.arrivals(recorder).isEmpty)
        #expect(try #require(recorder.workload(lastSeconds: 9, now: Self.at(9))).unfinishedCount == 1)
        var second = first
        second.choice = 1
        second.reason = .abort
        second.firstToken = nil
        second.finished = Self.at(4)
        recorder.stepEnded(Self.ending(second))
        var stranger = Self.sequence(6, arrival: 2, blocks: [])
        stranger.origin.tenant = "unheard-of"
        recorder.stepEnded(Self.ending(stranger))
        let workload = try #require(recorder.workload(lastSeconds: 9, now: Self.at(9)))
        #expect(workload.requests.map(\.tenant) == [1, 0] && workload.requests.map(\.priority) == [3, 0])
        let request = try #require(workload.requests.first)
        #expect(request.generatedTokenCounts == [4, 4] && request.wasAborted && request.prefixBlocks == [1, 2])
        #expect(request.firstTokenLatency == 0.5 && request.endLatency == 3)
        #expect(workload.preemptionCount == 4 && workload.unfinishedCount == 0)
    }

    // MARK: -

    private static func at(_ seconds: Double) -> Instant {
        Instant(nanoseconds: 1_000_000_000_000 + Int64((seconds * 1e9).rounded()))
    }

    private static func arrivals(_ recorder: WorkloadRecorder) throws -> [Double] {
        let workload = try #require(recorder.workload(lastSeconds: 100, now: at(20)))
        let start = 20 - workload.duration
        return workload.requests.map { ($0.arrival + start).rounded() }
    }

    private static func step(prefill: Int = 0, decode: Int, seconds: Double) -> StepStatistics {
        var step = StepStatistics()
        step.sequenceCount = decode + (prefill > 0 ? 1 : 0)
        step.prefillTokenCount = prefill
        step.decodeTokenCount = decode
        (step.scheduleSeconds, step.forwardSeconds) = (seconds / 4, seconds / 4)
        (step.sampleSeconds, step.publishSeconds) = (seconds / 4, seconds / 4)
        return step
    }

    private static func ending(_ sequence: SequenceStatistics) -> StepStatistics {
        var step = StepStatistics()
        step.finished = [sequence]
        return step
    }

    private static func sequence(_ id: UInt64, arrival: Double, blocks count: Int) -> SequenceStatistics {
        sequence(id, arrival: arrival, blocks: (0..<UInt64(count)).map { id << 32 + $0 })
    }

    private static func sequence(
        _ id: UInt64, arrival: Double, blocks: [UInt64], sampleCount: Int = 1
    ) -> SequenceStatistics {
        var sequence = SequenceStatistics(
            request: RequestID(id), choice: 0, reason: .stop, promptTokenCount: 2000, generatedTokenCount: 4,
            sampleCount: sampleCount, maximumTokens: 16, preemptionCount: 0, arrival: at(arrival),
            queued: at(arrival), scheduled: at(arrival), firstToken: at(arrival + 0.5), lastToken: at(arrival + 0.9),
            finished: at(arrival + 1))
        sequence.blockNames = blocks
        return sequence
    }
}
