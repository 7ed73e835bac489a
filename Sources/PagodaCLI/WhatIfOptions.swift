// Options of `pagoda doctor` about what other settings would do, and how they are answered.

internal import ArgumentParser
internal import Diagnosis
internal import LoadTesting
internal import Primitives
internal import Simulation
internal import Workload

struct WhatIfOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            Replay the server's last requests under other settings: SETTING=VALUE[,SETTING=VALUE…]; each option is \
            one scenario.
            """, valueName: "settings"))
    var whatIf: [String] = []

    @Option(help: "With --what-if: a capture in a file, instead of the server's own.")
    var capture: String?

    @Option(help: "Write what --what-if replays to this file, for later.")
    var saveCapture: String?

    /// Whether the command is to replay rather than to diagnose.
    var isAsked: Bool { !whatIf.isEmpty || capture != nil || saveCapture != nil }

    func scenarios() throws(CommandError) -> [WhatIfScenario] {
        var scenarios: [WhatIfScenario] = []
        for text in whatIf { scenarios.append(try WhatIfScenario(text)) }
        return scenarios
    }
}

/// Gives the capture of a server.
struct CaptureSource {
    /// For people.
    let address: String
    private let origin: Origin

    private enum Origin {
        case file
        case server(url: String, MetricsClient)
    }

    /// More than the largest that a server gives.
    private static let limit = 128 << 20

    init(file: String) {
        address = file
        origin = .file
    }

    /// - Parameter server: Its base address, or the whole address of its metrics.
    init(server: String, seconds: Double, client: MetricsClient) {
        address = server.hasSuffix("/metrics") ? String(server.dropLast(8)) : server
        origin = .server(url: "\(address)/debug/workload?seconds=\(seconds)", client)
    }

    func bytes() async throws -> [UInt8] {
        switch origin {
        case .file: return Array(try LocalFile.text(atPath: address, option: "capture").utf8)
        case .server(let url, let client):
            return try await client.get(
                url, accept: "application/json", limit: Self.limit,
                refusals: [
                    403: "\(url) asks for a key with the scope admin.",
                    404: """
                    \(url) is not there: a server of Pagoda shows it to keys with the scope admin, or, where it asks \
                    for none, with --enable-debug-endpoints.
                    """,
                    503: "\(url) is not ready: the model is loading.",
                ])
        }
    }
}

extension WhatIfReport {
    /// Replays `workload` as it was and under each scenario's settings.
    init(_ workload: Workload, from source: String, scenarios: [WhatIfScenario]) throws {
        guard !workload.requests.isEmpty else {
            throw CommandError.server("The capture has no request that has ended; take it while the server has work.")
        }
        let settings = try scenarios.map { try $0.settings(from: workload.settings) }
        let costs = try StepCostModel(fittedTo: workload.steps)
        let replays = try Self.replays(of: workload, settings: workload.settings, costs: costs)
        self.init(
            source: source, seconds: workload.duration, requestCount: workload.requests.count,
            generatedTokenCount: workload.generatedTokenCount, unfinishedCount: workload.unfinishedCount,
            stepCount: workload.steps.count, stepError: costs.medianError, measured: Figures(workload),
            replayed: Figures(medianOf: replays))
        var warnings = WhatIfWarnings(workload)
        for (scenario, settings) in zip(scenarios, settings) {
            let replays = try Self.replays(
                of: workload, settings: settings, costs: costs, replicas: scenario.replicas)
            self.scenarios.append(Scenario(name: scenario.name, figures: Figures(medianOf: replays)))
            warnings.add(of: scenario.name, settings, refusedCount: replays[0].refusedCount)
        }
        self.warnings = warnings.sentences
    }

    /// Several, that differ in nothing but what steps spread: the P99 of some hundred requests hangs on a few of them.
    private static func replays(
        of workload: Workload, settings: WorkloadSettings, costs: StepCostModel, replicas: Int = 1
    ) throws -> [ReplayOutcome] {
        try (0..<5).map { seed in
            try Replay(workload, settings: settings, costs: costs, replicas: replicas, seed: seed).run()
        }
    }
}

extension Workload {
    var generatedTokenCount: Int {
        requests.reduce(0) { $0 + $1.generatedTokenCounts.reduce(0, +) }
    }
}

extension WhatIfReport.Figures {
    /// As the server measured them.
    init(_ workload: Workload) {
        // Whoever left says nothing of latency, but has had its tokens.
        let firstTokens = workload.requests.filter { !$0.wasAborted }.compactMap(\.firstTokenLatency)
        let ends = workload.requests.compactMap { request in request.endLatency.map { request.arrival + $0 } }
        let begin = workload.requests.first?.arrival ?? 0
        self.init(
            firstTokens: firstTokens, interTokens: workload.interTokenLatencies,
            generated: workload.generatedTokenCount, makespan: (ends.max() ?? begin) - begin,
            preemptions: workload.preemptionCount)
    }

    init(medianOf outcomes: [ReplayOutcome]) {
        let all = outcomes.map { Self($0) }
        func median(_ figure: (Self) -> Double?) -> Double? {
            all.compactMap(figure).percentile(50)
        }
        self.init(
            firstTokenMedian: median(\.firstTokenMedian), firstTokenP99: median(\.firstTokenP99),
            tokenMedian: median(\.tokenMedian), tokenP99: median(\.tokenP99),
            generatedTokensPerSecond: median(\.generatedTokensPerSecond) ?? 0,
            preemptionCount: all.map(\.preemptionCount).sorted()[all.count / 2])
    }

    private init(_ outcome: ReplayOutcome) {
        self.init(
            firstTokens: outcome.firstTokenLatencies, interTokens: outcome.interTokenLatencies,
            generated: outcome.generatedTokenCount, makespan: outcome.makespan, preemptions: outcome.preemptionCount)
    }

    /// - Parameter makespan: Seconds from the first arrival to the last end.
    private init(
        firstTokens: [Double], interTokens: [Double], generated: Int, makespan: Double, preemptions: Int
    ) {
        self.init(
            firstTokenMedian: firstTokens.percentile(50), firstTokenP99: firstTokens.percentile(99),
            tokenMedian: interTokens.percentile(50), tokenP99: interTokens.percentile(99),
            generatedTokensPerSecond: makespan > 0 ? Double(generated) / makespan : 0,
            preemptionCount: preemptions)
    }
}
