import LoadTesting
import Primitives
import Testing

@Suite("Statistics")
struct StatisticsTests {
    @Test("percentiles are linear between neighbours, deviations are of the population, as in numpy")
    func distribution() {
        let distribution = Distribution([4, 1, 3, 2], ranks: [0, 25, 99, 100])
        #expect(distribution.mean == 2.5)
        #expect(distribution.median == 2.5)
        #expect(abs(distribution.standardDeviation - 1.25.squareRoot()) < 1e-12)
        #expect(distribution.percentiles.map(\.rank) == [0, 25, 99, 100])
        let expected = [1, 1.75, 3.97, 4]
        for (percentile, value) in zip(distribution.percentiles, expected) {
            #expect(abs(percentile.value - value) < 1e-12)
        }
    }

    @Test("one value is all of its own percentiles; of none, everything is 0")
    func smallDistributions() {
        #expect(Distribution([7], ranks: [99]).percentiles.map(\.value) == [7])
        let empty = Distribution([], ranks: [50])
        #expect(empty.mean == 0 && empty.median == 0 && empty.standardDeviation == 0)
        #expect(empty.percentiles.map(\.value) == [0])
    }

    @Test("figures of a run are those computed by hand")
    func runStatistics() throws {
        let statistics = RunStatistics(Examples.run, ranks: [50], objectives: try ServiceObjectives())
        #expect(statistics.completedCount == 3)
        #expect(statistics.failedCount == 1)
        #expect(statistics.inputTokenCount == 10 + 20 + 30)
        #expect(statistics.outputTokenCount == 5 + 3 + 1)
        #expect(statistics.outputLengths == [5, 3, 0, 1])
        #expect(statistics.requestThroughput == 3.0 / 4)
        #expect(statistics.outputThroughput == 9.0 / 4)
        #expect(statistics.totalTokenThroughput == 69.0 / 4)
        expectNear(statistics.latencies[.timeToFirstToken]?.mean, 1000 * (0.5 + 0.25 + 1.0) / 3)
        // (1.5 - 0.5) / 4 and (1.25 - 0.25) / 2: a single token has no time per further token.
        expectNear(statistics.latencies[.timePerOutputToken]?.mean, 1000 * (0.25 + 0.5) / 2)
        expectNear(statistics.latencies[.interTokenLatency]?.mean, 1000 * (4 * 0.25 + 2 * 0.5) / 6)
        expectNear(statistics.latencies[.endToEndLatency]?.median, 1250)
        expectNear(statistics.latencies[.clientQueueTime]?.mean, 1000 * 0.75 / 3)
        expectNear(statistics.latencies[.endToEndWithQueue]?.mean, 1000 * (1.5 + 1.25 + 1.0 + 0.75) / 3)
    }

    @Test("peaks are of whole seconds since the first request's start")
    func peaks() throws {
        let statistics = RunStatistics(Examples.run, ranks: [], objectives: try ServiceObjectives())
        // First request, starting at 0: chunks at 0.5, 0.75, 1, 1.25, 1.5. Second, at 0.5: 0.75, 1.25, 1.75. Third, at
        // 2: 3. The second from 1 to 2 holds five chunks; two requests at most share one.
        #expect(statistics.peakOutputTokensPerSecond == 5)
        #expect(statistics.peakConcurrentRequests == 2)
    }

    @Test("goodput counts the requests that keep every objective")
    func goodput() throws {
        func goodput(_ pairs: [String]) throws -> Double {
            RunStatistics(Examples.run, ranks: [], objectives: try ServiceObjectives(pairs)).requestGoodput
        }
        #expect(try goodput(["ttft:500"]) == 2.0 / 4)
        #expect(try goodput(["ttft:500", "tpot:250"]) == 1.0 / 4)
        // The single token's time per further token counts as 0.
        #expect(try goodput(["tpot:250"]) == 2.0 / 4)
        #expect(try goodput(["e2el:1"]) == 0)
    }

    @Test("objectives that are no names or numbers are refused, and the names are said")
    func objectives() {
        #expect(throws: LoadTestError.self) { try ServiceObjectives(["ttft"]) }
        #expect(throws: LoadTestError.self) { try ServiceObjectives(["ttft:-1"]) }
        #expect(
            throws: LoadTestError.unsupported(option: "goodput", value: "itl", supported: ["ttft", "tpot", "e2el"])
        ) {
            try ServiceObjectives(["itl:5"])
        }
    }

    @Test("without the server's count, the tokenizer counts the output, or the chunks do")
    func uncountedOutput() throws {
        var record = Examples.record(start: 0, firstToken: 0.5, gaps: [0.25, 0.25], prompt: 4, output: nil)
        record.text = "a b c d e"
        let run = LoadTestRun(records: [record], durationSeconds: 1)
        let objectives = try ServiceObjectives()
        #expect(RunStatistics(run, ranks: [], objectives: objectives).outputTokenCount == 3)
        let counted = RunStatistics(run, ranks: [], objectives: objectives, tokenizer: LetterTokenizer())
        #expect(counted.outputTokenCount == 9)
    }

    @Test("a run in which all failed has figures, all of them 0")
    func allFailed() throws {
        var record = RequestRecord(start: Instant(nanoseconds: 0), promptTokenCount: 5)
        record.error = "gone"
        let run = LoadTestRun(records: [record], durationSeconds: 2)
        let statistics = RunStatistics(run, ranks: [99], objectives: try ServiceObjectives())
        #expect(statistics.completedCount == 0 && statistics.failedCount == 1)
        #expect(statistics.totalTokenThroughput == 0 && statistics.peakConcurrentRequests == 0)
        #expect(statistics.latencies[.timeToFirstToken]?.percentiles.map(\.value) == [0])
    }

    private func expectNear(_ value: Double?, _ expected: Double, location: SourceLocation = #_sourceLocation) {
        #expect(abs((value ?? .nan) - expected) < 1e-6, sourceLocation: location)
    }
}
