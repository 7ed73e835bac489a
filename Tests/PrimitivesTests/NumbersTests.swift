import Primitives
import Testing

@Suite("Random numbers and percentiles")
struct NumbersTests {
    @Test("a state gives the published sequence")
    func published() {
        // Vigna's splitmix64.c with the state 1234567.
        var random = SplitMix64(state: 1_234_567)
        let words = (0..<5).map { _ in random.next() }
        #expect(
            words == [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
                4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
            ])
    }

    @Test("uniform numbers are in [0, 1), half of them below one half")
    func uniform() {
        var random = SplitMix64(seed: 3)
        let numbers = (0..<10_000).map { _ in random.nextUniform() }
        #expect(numbers.allSatisfy { 0 <= $0 && $0 < 1 })
        #expect((4_800...5_200).contains(numbers.count { $0 < 0.5 }))
    }

    @Test("percentiles are interpolated between neighbours, and clamped at the ends")
    func percentiles() {
        // numpy.percentile([4, 1, 3, 2], [0, 25, 50, 99, 100])
        let values = [4.0, 1, 3, 2]
        #expect([0, 25, 50, 100].map { values.percentile($0) } == [1, 1.75, 2.5, 4])
        #expect(abs((values.percentile(99) ?? 0) - 3.97) < 1e-12)
        #expect(values.percentile(-1) == 1 && values.percentile(200) == 4)
        #expect([7.0].percentile(99) == 7)
        #expect([Double]().percentile(50) == nil)
    }
}
