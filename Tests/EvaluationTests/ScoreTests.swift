import Evaluation
import Foundation
import Primitives
import Testing

@Suite("Scores")
struct ScoreTests {
    private func score(_ logits: [Float], _ token: TokenID) -> RowScore {
        RowScore(logits.span, followedBy: token)
    }

    private func compared(_ logits: [Float], _ reference: [Float], _ token: TokenID) -> ComparedRow {
        ComparedRow(logits.span, reference: reference.span, followedBy: token)
    }

    @Test("a uniform row costs log of the vocabulary, and perplexity is its size")
    func uniform() {
        var perplexity = Perplexity()
        for token in 0..<4 {
            let score = self.score([5, 5, 5, 5], TokenID(token))
            #expect(agree(score.negativeLogLikelihood, log(4), within: 1e-15))
            #expect(score.best == 0)
            perplexity.add(score.negativeLogLikelihood)
        }
        #expect(agree(perplexity.value, 4, within: 1e-15))
        #expect(perplexity.standardError.magnitude < 1e-15 && perplexity.count == 4)
    }

    @Test("the standard error of two losses is that of their mean, carried through the exponential")
    func standardError() {
        var perplexity = Perplexity()
        #expect(perplexity.value.isNaN && perplexity.standardError.isNaN)
        perplexity.add(1)
        #expect(perplexity.standardError.isNaN)
        perplexity.add(3)
        // The sample deviation is √2, of the mean √2/√2.
        #expect(agree(perplexity.value, exp(2.0)) && agree(perplexity.standardError, exp(2.0)))
    }

    @Test("divergence of two rows by hand")
    func divergence() {
        let row = compared([1, 0], [0, 0], 1)
        #expect(agree(row.divergence, log(1 + exp(1.0)) - 0.5 - log(2.0), within: 1e-14))
        #expect(agree(row.score.negativeLogLikelihood, log(1 + exp(1.0))))
        #expect(agree(row.reference.negativeLogLikelihood, log(2.0)))
        #expect(row.score.best == 0 && row.reference.best == 0)
    }

    @Test("a row beside itself diverges by exactly nothing, and never by less")
    func itself() throws {
        for row in try EvaluationGolden().logits {
            #expect(compared(row, row, 0).divergence == 0)
            let nudged = row.map(\.nextUp)
            #expect(compared(nudged, row, 0).divergence >= 0)
        }
    }

    @Test("what the reference rules out counts nothing; what the model rules out is infinitely far")
    func ruledOut() {
        let row = compared([1, 0], [0, -.infinity], 0)
        #expect(agree(row.divergence, log(1 + exp(1.0)) - 1))
        #expect(compared([0, -.infinity], [0, 0], 0).divergence == .infinity)
    }

    @Test("rows that are not finite give no finite score", arguments: [Float.nan, .infinity])
    func notFinite(value: Float) {
        #expect(!score([0, value], 0).negativeLogLikelihood.isFinite)
        #expect(!compared([0, value], [0, 0], 0).divergence.isFinite)
        #expect(!compared([0, 0], [0, value], 0).divergence.isFinite)
        #expect(!score([0, 0], 2).negativeLogLikelihood.isFinite)
        #expect(!score([0, 0], -1).negativeLogLikelihood.isFinite)
    }

    @Test("losses, perplexities and divergences of random tables equal SciPy's")
    func golden() throws {
        let golden = try EvaluationGolden()
        let losses = try golden.numbers("perplexity", "losses")
        let referenceLosses = try golden.numbers("referencePerplexity", "losses")
        let divergences = try golden.numbers("divergences")
        var perplexity = Perplexity(), divergence = Divergence()
        for (index, token) in golden.tokens.enumerated() {
            let row = compared(golden.logits[index], golden.reference[index], token)
            #expect(row.score == score(golden.logits[index], token))
            #expect(agree(row.score.negativeLogLikelihood, losses[index]))
            #expect(agree(row.reference.negativeLogLikelihood, referenceLosses[index]))
            #expect((row.divergence - divergences[index]).magnitude < 1e-13)
            perplexity.add(row.score.negativeLogLikelihood)
            divergence.add(row)
        }
        #expect(perplexity.count == golden.tokens.count && divergence.reference.count == golden.tokens.count)
        #expect(agree(perplexity.value, try golden.number("perplexity", "value")))
        #expect(agree(perplexity.standardError, try golden.number("perplexity", "standardError")))
        #expect(agree(divergence.reference.value, try golden.number("referencePerplexity", "value")))
        #expect(agree(divergence.reference.standardError, try golden.number("referencePerplexity", "standardError")))
        #expect(agree(divergence.summary.mean, try golden.number("mean")))
        #expect(agree(divergence.summary.median, try golden.number("median")))
        #expect(agree(divergence.summary.percentile99, try golden.number("percentile99")))
        #expect(agree(divergence.summary.maximum, try golden.number("maximum")))
        #expect(agree(divergence.agreement, try golden.number("agreement")))
    }
}
