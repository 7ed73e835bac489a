import Diagnosis
import Testing

@Suite("Rules, tenants")
struct TenantRuleTests {
    /// All slots are taken, most of the queue is the batch job's.
    private static func crowded() -> Scrapes {
        var scrapes = Scrapes()
        scrapes.busy(steps: 200, sequences: 128, multiplyAdds: 860e9, bytes: 19e9)
        scrapes.gauge("vllm:num_requests_waiting", 380)
        scrapes.counter("pagoda_request_seconds_total{part=\"queue_slots\"}", 90)
        scrapes.counter("pagoda_request_seconds_total{part=\"decode\"}", 10)
        return scrapes
    }

    private static func finding(_ scrapes: Scrapes) throws -> Finding? {
        try scrapes.verdict.findings.first { $0.limit == .tenant }
    }

    @Test("a tenant that has most of the tokens while another's requests wait is named first, with a file for it")
    func withoutFile() throws {
        var scrapes = Self.crowded()
        scrapes.tenant("default", computed: 0)
        scrapes.tenant("batch", computed: 9_700, unanswered: 360, answered: 126, firstTokens: (13, 30))
        scrapes.tenant("online", computed: 300, unanswered: 20, answered: 2, firstTokens: (3, 24))
        scrapes.tenant("other", computed: 0)
        let verdict = try scrapes.verdict
        #expect(verdict.main.limit == .tenant && verdict.severity == .trouble)
        #expect(
            verdict.main.sentence == """
                The tenant batch has 97 % of the computed tokens, while 20 requests of online wait for their first \
                token, which takes 24 s.
                """)
        #expect(verdict.findings.map(\.limit).contains(.slots))
        let advice = try #require(verdict.main.advice.first)
        #expect(advice.direction == .use && advice.setting.contains("--tenant-file") && verdict.main.advice.count == 1)
        #expect(advice.reason.contains("`tenants: [{name: batch, priority: 1000, max_sequences: 8}]`"))
        let evidence = try #require(verdict.main.evidence.first)
        #expect(evidence.meaning == "tokens computed for batch" && evidence.quantity.value == 970)
    }

    @Test("where a tenant file is in force, its knobs are named")
    func withFile() throws {
        var scrapes = Self.crowded()
        scrapes.tenant("batch", computed: 900, unanswered: 400, answered: 100, settings: ["weight": 0.5])
        scrapes.tenant("online", computed: 100, unanswered: 20)
        let settings = try #require(try Self.finding(scrapes)).advice.map { "\($0.direction.rawValue) \($0.setting)" }
        #expect(
            settings == [
                "raise priority of batch in the tenant file", "set max_sequences of batch in the tenant file",
                "raise weight of online in the tenant file",
            ])
        scrapes = Self.crowded()
        scrapes.tenant(
            "batch", computed: 900, unanswered: 400, answered: 100, settings: ["priority": 5, "max_sequences": 100])
        scrapes.tenant("online", computed: 100, unanswered: 20)
        let finding = try #require(try Self.finding(scrapes))
        #expect(finding.advice.map(\.setting) == ["max_sequences of batch in the tenant file"])
        #expect(finding.advice[0].direction == .lower && finding.advice[0].reason.hasPrefix("it is 100:"))
    }

    @Test("a batch job that gives way, and waits for itself alone, is no trouble")
    func harmless() throws {
        var scrapes = Self.crowded()
        scrapes.tenant(
            "batch", computed: 9_500, unanswered: 480, answered: 8, settings: ["priority": 1000, "max_sequences": 8])
        scrapes.tenant("online", computed: 500, unanswered: 0.1, answered: 0.6, firstTokens: (10, 0.1))
        #expect(try Self.finding(scrapes) == nil)
    }

    @Test("a tenant that is alone is not blamed, however much waits")
    func alone() throws {
        var scrapes = Self.crowded()
        scrapes.tenant("default", computed: 9_000, unanswered: 400, answered: 128)
        scrapes.tenant("other", computed: 0)
        #expect(try Self.finding(scrapes) == nil)
    }

    @Test("whoever has no more than its due is not blamed", arguments: [(1.0, 520.0), (4, 820)])
    func fairShare(weight: Double, computed: Double) throws {
        var scrapes = Self.crowded()
        scrapes.tenant("a", computed: computed, unanswered: 200, answered: 64, settings: ["weight": weight])
        scrapes.tenant("b", computed: 1_000 - computed, unanswered: 200, answered: 64)
        #expect(try Self.finding(scrapes) == nil)
    }

    @Test("what waits by the operator's will is not another's fault")
    func byWill() throws {
        var scrapes = Self.crowded()
        scrapes.tenant("chat", computed: 900, answered: 20)
        scrapes.tenant("batch", computed: 100, unanswered: 400, answered: 1, settings: ["priority": 1000])
        #expect(try Self.finding(scrapes) == nil, "a less urgent one waits for a more urgent one")
        scrapes = Self.crowded()
        scrapes.tenant("chat", computed: 900, answered: 20)
        scrapes.tenant("batch", computed: 100, unanswered: 400, answered: 2, settings: ["max_sequences": 2])
        #expect(try Self.finding(scrapes) == nil, "one at its ceiling waits for itself")
    }
}
