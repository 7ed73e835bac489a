// Every sampling parameter does what vLLM's does.

import Primitives
import Sampling
import Testing

@Suite("SequenceSampler")
struct SequenceSamplerTests {
    private func parameters(_ change: (inout SamplingParameters) -> Void) -> SamplingParameters {
        var parameters = SamplingParameters()
        change(&parameters)
        return parameters
    }

    /// The tokens that come up in `count` draws.
    private func support(
        _ parameters: SamplingParameters, row: [Float], count: Int = 4_000
    ) throws -> Set<TokenID> {
        var sampler = SequenceSampler(parameters, size: row.count)
        return Set(try (0..<count).map { _ in try sampler.sample(copyOf: row).token })
    }

    // MARK: - Against the oracle

    @Test("draws from the distribution that the plain computation gives, for 2,400 random parameter sets")
    func matchesOracle() throws {
        var random = SplitMix64(state: 20)
        let roundCount = 2_400
        let drawCount = 30
        var statistic = 0.0
        var uncertainCount = 0.0
        for round in 0..<roundCount {
            let size = [3, 8, 17, 60, 200, 700][round % 6]
            let row = randomRow(size, using: &random)
            let oracle = randomOracle(size: size, using: &random)
            let expected = oracle.distribution(row)
            let likeliest = expected.indices.max { expected[$0] < expected[$1] } ?? 0
            var hits = 0.0
            for seed in 0..<UInt64(drawCount) {
                let token = Int(try draw(from: row, like: oracle, seed: seed &* 7_919 &+ UInt64(round)))
                #expect(expected[token] > 0, "round \(round): \(oracle.parameters)")
                if token == likeliest { hits += 1 }
            }
            let mean = expected[likeliest] * Double(drawCount)
            let variance = mean * (1 - expected[likeliest])
            guard variance > 0.5 else { continue }
            statistic += (hits - mean) * (hits - mean) / variance
            uncertainCount += 1
        }
        // Each term has mean 1 and a variance of about 2.
        #expect(uncertainCount > 900)
        #expect(abs(statistic / uncertainCount - 1) < 5 * (2 / uncertainCount).squareRoot())
    }

    /// The next token of a sampler that has drawn the oracle's output already.
    private func draw(from row: [Float], like oracle: SampleOracle, seed: UInt64) throws -> TokenID {
        var parameters = oracle.parameters
        parameters.seed = seed
        var sampler = SequenceSampler(parameters, size: row.count, prompt: oracle.prompt)
        for token in oracle.output {
            // A row that leaves only this token.
            try sampler.force(token, size: row.count)
        }
        return try sampler.sample(copyOf: row).token
    }

    /// Parameters of all kinds that act on single tokens or on the distribution, with some output already there.
    private func randomOracle(size: Int, using random: inout SplitMix64) -> SampleOracle {
        func token() -> TokenID { TokenID.random(in: 0..<TokenID(size), using: &random) }
        func maybe() -> Bool { Bool.random(using: &random) }
        var parameters = SamplingParameters()
        let plain: Float = maybe() ? 0 : 1
        parameters.temperature = maybe() ? Float.random(in: 0.2...2, using: &random) : plain
        if maybe() { parameters.topP = Float.random(in: 0.05...1, using: &random) }
        if maybe() { parameters.topK = Int.random(in: 1...size, using: &random) }
        if maybe() { parameters.minP = Float.random(in: 0...0.5, using: &random) }
        if maybe() { parameters.presencePenalty = Float.random(in: -2...2, using: &random) }
        if maybe() { parameters.frequencyPenalty = Float.random(in: -2...2, using: &random) }
        if maybe() { parameters.repetitionPenalty = Float.random(in: 0.5...2, using: &random) }
        if maybe() {
            parameters.logitBias = [token(): 5]
            parameters.logitBias[token()] = -5
        }
        let prompt = (0..<4).map { _ in token() }
        return SampleOracle(parameters: parameters, prompt: prompt, output: maybe() ? [token(), token()] : [])
    }

