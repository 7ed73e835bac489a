// What steps cost, learned from steps.

import Primitives
import Simulation
import Testing
import Workload

@Suite("Step costs")
struct StepCostModelTests {
    /// A machine: 8 ms a step, rows cheap up to four and dear beyond, attention, and logits.
    private static func truth(_ step: StepSample) -> Double {
        let rows = Double(step.prefillRowCount + step.decodeRowCount)
        return 0.008 + 0.0002 * min(rows, 4) + 0.0009 * max(0, rows - 4) + 2e-7 * Double(step.attendedTokenCount)
            + 0.0003 * Double(step.logitRowCount)
    }

    /// Steps as a server has them: most decode, some have prompts beside.
    private static func steps(_ count: Int, seed: UInt64 = 1) -> [StepSample] {
        var random = SplitMix64(state: seed)
        return (0..<count).map { _ in
            let context = Int.random(in: 50...3000, using: &random)
            let decodes = Int.random(in: 1...32, using: &random)
            guard Int.random(in: 0..<6, using: &random) == 0 else { return step(decodes: decodes, context: context) }
            return step(
                decodes: decodes - 1, prefillRows: Int.random(in: 16...1024, using: &random), context: context)
        }
    }

    /// As measured: 5 % of noise, and one step in twenty takes three times as long.
    private static func measured(_ steps: [StepSample], seed: UInt64 = 2) -> [StepSample] {
        var random = SplitMix64(state: seed)
        return steps.map { step in
            var step = step
            step.seconds = truth(step) * Double.random(in: 0.95...1.05, using: &random)
            if Int.random(in: 0..<20, using: &random) == 0 { step.seconds *= 3 }
            return step
        }
    }

    @Test("costs are found again among noise and outliers, for steps that were not seen")
    func recovery() throws {
        let model = try StepCostModel(fittedTo: Self.measured(Self.steps(3000)))
        #expect(model.medianError < 0.04)
        for step in Self.steps(200, seed: 9) {
            #expect(abs(model.seconds(of: step) / Self.truth(step) - 1) < 0.03, "\(step)")
        }
    }

    @Test("without noise they are found exactly")
    func exactness() throws {
        let steps = Self.steps(400).map { step in
            var step = step
            step.seconds = Self.truth(step)
            return step
        }
        let model = try StepCostModel(fittedTo: steps)
        #expect(model.medianError < 1e-3)
        for step in Self.steps(100, seed: 9) {
            #expect(abs(model.seconds(of: step) / Self.truth(step) - 1) < 5e-3, "\(step)")
        }
    }

    @Test("a step with more of anything never costs less, also far outside of what was seen")
    func monotonicity() throws {
        let model = try StepCostModel(fittedTo: Self.measured(Self.steps(300)))
        var before = 0.0
        for exponent in 0...24 {
            let seconds = model.seconds(of: step(prefillRows: 1 << exponent))
            #expect(seconds.isFinite && seconds >= before)
            before = seconds
        }
        // Prompts of twice the rows take about twice the time, not the same.
        let ratio = model.seconds(of: step(prefillRows: 4096)) / model.seconds(of: step(prefillRows: 2048))
        #expect((1.7...3.5).contains(ratio), "\(ratio)")
        let sizes: [WritableKeyPath<StepSample, Int>] = [
            \.sequenceCount, \.prefillRowCount, \.decodeRowCount, \.logitRowCount, \.attendedTokenCount,
            \.contextTokenCount,
        ]
        for size in sizes {
            let small = step(decodes: 8)
            var large = small
            large[keyPath: size] += 1000
            #expect(model.seconds(of: large) >= model.seconds(of: small))
        }
    }

    @Test("a replay of measured steps takes as long together as they did, outliers and all")
    func sum() throws {
        var random = SplitMix64(state: 4)
        // One sequence alone decodes: all steps are alike but for their context.
        let seconds = (0..<2000).map { _ in
            0.01 * Double.random(in: 0.9...1.1, using: &random) * (Int.random(in: 0..<10, using: &random) == 0 ? 3 : 1)
        }
        let costs = try StepCostModel(fittedTo: seconds.map { step(decodes: 1, context: 100, seconds: $0) })
        let trace = workload(
            settings(), [WorkloadRequest(arrival: 0, promptTokenCount: 1, generatedTokenCounts: [2001])])
        let outcome = try Replay(trace, settings: settings(), costs: costs).run()
        let measured = seconds.reduce(0, +)
        #expect(abs(outcome.interTokenLatencies.reduce(0, +) / measured - 1) < 0.05)
        // One in ten takes three times as long, and so does the 99th percentile.
        #expect(try #require(outcome.interTokenLatencies.percentile(99)) > 0.027)
        #expect(try #require(outcome.interTokenLatencies.percentile(50)) < 0.0115)
    }

