// Static and continuous batching on a real engine.

public import Workload

/// What an arrangement generated in which time: tokens that were asked for, without padding.
public struct ArrangementRun: Sendable, Equatable {
    public var outputTokenCount: Int
    public var seconds: Double

    public var outputTokensPerSecond: Double { seconds > 0 ? Double(outputTokenCount) / seconds : 0 }
}

extension EngineBenchmark {
    /// All of `requests` at once, as the engine batches them.
    public func runContinuously(_ requests: [BenchmarkRequest]) async throws -> ArrangementRun {
        let run = try await run(requests)
        return ArrangementRun(outputTokenCount: run.outputTokenCount, seconds: run.elapsedSeconds)
    }

    /// So many of `requests` at a time, each batch until all of it has ended: as padding, whoever has ended is
    /// continued to the length of the batch's longest output, as far as a sequence may have tokens.
    public func runStatically(
        _ requests: [BenchmarkRequest], places: Int, maxModelLength: Int
    ) async throws -> ArrangementRun {
        var seconds = 0.0
        for first in stride(from: 0, to: requests.count, by: max(1, places)) {
            var batch = Array(requests[first..<min(requests.count, first + max(1, places))])
            let longest = batch.reduce(1) { max($0, $1.outputLength) }
            for index in batch.indices {
                batch[index].outputLength = min(longest, maxModelLength - batch[index].promptTokenIDs.count)
            }
            seconds += try await run(batch).elapsedSeconds
        }
        return ArrangementRun(
            outputTokenCount: requests.reduce(0) { $0 + $1.outputLength * $1.sampleCount }, seconds: seconds)
    }
}

extension BenchmarkRequest {
    /// The requests of a trace, all with one sample, with prompts of `vocabularySize` tokens in an order of their own.
    public static func requests(of workload: Workload, vocabularySize: Int) -> [BenchmarkRequest] {
        workload.requests.enumerated().map { number, request in
            BenchmarkRequest(
                promptTokenIDs: (0..<request.promptTokenCount).map { position in
                    // Two odd factors keep neighbours apart; which tokens they are does not change what they cost.
                    let word = UInt32(truncatingIfNeeded: number &* 40_503 &+ position &+ 1) &* 2_654_435_761
                    return Int32(word % UInt32(max(1, vocabularySize)))
                },
                outputLength: request.generatedTokenCounts.first ?? 1)
        }
    }
}