    @Test("frequencies of draws agree with the probabilities", arguments: 0..<24)
    func frequencies(seed: UInt64) throws {
        var random = SplitMix64(state: seed)
        let size = seed % 2 == 0 ? 40 : 9_000
        let row = randomRow(size, spread: seed % 3 == 0 ? 1 : 3, using: &random)
        var parameters = SamplingParameters()
        parameters.temperature = [0.7, 1, 1.4][Int(seed % 3)]
        parameters.seed = seed
        if seed % 4 == 1 { parameters.topK = 20 }
        if seed % 4 == 2 { parameters.topP = 0.9 }
        if seed % 4 == 3 { parameters.minP = 0.02 }
        if seed % 8 == 5 { parameters.topP = 0.8 }
        let expected = SampleOracle(parameters: parameters).distribution(row)
        var sampler = SequenceSampler(parameters, size: size)
        let drawCount = 6_000
        var counts = [Int](repeating: 0, count: size)
        for _ in 0..<drawCount {
            counts[Int(try sampler.sample(copyOf: row).token)] += 1
        }
        // Chi-square over tokens that are expected often enough; the rest is one cell.
        var statistic = 0.0
        var cells = 0
        var rest = (expected: 0.0, seen: 0.0)
        for token in 0..<size {
            let mean = expected[token] * Double(drawCount)
            if mean == 0 { #expect(counts[token] == 0) }
            if mean < 10 {
                rest = (rest.expected + mean, rest.seen + Double(counts[token]))
            } else {
                statistic += (Double(counts[token]) - mean) * (Double(counts[token]) - mean) / mean
                cells += 1
            }
        }
        if rest.expected > 10 {
            statistic += (rest.seen - rest.expected) * (rest.seen - rest.expected) / rest.expected
            cells += 1
        }
        // Mean cells − 1, variance twice that: five standard deviations.
        let freedom = Double(max(1, cells - 1))
        #expect(statistic < freedom + 5 * (2 * freedom).squareRoot() + 3, "\(cells) cells")
    }

    // MARK: - Greedy and seeds

    @Test("greedy takes the largest logit, the lowest id of equals, and ignores the filters")
    func greedy() throws {
        let row: [Float] = [-1, 3, 2, 3, -.infinity, 3, 0, 0, 0, 3]
        let greedy = parameters {
            $0.temperature = 0; $0.topK = 2; $0.topP = 0.1; $0.minP = 0.9
        }
        var sampler = SequenceSampler(greedy, size: row.count)
        #expect(try sampler.sample(copyOf: row) == SampledToken(token: 1))
    }

    @Test("a seed and a sample index say which tokens come, whatever other sequences do")
    func seeds() throws {
        var random = SplitMix64(state: 5)
        let rows = (0..<40).map { _ in randomRow(500, spread: 1, using: &random) }
        func tokens(seed: UInt64?, sample: Int, fallback: UInt64) throws -> [TokenID] {
            var sampler = SequenceSampler(
                parameters { $0.seed = seed }, size: 500, sample: sample, seed: fallback)
            return try rows.map { try sampler.sample(copyOf: $0).token }
        }
        let first = try tokens(seed: 7, sample: 0, fallback: 1)
        #expect(try tokens(seed: 7, sample: 0, fallback: 2) == first)
        #expect(try tokens(seed: nil, sample: 0, fallback: 7) == first)
        #expect(try tokens(seed: 7, sample: 1, fallback: 1) != first)
        #expect(try tokens(seed: 6, sample: 1, fallback: 1) == first)
        #expect(try tokens(seed: UInt64.max, sample: 8, fallback: 1) == first)
    }

    // MARK: - Filters

    @Test("top-k keeps ties with the k-th")
    func topK() throws {
        let row: [Float] = [1, 2, 2, 2, 0, -1]
        #expect(try support(parameters { $0.topK = 2 }, row: row) == [1, 2, 3])
        #expect(
            try support(
                parameters {
                    $0.topK = 5; $0.temperature = 2
                }, row: row) == [0, 1, 2, 3, 4])
        #expect(
            try support(
                parameters {
                    $0.topK = 99; $0.temperature = 3
                }, row: row) == [0, 1, 2, 3, 4, 5])
    }

    @Test("top-p keeps the shortest head with the mass, at least one token")
    func topP() throws {
        // Probabilities 0.5, 0.25, 0.125, 0.125.
        let row: [Float] = [0.693_147_2 * 3, 0.693_147_2 * 2, 0.693_147_2, 0.693_147_2]
        #expect(try support(parameters { $0.topP = 0.4 }, row: row) == [0])
        #expect(try support(parameters { $0.topP = 0.6 }, row: row) == [0, 1])
        #expect(try support(parameters { $0.topP = 0.8 }, row: row) == [0, 1, 2])
        #expect(try support(parameters { $0.topP = 0.9 }, row: row) == [0, 1, 2, 3])
        #expect(try support(parameters { $0.topP = 1e-6 }, row: row) == [0])
    }

    @Test("top-p looks at what top-k has left")
    func topKThenTopP() throws {
        // Of the four, two survive with 2/3 and 1/3.
        let row: [Float] = [0.693_147_2 * 3, 0.693_147_2 * 2, 0.693_147_2, 0.693_147_2]
        #expect(
            try support(
                parameters {
                    $0.topK = 2; $0.topP = 0.6
                }, row: row) == [0])
        #expect(
            try support(
                parameters {
                    $0.topK = 2; $0.topP = 0.7
                }, row: row) == [0, 1])
    }

    @Test("min-p is relative to the likeliest token, after the temperature")
    func minP() throws {
        let row: [Float] = [2, 1, 0, -4]
        #expect(try support(parameters { $0.minP = 0.2 }, row: row) == [0, 1])
        #expect(
            try support(
                parameters {
                    $0.minP = 0.2; $0.temperature = 2
                }, row: row) == [0, 1, 2])
        #expect(try support(parameters { $0.minP = 1 }, row: row) == [0])
    }

    @Test("a nucleus of nearly everything is found in a large flat row")
    func flatNucleus() throws {
        let row = [Float](repeating: 0.25, count: 30_000)
        var sampler = SequenceSampler(parameters { $0.topP = 0.5 }, size: row.count)
        for _ in 0..<30 {
            #expect(try sampler.sample(copyOf: row).token < 15_002)
        }
    }

    // MARK: - Restrictions

    @Test("only allowed tokens are drawn, also when the model prefers others")
    func allowed() throws {
        let row: [Float] = [9, 0, 0, 9, 1]
        #expect(try support(parameters { $0.allowedTokenIDs = [4, 1, 4, 77, -3] }, row: row) == [1, 4])
        var greedy = SequenceSampler(
            parameters {
                $0.temperature = 0; $0.allowedTokenIDs = [2, 1]
            }, size: 5)
        #expect(try greedy.sample(copyOf: row).token == 1)
    }

    @Test("a bad word can't be completed, but its beginning stands alone")
    func badWords() throws {
        var sampler = SequenceSampler(
            parameters {
                $0.temperature = 0; $0.badWords = [[1, 2], [4]]
            }, size: 5)
        #expect(try sampler.sample(copyOf: [0, 0, 5, 0, 9]).token == 2)
        #expect(try sampler.sample(copyOf: [0, 9, 5, 0, 0]).token == 1)
        #expect(try sampler.sample(copyOf: [0, 1, 5, 0, 9]).token == 1)
        #expect(try sampler.sample(copyOf: [0, 0, 5, 4, 9]).token == 3)
    }

    @Test("EOS and stop ids wait for min_tokens")
    func minimumTokens() throws {
        let waiting = parameters {
            $0.temperature = 0
            $0.minimumTokens = 2
            $0.endOfSequenceIDs = [0]
            $0.stopTokenIDs = [1]
        }
        var sampler = SequenceSampler(waiting, size: 4)
        let row: [Float] = [9, 8, 1, 0]
        #expect(try (0..<3).map { _ in try sampler.sample(copyOf: row).token } == [2, 2, 0])
    }

    @Test("logit_bias adds, and can't bring back what is ruled out")
    func logitBias() throws {
        var sampler = SequenceSampler(
            parameters {
                $0.temperature = 0; $0.logitBias = [2: 100, 0: 50, 99: 1, -1: 1]
            }, size: 3)
        #expect(try sampler.sample(copyOf: [1, 40, -.infinity]).token == 0)
    }

    @Test("the repetition penalty looks at the prompt too, frequency and presence at the output alone")
    func penalties() throws {
        let row: [Float] = [4, 3, 2]
        let repetitive = parameters {
            $0.temperature = 0; $0.repetitionPenalty = 2
        }
        var repetition = SequenceSampler(repetitive, size: 3, prompt: [0])
        #expect(try (0..<3).map { _ in try repetition.sample(copyOf: row).token } == [1, 0, 0])
        let present = parameters {
            $0.temperature = 0; $0.presencePenalty = 1.5
        }
        var presence = SequenceSampler(present, size: 3, prompt: [0])
        #expect(try (0..<3).map { _ in try presence.sample(copyOf: row).token } == [0, 1, 0])
        var frequency = SequenceSampler(
            parameters {
                $0.temperature = 0; $0.frequencyPenalty = 0.6
            }, size: 3)
        #expect(try (0..<5).map { _ in try frequency.sample(copyOf: row).token } == [0, 0, 1, 0, 1])
    }

    // MARK: - Rows that are none

    @Test("a row with NaN, +infinity or nothing to draw from is an error", arguments: [Float(0), 1])
    func unusableRows(temperature: Float) {
        for position in [0, 5, 8, 20] {
            for (bad, error) in [(Float.nan, SamplingError.notANumber), (.infinity, .notANumber)] {
                var row = [Float](repeating: 1, count: 21)
                row[position] = bad
                var sampler = SequenceSampler(parameters { $0.temperature = temperature }, size: 21)
                #expect(throws: error) { try sampler.sample(copyOf: row) }
            }
        }
        let nothing = [Float](repeating: -.infinity, count: 21)
        var sampler = SequenceSampler(parameters { $0.temperature = temperature }, size: 21)
        #expect(throws: SamplingError.noCandidate) { try sampler.sample(copyOf: nothing) }
        var none = SequenceSampler(
            parameters {
                $0.temperature = temperature; $0.allowedTokenIDs = []
            }, size: 2)
        #expect(throws: SamplingError.noCandidate) { try none.sample(copyOf: [1, 2]) }
    }

    @Test("parameters out of all reason give a token or an error, never a trap")
    func extremes() throws {
        for temperature in [Float(1e-5), 1e-3, 1e30] {
            for repetition in [Float(1e-30), 1e30] {
                let extreme = parameters {
                    $0.temperature = temperature
                    $0.repetitionPenalty = repetition
                    $0.frequencyPenalty = 1e38
                    $0.topK = Int.max
                    $0.topP = 0.999
                    $0.minP = 1e-30
                }
                var sampler = SequenceSampler(extreme, size: 4, prompt: [0, 1, 2, 3])
                for _ in 0..<5 {
                    let token = try sampler.sample(copyOf: [1e30, -1e30, 0, .leastNonzeroMagnitude]).token
                    #expect((0..<4).contains(token))
                }
            }
        }
    }
}

extension SequenceSampler {
    /// Has the sampler draw `token`.
    mutating func force(_ token: TokenID, size: Int) throws(SamplingError) {
        var row = [Float](repeating: -.infinity, count: size)
        row[Int(token)] = 0
        _ = try sample(copyOf: row)
    }
}
