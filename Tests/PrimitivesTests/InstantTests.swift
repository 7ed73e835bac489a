import Primitives
import Testing

@Suite("Instants")
struct InstantTests {
    @Test("the clock never goes back")
    func monotonic() {
        var last = Instant.now()
        for _ in 0..<1_000 {
            let next = Instant.now()
            #expect(next >= last)
            last = next
        }
    }

    @Test("an interval is in seconds, and never negative")
    func intervals() {
        let start = Instant(nanoseconds: 1_000_000_000)
        let end = start.advanced(by: .milliseconds(1_500))
        #expect(end.nanoseconds == 2_500_000_000)
        #expect(end.seconds(since: start) == 1.5)
        #expect(start.seconds(since: end) == 0)
    }
}
