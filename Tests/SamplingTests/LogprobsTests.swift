// Logprobs are those of the raw row.

import Primitives
import Sampling
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

@Suite("Logprobs")
struct LogprobsTests {
    @Test("logprobs, ranks and the most likely tokens agree with the plain computation", arguments: [1, 5, 100, 5_000])
    func matchesPlainComputation(size: Int) {
        var random = SplitMix64(state: UInt64(size))
        for topCount in [0, 1, 5, 20, size + 1] {
            let row = randomRow(size, using: &random)
            let token = TokenID.random(in: 0..<TokenID(size), using: &random)
            let position = Logprobs.position(of: token, in: row.span, topCount: topCount)
            let expected = SampleOracle.softmax(row.map(Double.init)).map { log($0) }
            #expect(abs(Double(position.chosen.logprob) - expected[Int(token)]) < 1e-4)
            #expect(Int(position.chosen.rank) == row.count { $0 >= row[Int(token)] })
            let order = row.indices.sorted { (-row[$0], $0) < (-row[$1], $1) }.prefix(topCount)
            #expect(position.top.map { Int($0.token) } == Array(order))
            #expect(position.top.map { Int($0.rank) } == Array(1..<(order.count + 1)))
            for entry in position.top {
                #expect(abs(Double(entry.logprob) - expected[Int(entry.token)]) < 1e-4)
            }
        }
    }

    @Test("temperature, bias and penalties don't show in a draw's logprobs")
    func rawLogprobs() throws {
        var parameters = SamplingParameters()
        parameters.temperature = 0
        parameters.logitBias = [3: 50]
        parameters.repetitionPenalty = 1.5
        parameters.minimumTokens = 5
        parameters.endOfSequenceIDs = [1, 3]
        parameters.stopTokenIDs = [1]
        parameters.badWords = [[1]]
        parameters.logprobCount = 2
        let row: [Float] = [1, 4, 3, -2]
        var sampler = SequenceSampler(parameters, size: 4, prompt: [0, 1, 1])
        for _ in 0..<3 {
            let sampled = try sampler.sample(copyOf: row)
            #expect(sampled.token == 2)
            #expect(sampled.logprobs == Logprobs.position(of: 2, in: row.span, topCount: 2))
            #expect(sampled.logprobs?.chosen.rank == 2)
            #expect(sampled.logprobs?.top.map(\.token) == [1, 2])
        }
    }

    @Test("none are computed unless asked for, and zero gives the chosen token's alone")
    func count() throws {
        var parameters = SamplingParameters()
        var sampler = SequenceSampler(parameters, size: 2)
        #expect(try sampler.sample(copyOf: [0, 1]).logprobs == nil)
        parameters.logprobCount = 0
        sampler = SequenceSampler(parameters, size: 2)
        let logprobs = try sampler.sample(copyOf: [0, 1]).logprobs
        #expect(logprobs?.top.isEmpty == true)
        #expect(logprobs?.chosen.logprob ?? 0 < 0)
    }

    @Test("tokens that a row rules out have a logprob of −infinity; rows that are none don't trap")
    func unusualRows() {
        let row: [Float] = [0, -.infinity, 0]
        let position = Logprobs.position(of: 1, in: row.span, topCount: 3)
        #expect(position.chosen == TokenLogprob(token: 1, logprob: -.infinity, rank: 3))
        #expect(position.top.map(\.token) == [0, 2, 1])
        let bad: [Float] = [.nan, 1, .infinity]
        #expect(Logprobs.position(of: 1, in: bad.span, topCount: 2).chosen.logprob.isNaN)
        #expect(Logprobs.position(of: 9, in: row.span, topCount: 0).chosen.logprob == -.infinity)
    }
}
