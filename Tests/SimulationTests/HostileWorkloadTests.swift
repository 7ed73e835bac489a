// Workloads that nobody measured: what can't be replayed is refused by the name of its field.

import Simulation
import Testing
import Workload

@Suite("Hostile workloads")
struct HostileWorkloadTests {
    private static func request() -> WorkloadRequest {
        WorkloadRequest(arrival: 0, promptTokenCount: 10, generatedTokenCounts: [3])
    }

    private static func refusal(
        _ load: Workload, _ own: WorkloadSettings, replicas: Int = 1, arrangement: Arrangement = .continuousPaged
    ) throws -> String? {
        let costs = try plainCosts()
        let error = #expect(throws: SimulationError.self) {
            try Replay(load, settings: own, costs: costs, replicas: replicas, arrangement: arrangement).run()
        }
        return error?.description
    }

    @Test("requests")
    func requests() throws {
        let changes: [(String, (inout WorkloadRequest) -> Void)] = [
            ("arrival", { $0.arrival = .nan }), ("arrival", { $0.arrival = -1 }), ("arrival", { $0.arrival = 1e300 }),
            ("arrival", { $0.arrival = .infinity }), ("promptTokenCount", { $0.promptTokenCount = 0 }),
            ("promptTokenCount", { $0.promptTokenCount = .min }), ("promptTokenCount", { $0.promptTokenCount = .max }),
            ("generatedTokenCounts", { $0.generatedTokenCounts = [] }),
            ("generatedTokenCounts", { $0.generatedTokenCounts = [-1] }),
            ("generatedTokenCounts", { $0.generatedTokenCounts = [.max] }),
            ("generatedTokenCounts", { $0.generatedTokenCounts = Array(repeating: 1, count: 100_000) }),
            ("tenant", { $0.tenant = -1 }), ("tenant", { $0.tenant = 1 }), ("endLatency", { $0.endLatency = .nan }),
        ]
        for (field, change) in changes {
            var request = Self.request()
            change(&request)
            let text = try Self.refusal(workload(settings(), [Self.request(), request]), settings())
            #expect(text?.contains("requests[1].\(field)") == true, "\(field): \(text ?? "")")
        }
    }

    @Test("settings")
    func settingsOfAnyKind() throws {
        let changes: [(String, (inout WorkloadSettings) -> Void)] = [
            ("maxModelLength", { $0.maxModelLength = 0 }), ("maxModelLength", { $0.maxModelLength = .max }),
            ("blockSize", { $0.blockSize = 0 }), ("blockSize", { $0.blockSize = .max }),
            ("blockCount", { $0.blockCount = 0 }), ("blockCount", { $0.blockCount = .max }),
            ("slots", { ($0.blockSize, $0.blockCount) = (1 << 20, 1 << 20) }),
            ("maxRunningSequences", { $0.maxRunningSequences = 0 }), ("maxBatchedTokens", { $0.maxBatchedTokens = -5 }),
            ("maxLogitRows", { $0.maxLogitRows = 0 }), ("maxPrefillChunk", { $0.maxPrefillChunk = 0 }),
            ("maxBypassCount", { $0.maxBypassCount = -1 }), ("maxDecodeSlowdown", { $0.maxDecodeSlowdown = .nan }),
            ("policy", { $0.policy = "lifo" }), ("priorityAging", { $0.priorityAging = .infinity }),
            ("schedulerDelay", { $0.schedulerDelay = -1 }), ("tenants", { $0.tenants = [] }),
            ("tenants[0].weight", { $0.tenants[0].weight = 0 }),
            ("tenants[0].weight", { $0.tenants[0].weight = .nan }),
            ("tenants[0].maxBlocks", { $0.tenants[0].maxBlocks = 0 }),
            ("tenants[0].maxRunningSequences", { $0.tenants[0].maxRunningSequences = -1 }),
        ]
        for (field, change) in changes {
            var own = settings()
            change(&own)
            for arrangement in Arrangement.allCases {
                let text = try Self.refusal(workload(settings(), [Self.request()]), own, arrangement: arrangement)
                #expect(text?.contains(field) == true, "\(field): \(text ?? "")")
            }
        }
        for replicas in [0, -1, 1000] {
            let text = try Self.refusal(workload(settings(), [Self.request()]), settings(), replicas: replicas)
            #expect(text?.contains("replicas") == true)
        }
        var captured = settings()
        captured.blockSize = 0
        #expect(try Self.refusal(workload(captured, [Self.request()]), settings())?.contains("blockSize") == true)
        // Not even one sequence has room.
        let small = settings(blockCount: 10)
        let text = try Self.refusal(
            workload(small, [Self.request()]), small, arrangement: .continuousContiguous)
        #expect(text?.contains("fit the KV cache") == true)
    }

    @Test("more work than anybody waits for")
    func endless() throws {
        var own = settings(blockCount: 4, maxModelLength: 1 << 24)
        own.maxRunningSequences = 1
        let costs = try StepCostModel(perStep: 3600, perRow: 0, perContextToken: 3600)
        let requests = (0..<2000).map {
            WorkloadRequest(arrival: Double($0), promptTokenCount: 40, generatedTokenCounts: [20])
        }
        // An hour for each token of context, two thousand times 20 steps: more than a clock holds.
        let error = #expect(throws: SimulationError.self) {
            try Replay(workload(own, requests), settings: own, costs: costs).run()
        }
        #expect(error.map { if case .tooLong = $0 { true } else { false } } == true)
        let prompts = (0..<4000).map { _ in
            WorkloadRequest(arrival: 0, promptTokenCount: 1 << 24, generatedTokenCounts: [1])
        }
        #expect(try Self.refusal(workload(own, prompts), own)?.contains("blocks of all prompts") == true)
    }

    @Test("costs that are none")
    func costs() {
        for value in [-1, .nan, .infinity, 1e9] {
            #expect(throws: SimulationError.self) {
                try StepCostModel(perStep: value, perRow: 0.1, perContextToken: 0)
            }
            #expect(throws: SimulationError.self) {
                try StepCostModel(perStep: 0.1, perRow: value, perContextToken: 0)
            }
        }
        #expect(throws: SimulationError.self) { try StepCostModel(perStep: 0, perRow: 0, perContextToken: 1) }
    }

    @Test("nothing at all comes to nothing")
    func empty() throws {
        let outcome = try Replay(workload(settings(), []), settings: settings(), costs: plainCosts()).run()
        #expect(outcome == ReplayOutcome() && outcome.outputTokensPerSecond == 0 && outcome.cacheUtilization == 1)
    }
}
