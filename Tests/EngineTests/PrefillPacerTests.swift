// How much of a prompt a step may compute beside running streams.

import Engine
import Scheduling
import Testing

@Suite("Prefill pacer")
struct PrefillPacerTests {
    /// A machine on which a step of streams alone takes 20 ms and a row of a prompt 1 ms.
    private static func pacer(slowdown: Double = 2.5) -> PrefillPacer {
        var pacer = PrefillPacer(slowdown: slowdown)
        pacer.note(prefillRows: 512, decodeRows: 0, seconds: 0.512)
        pacer.note(prefillRows: 0, decodeRows: 4, seconds: 0.02)
        return pacer
    }

    @Test("prompts get what keeps a step within the slowdown, in whole tiles of rows")
    func bound() {
        #expect(Self.pacer().rows(besideDecodes: 4) == 28)
        #expect(Self.pacer(slowdown: 5).rows(besideDecodes: 4) == 76)
        #expect(Self.pacer(slowdown: 1.01).rows(besideDecodes: 4) == 16)
    }

    @Test(
        "several prompts get more, by how many they are beside the streams, up to a tenth of a second"
    )
    func crowd() {
        #expect(Self.pacer().rows(besideDecodes: 4, prompts: 1) == 28)
        // 30 ms, and as much again for each four further ones.
        #expect(Self.pacer().rows(besideDecodes: 4, prompts: 5) == 60)
        #expect(Self.pacer().rows(besideDecodes: 4, prompts: 1000) == 92)
        #expect(Self.pacer(slowdown: 9).rows(besideDecodes: 4, prompts: 9) == 156, "never less than one alone")
        #expect(Self.pacer(slowdown: 0).rows(besideDecodes: 4, prompts: 1000) == nil)
        #expect(
            Self.pacer().allowance(besideDecodes: 4, urgent: 2, prompts: 9)
                == PrefillAllowance(rows: 94, yieldingRows: 64))
    }

    @Test("nothing is bound without streams, or where no slowdown is set")
    func unbound() {
        #expect(Self.pacer().rows(besideDecodes: 0) == nil)
        #expect(Self.pacer(slowdown: 0).rows(besideDecodes: 4) == nil)
    }

    @Test("before anything is known prompts go slowly")
    func beginning() {
        #expect(PrefillPacer(slowdown: 2.5).rows(besideDecodes: 4) == 64)
    }

    @Test("many streams, of which no step alone has been seen, count as much as so many rows of prompts")
    func unseenBatch() {
        #expect(Self.pacer().rows(besideDecodes: 64) == 96)
    }

    @Test("an urgent prompt is slowed down for urgent streams alone, and the others' prompts for all")
    func givingWay() {
        let pacer = Self.pacer()
        #expect(pacer.allowance(besideDecodes: 4, urgent: nil) == PrefillAllowance(rows: 28))
        #expect(pacer.allowance(besideDecodes: 4, urgent: 0) == PrefillAllowance(yieldingRows: 28))
        #expect(pacer.allowance(besideDecodes: 64, urgent: 4) == PrefillAllowance(rows: 96, yieldingRows: 64))
        #expect(pacer.allowance(besideDecodes: 4, urgent: 4) == PrefillAllowance(rows: 28, yieldingRows: 28))
    }

    @Test("prompts that give way are computed in short steps, whether there are streams or not")
    func shortSteps() {
        #expect(Self.pacer().allowance(besideDecodes: 0, urgent: 0) == PrefillAllowance(yieldingRows: 64))
        var fast = PrefillPacer(slowdown: 2.5)
        #expect(fast.allowance(besideDecodes: 0, urgent: 0) == PrefillAllowance(yieldingRows: 64))
        fast.note(prefillRows: 512, decodeRows: 0, seconds: 0.0512)
        #expect(fast.allowance(besideDecodes: 0, urgent: 0) == PrefillAllowance(yieldingRows: 496))
        #expect(
            Self.pacer(slowdown: 0).allowance(besideDecodes: 4, urgent: 0) == PrefillAllowance(),
            "where no slowdown is set nothing is bound")
    }

    @Test("what a step took beside streams corrects what a row takes")
    func learning() {
        var pacer = Self.pacer()
        for _ in 0..<100 { pacer.note(prefillRows: 28, decodeRows: 4, seconds: 0.02 + 28 * 0.004) }
        // 7 rows keep it within the slowdown: less than a tile.
        #expect(pacer.rows(besideDecodes: 4) == 16)
        for _ in 0..<200 { pacer.note(prefillRows: 16, decodeRows: 4, seconds: 0.02 + 16 * 0.0005) }
        #expect((44...60).contains(pacer.rows(besideDecodes: 4) ?? 0))
    }
}
