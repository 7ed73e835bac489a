// What the tests of the simulation share.

import Primitives
import Simulation
import Workload

/// A step of so many rows; its sequences stand at `context` tokens.
func step(decodes: Int = 0, prefillRows: Int = 0, context: Int = 100, seconds: Double = 0) -> StepSample {
    let prompts = prefillRows > 0 ? 1 : 0
    return StepSample(
        sequenceCount: decodes + prompts, prefillRowCount: prefillRows, decodeRowCount: decodes,
        logitRowCount: decodes + prompts, attendedTokenCount: decodes * context + prefillRows * (prefillRows + 1) / 2,
        contextTokenCount: decodes * context + prefillRows, seconds: seconds)
}

/// 10 ms a step, 1 ms a row, a microsecond a token of context.
func plainCosts() throws -> StepCostModel {
    try StepCostModel(perStep: 0.01, perRow: 0.001, perContextToken: 1e-6)
}

func settings(
    blockSize: Int = 16, blockCount: Int = 512, maxModelLength: Int = 4096,
    _ change: (inout WorkloadSettings) -> Void = { _ in }
) -> WorkloadSettings {
    var settings = WorkloadSettings(maxModelLength: maxModelLength, blockSize: blockSize, blockCount: blockCount)
    settings.schedulerDelay = 0
    change(&settings)
    return settings
}

func workload(_ settings: WorkloadSettings, _ requests: [WorkloadRequest]) -> Workload {
    var workload = Workload(duration: requests.map(\.arrival).max() ?? 0, settings: settings)
    workload.requests = requests
    return workload
}

/// Requests of all kinds that 23 blocks of 16 can hold: samples, tenants, priorities, prefixes, clients that leave.
func randomRequests(_ count: Int, using random: inout SplitMix64) -> [WorkloadRequest] {
    var arrival = 0.0
    return (0..<count).map { _ in
        arrival += Double.random(in: 0...0.1, using: &random)
        let prompt = Int.random(in: 1...300, using: &random)
        let samples = Int.random(in: 0..<4, using: &random) == 0 ? 3 : 1
        var request = WorkloadRequest(
            arrival: arrival, promptTokenCount: prompt,
            generatedTokenCounts: (0..<samples).map { _ in Int.random(in: 1...60, using: &random) })
        request.priority = Int.random(in: -1...1, using: &random)
        request.tenant = Int.random(in: 0...1, using: &random)
        if Bool.random(using: &random) {
            // One of two families of prompts, alike up to some block.
            let family = UInt64.random(in: 0...1, using: &random), alike = Int.random(in: 0...18, using: &random)
            let own = random.next()
            request.prefixBlocks = (0..<prompt / 16).map {
                SplitMix64.mixed(($0 < alike ? family : own) &+ UInt64($0) &* 1_000_003 &+ 7)
            }
        }
        if Int.random(in: 0..<8, using: &random) == 0 {
            request.wasAborted = true
            if samples == 1, Bool.random(using: &random) {
                request.generatedTokenCounts = [0]
                request.endLatency = Double.random(in: 0...0.5, using: &random)
            }
        }
        return request
    }
}
