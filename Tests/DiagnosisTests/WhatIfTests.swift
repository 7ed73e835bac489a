import Diagnosis
import JSON
import Testing

@Suite("What-if reports")
struct WhatIfTests {
    private static func figures(_ factor: Double, preemptions: Int = 0) -> WhatIfReport.Figures {
        WhatIfReport.Figures(
            firstTokenMedian: 0.2 * factor, firstTokenP99: 1.5 * factor, tokenMedian: 0.02 * factor,
            tokenP99: 0.11 * factor, generatedTokensPerSecond: 200 / factor, preemptionCount: preemptions)
    }

    private static func report() -> WhatIfReport {
        var report = WhatIfReport(
            source: "http://127.0.0.1:8000", seconds: 300, requestCount: 1412,
            generatedTokenCount: 60_000, unfinishedCount: 3, stepCount: 1213, stepError: 0.042, measured: figures(1.1),
            replayed: figures(1))
        report.scenarios = [
            .init(name: "max-num-batched-tokens=256", figures: figures(0.5)),
            .init(name: "max-num-seqs=4", figures: figures(2, preemptions: 1000)),
        ]
        report.scenarios[1].figures.tokenP99 = nil
        return report
    }

    @Test("the table has what was measured, the replay, and each scenario with its change to the replay")
    func table() {
        var report = Self.report()
        report.warnings = ["max-num-seqs=4: nobody knows."]
        #expect(
            WhatIfText(report).text == """
                300 s of http://127.0.0.1:8000: 1,412 requests, 60,000 tokens out (182/s)
                3 sequences had not ended yet and are left out.
                Costs of a step: learned from 1,213 of its own, of which half are within 4.2 %.

                                            first token                  between tokens  tokens out    preemptions
                                            P50            P99           P99
                measured                    220 ms         1.65 s        121 ms          182/s         0
                replayed                    200 ms         1.5 s         110 ms          200/s         0
                max-num-batched-tokens=256  100 ms -50 %   750 ms -50 %  55 ms -50 %     400/s +100 %  0
                max-num-seqs=4              400 ms +100 %  3 s +100 %    –               100/s -50 %   1,000

                Changes are to the replay. Requests come when they came: clients that wait for an answer before they
                ask again would have come at other times.
                ! max-num-seqs=4: nobody knows.

                """)
    }

    @Test("what the operator or a file wrote can't talk to the terminal")
    func printable() {
        var report = Self.report()
        report.source = "a\u{1B}[2Jb"
        report.scenarios[0].name = "x\u{7}\ny"
        let text = WhatIfText(report).text
        #expect(text.contains("a?[2Jb") && text.contains("x??y") && !text.contains("\u{1B}"))
    }

    @Test("as JSON all figures are there, in seconds")
    func json() throws {
        var writer = JSONWriter()
        var report = Self.report()
        report.warnings = ["few"]
        report.write(to: &writer)
        let document = try JSONParser.parse(writer.bytes)
        #expect(document["requests"] == 1412 && document["unfinished"] == 3 && document["step_error"] == 0.042)
        #expect(document["measured"]?["first_token_p99"]?.doubleValue == 1.5 * 1.1)
        #expect(document["replayed"]?["generated_tokens_per_second"]?.doubleValue == 200)
        let scenarios = try #require(document["scenarios"]?.arrayValue)
        #expect(scenarios.map { $0["settings"] } == ["max-num-batched-tokens=256", "max-num-seqs=4"])
        #expect(scenarios[0]["first_token_median"]?.doubleValue == 0.1 && scenarios[1]["preemptions"] == 1000)
        #expect(scenarios[1]["token_p99"]?.isNull == true)
        #expect(document["warnings"] == ["few"])
    }
}
