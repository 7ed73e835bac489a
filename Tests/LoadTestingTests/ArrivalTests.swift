import LoadTesting
import Testing

@Suite("Arrivals")
struct ArrivalTests {
    @Test("a seed repeats the arrivals, another one changes them")
    func seeds() throws {
        let process = try ArrivalProcess(requestRate: 10)
        #expect(process.offsets(count: 100, seed: 5) == process.offsets(count: 100, seed: 5))
        #expect(process.offsets(count: 100, seed: 5) != process.offsets(count: 100, seed: 6))
    }

    @Test("at a steady rate the last request is due at count over rate", arguments: [0.2, 0.5, 1, 3, .infinity])
    func meanRate(burstiness: Double) throws {
        let offsets = try ArrivalProcess(requestRate: 8, burstiness: burstiness).offsets(count: 1000, seed: 1)
        #expect(abs((offsets.last ?? 0) - 125) < 1e-9)
        #expect(zip(offsets, offsets.dropFirst()).allSatisfy { $0 <= $1 })
    }

    @Test("gaps vary as the gamma distribution says: their variance is mean² over burstiness", arguments: [0.5, 1, 4])
    func variance(burstiness: Double) throws {
        let count = 20_000
        let offsets = try ArrivalProcess(requestRate: 1, burstiness: burstiness).offsets(count: count, seed: 3)
        let gaps = zip([0] + offsets, offsets).map { $1 - $0 }
        let variance = gaps.reduce(0) { $0 + ($1 - 1) * ($1 - 1) } / Double(count)
        #expect(abs(variance * burstiness - 1) < 0.08)
    }

    @Test("without a rate all requests are due at once")
    func atOnce() throws {
        #expect(try ArrivalProcess().offsets(count: 3, seed: 0) == [0, 0, 0])
    }

    @Test("an even process has even gaps")
    func even() throws {
        let offsets = try ArrivalProcess(requestRate: 4, burstiness: .infinity).offsets(count: 4, seed: 0)
        #expect(offsets == [0.25, 0.5, 0.75, 1])
    }

    @Test("a ramp goes from its first to its last rate")
    func rampUp() throws {
        let linear = try ArrivalProcess(rampUp: .init(strategy: "linear", startRate: 2, endRate: 10))
        #expect([0, 2, 4].map { linear.rate(at: $0, of: 5) } == [2, 6, 10])
        let exponential = try ArrivalProcess(rampUp: .init(strategy: "exponential", startRate: 1, endRate: 16))
        #expect([0, 1, 2].map { exponential.rate(at: $0, of: 3) } == [1, 4, 16])
        // Ten thousand requests at 1 and 16 per second take longer than at 16 and less long than at 1.
        let last = exponential.offsets(count: 10_000, seed: 0).last ?? 0
        #expect(last > 10_000 / 16 && last < 10_000)
    }

    @Test("rates and ramps that make no sense are refused")
    func refusals() {
        #expect(throws: LoadTestError.self) { try ArrivalProcess(requestRate: 0) }
        #expect(throws: LoadTestError.self) { try ArrivalProcess(requestRate: .nan) }
        #expect(throws: LoadTestError.self) { try ArrivalProcess(burstiness: 0) }
        #expect(throws: LoadTestError.self) { try ArrivalProcess.RampUp(strategy: "cubic", startRate: 1, endRate: 2) }
        #expect(throws: LoadTestError.self) {
            try ArrivalProcess.RampUp(strategy: "linear", startRate: 1, endRate: nil)
        }
        #expect(throws: LoadTestError.self) { try ArrivalProcess.RampUp(strategy: "linear", startRate: 3, endRate: 2) }
        #expect(throws: LoadTestError.self) {
            try ArrivalProcess(requestRate: 5, rampUp: .init(strategy: "linear", startRate: 1, endRate: 2))
        }
    }
}
