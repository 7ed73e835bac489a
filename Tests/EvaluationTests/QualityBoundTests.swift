import Evaluation
import Testing

@Suite("Bounds on quality")
struct QualityBoundTests {
    @Test(
        "a bound is a name, a comparison and a number, with or without spaces",
        arguments: [
            ("kl_mean>0.01", QualityMetric.divergenceMean, QualityBound.Comparison.above, 0.01),
            (" top1 <0.97", .topOneAgreement, .below, 0.97),
            ("choices <= 0.5 ", .choices, .notAbove, 0.5),
            ("perplexity_ratio>=1.05", .perplexityRatio, .notBelow, 1.05),
            ("kl_p99>1e-1", .divergencePercentile99, .above, 0.1),
        ])
    func parse(text: String, metric: QualityMetric, comparison: QualityBound.Comparison, limit: Double) throws {
        let bound = try QualityBound(text)
        #expect(bound.metric == metric && bound.comparison == comparison && bound.limit == limit)
        #expect(bound.description == text)
    }

    @Test("what is no bound is refused with what is wrong with it")
    func refused() {
        #expect(throws: QualityBoundError.noComparison("kl_mean=0.01")) { _ = try QualityBound("kl_mean=0.01") }
        #expect(throws: QualityBoundError.noComparison("")) { _ = try QualityBound("") }
        #expect(throws: QualityBoundError.unknownMetric("accuracy", "accuracy<1")) {
            _ = try QualityBound("accuracy<1")
        }
        #expect(throws: QualityBoundError.unknownMetric("", ">1")) { _ = try QualityBound(">1") }
        for number in ["", "high", "1 2", "nan", "inf", ">2", "=2"] {
            #expect(throws: QualityBoundError.self, "\(number)") { _ = try QualityBound("top1>=\(number)") }
        }
        #expect("\(QualityBoundError.unknownMetric("accuracy", "accuracy<1"))".contains("kl_mean, kl_median"))
    }

    @Test("a bound is broken on its side of the limit, on the limit where it says so, and by what is no number")
    func broken() throws {
        for (text, below, at, above) in [
            ("top1>0.5", false, false, true), ("top1>=0.5", false, true, true), ("top1<0.5", true, false, false),
            ("top1<=0.5", true, true, false),
        ] {
            let bound = try QualityBound(text)
            #expect(
                bound.isBroken(by: 0.4) == below && bound.isBroken(by: 0.5) == at && bound.isBroken(by: 0.6) == above)
            #expect(bound.isBroken(by: .nan))
        }
        #expect(try QualityBound("kl_max>10").isBroken(by: .infinity))
    }

    @Test("a metric says whether it needs a reference or questions")
    func needs() {
        let free = QualityMetric.allCases.filter { !$0.needsReference }
        #expect(free == [.perplexity, .choices, .choicesPlain])
        #expect(QualityMetric.allCases.filter(\.needsChoices) == [.choices, .choicesPlain, .choicesAgreement])
    }
}
