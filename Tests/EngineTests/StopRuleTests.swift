// When a sequence ends by what it has produced.

import Engine
import Primitives
import Sampling
import Testing

@Suite("Stop rule")
struct StopRuleTests {
    private static func rule(_ change: (inout SamplingParameters) -> Void = { _ in }) -> StopRule {
        var parameters = SamplingParameters()
        parameters.endOfSequenceIDs = [2, 3]
        parameters.stopTokenIDs = [3, 4]
        parameters.maximumTokens = 5
        change(&parameters)
        return StopRule(parameters: parameters, promptTokenCount: 10, maxModelLength: 14)
    }

    @Test(
        "EOS comes before the client's ids, those before the length",
        arguments: [
            (TokenID(2), 1, StopRule.Verdict(reason: .stop)),
            (3, 1, StopRule.Verdict(reason: .stop)),
            (4, 1, StopRule.Verdict(reason: .stop, stopTokenID: 4)),
            (4, 4, StopRule.Verdict(reason: .stop, stopTokenID: 4)),
            (2, 4, StopRule.Verdict(reason: .stop)),
            (9, 4, StopRule.Verdict(reason: .length)),
            (9, 3, nil),
        ])
    func order(token: TokenID, count: Int, verdict: StopRule.Verdict?) {
        #expect(Self.rule().verdict(on: token, generatedCount: count) == verdict)
    }

    @Test("an ignored EOS still ends a sequence if the client names it")
    func ignoredEOS() {
        let rule = Self.rule { $0.ignoreEOS = true }
        #expect(rule.verdict(on: 2, generatedCount: 1) == nil)
        #expect(rule.verdict(on: 3, generatedCount: 1) == StopRule.Verdict(reason: .stop, stopTokenID: 3))
    }

    @Test("the smaller of max_tokens and the room in the context counts")
    func lengths() {
        #expect(Self.rule { $0.maximumTokens = 2 }.verdict(on: 9, generatedCount: 2)?.reason == .length)
        #expect(Self.rule { $0.maximumTokens = .max }.verdict(on: 9, generatedCount: 3) == nil)
        #expect(Self.rule { $0.maximumTokens = .max }.verdict(on: 9, generatedCount: 4)?.reason == .length)
    }
}
