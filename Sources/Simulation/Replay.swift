// A workload again, under other settings, in simulated time.

internal import Primitives
internal import Scheduling
public import Workload

/// Replays a workload on servers with these settings.
///
/// Who runs when is decided by the real `Scheduler` and the real `PrefillPacer`, told in the engine's order of what
/// came and what was drawn; what a step takes, by the cost model and what steps spread about it, drawn from a seed. So
/// the same replay has the same outcome, on any machine. What is not simulated: everything before the engine (HTTP,
/// templates, tokenising), requests that the server turned away, and answers that depend on time, such as deadlines.
///
/// With several replicas, each arrival goes to the one that has the fewest sequences, running and waiting, at that
/// moment; of equals to the first.
public struct Replay: Sendable {
    private let plan: ReplayPlan
    private let replicas: Int

    /// - Parameters:
    ///   - settings: Of each replica.
    ///   - seed: Of what steps take beside their costs.
    ///
    /// Throws for what no server has, naming the field.
    public init(
        _ workload: Workload, settings: WorkloadSettings, costs: StepCostModel, replicas: Int = 1,
        arrangement: Arrangement = .continuousPaged, seed: UInt64 = 0
    ) throws(SimulationError) {
        // Before anything is computed of them.
        _ = try SchedulerLimits(settings)
        try ReplayLimits.check(workload, blockSize: settings.blockSize)
        let applied = try arrangement.applied(to: settings)
        let limits = try SchedulerLimits(applied)
        try checked(replicas, in: 1...ReplayLimits.mostReplicas, "replicas")
        try checked(
            limits.blockCount * replicas, in: 1...ReplayLimits.mostBlocksOfAll, "blocks of all replicas")
        for (index, request) in workload.requests.enumerated() {
            try checked(request.tenant, in: 0...limits.tenants.count - 1, "requests[\(index)].tenant")
        }
        // A file may have them in any order; of equal times whoever comes first there.
        let requests = workload.requests
        let order = requests.indices.sorted {
            (requests[$0].arrival, $0) < (requests[$1].arrival, $1)
        }
        plan = ReplayPlan(
            requests: requests, limits: limits, costs: costs,
            names: BlockNames(blockSize: applied.blockSize, capturedSize: workload.settings.blockSize),
            cachesPrefixes: applied.cachesPrefixes, maxDecodeSlowdown: applied.maxDecodeSlowdown,
            isStatic: arrangement.isStatic, seed: seed, order: order)
        self.replicas = replicas
    }

    /// To the end of the last request.
    ///
    /// - Parameter eachStep: Shown every step as it is planned, with its seconds.
    public func run(eachStep: (StepSample) -> Void = { _ in }) throws(SimulationError) -> ReplayOutcome {
        let servers = (0..<replicas).map { SimulatedServer(plan, number: $0) }
        for request in plan.order {
            let now = plan.arrival(of: request)
            for server in servers { try server.advance(before: now, eachStep: eachStep) }
            var chosen = servers[0]
            for server in servers where server.openCount < chosen.openCount { chosen = server }
            chosen.accept(request)
        }
        for server in servers { try server.advance(before: nil, eachStep: eachStep) }
        var outcome = ReplayOutcome()
        for server in servers { outcome.add(server.outcome) }
        if let first = plan.order.first, let last = servers.compactMap(\.lastEnd).max() {
            outcome.makespan = last.seconds(since: plan.arrival(of: first))
        }
        return outcome
    }
}