    @Test("a machine that is slow for a while is slow for as long in a replay, whatever the steps in between")
    func slowWhiles() throws {
        // 200 steps at the pace, then 200 at half of it; every fourth has a prompt.
        let measured = (0..<4000).map { index in
            var step = step(decodes: 1, seconds: index / 200 % 2 == 0 ? 0.01 : 0.02)
            guard index % 4 == 0 else { return step }
            step.prefillRowCount = 32
            step.seconds *= 4
            return step
        }
        let costs = try StepCostModel(fittedTo: measured)
        let trace = workload(
            settings(), [WorkloadRequest(arrival: 0, promptTokenCount: 1, generatedTokenCounts: [4001])])
        let gaps = try Replay(trace, settings: settings(), costs: costs, seed: 3).run().interTokenLatencies
        let isSlow = gaps.map { $0 > 0.015 }
        #expect((0.35...0.65).contains(Double(isSlow.count { $0 }) / Double(gaps.count)))
        // Independent draws would change at every other step.
        let changes = zip(isSlow, isSlow.dropFirst()).count { $0 != $1 }
        #expect((10...160).contains(changes), "\(changes)")
    }

    @Test("too few steps, or steps that no machine has, are refused by name")
    func refusals() throws {
        let few = Self.measured(Self.steps(31))
        #expect(throws: SimulationError.tooFewSteps(31)) { try StepCostModel(fittedTo: few) }
        // Those that computed nothing don't count.
        let idle = (0..<100).map { _ in step(seconds: 1) }
        #expect(throws: SimulationError.tooFewSteps(31)) { try StepCostModel(fittedTo: few + idle) }
        let changes: [(String, (inout StepSample) -> Void)] = [
            ("steps[3].seconds", { $0.seconds = .nan }), ("steps[3].seconds", { $0.seconds = .infinity }),
            ("steps[3].seconds", { $0.seconds = -1 }), ("steps[3].decodeRowCount", { $0.decodeRowCount = -1 }),
            ("steps[3].attendedTokenCount", { $0.attendedTokenCount = .max }),
        ]
        for (field, change) in changes {
            var steps = Self.measured(Self.steps(64))
            change(&steps[3])
            let error = #expect(throws: SimulationError.self) { try StepCostModel(fittedTo: steps) }
            #expect(error?.description.contains(field) == true, "\(field): \(String(describing: error))")
        }
        for extreme in [1e-300, 86_400] {
            var steps = Self.measured(Self.steps(64))
            for index in steps.indices where index % 2 == 0 { steps[index].seconds = extreme }
            if let model = try? StepCostModel(fittedTo: steps) {
                #expect(model.seconds(of: step(prefillRows: 1 << 30)).isFinite)
            }
        }
    }

    @Test("least squares without negative coefficients: slopes of 0 where a coefficient is free, no gain where it is 0")
    func solver() {
        var random = SplitMix64(state: 7)
        for _ in 0..<200 {
            let count = Int.random(in: 1...7, using: &random)
            let rows = (0..<12).map { _ in (0..<count).map { _ in Double.random(in: -1...1, using: &random) } }
            let values = rows.map { _ in Double.random(in: -1...1, using: &random) }
            let gram = (0..<count).map { left in
                (0..<count).map { right in rows.reduce(0) { $0 + $1[left] * $1[right] } }
            }
            let rhs = (0..<count).map { column in zip(rows, values).reduce(0) { $0 + $1.0[column] * $1.1 } }
            let solution = NonNegativeLeastSquares.solve(gram: gram, rhs: rhs)
            for index in 0..<count {
                let slope = rhs[index] - zip(gram[index], solution).reduce(0) { $0 + $1.0 * $1.1 }
                #expect(solution[index] >= 0)
                #expect(solution[index] > 0 ? abs(slope) < 1e-9 : slope < 1e-9)
            }
        }
    }
}
