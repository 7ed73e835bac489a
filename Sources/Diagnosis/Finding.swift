// What a diagnosis says: a limit, in words, with its evidence and what to change.

/// What can limit a server.
public enum Limit: String, Sendable, CaseIterable {
    case engineStuck = "engine_stuck"
    case kvSpace = "kv_space"
    case slots
    case tokenBudget = "token_budget"
    case admission
    case tenant
    case longPrompts = "long_prompts"
    case slowClients = "slow_clients"
    case failures
    case memory
    case overhead
    case memoryBandwidth = "memory_bandwidth"
    case compute
    case nothing

    public var title: String {
        switch self {
        case .engineStuck: "the engine stands still"
        case .kvSpace: "KV cache space"
        case .slots: "slots for sequences"
        case .tokenBudget: "the token budget of a step"
        case .admission: "admission"
        case .tenant: "one tenant"
        case .longPrompts: "long prompts"
        case .slowClients: "slow clients"
        case .failures: "failing requests"
        case .memory: "memory of the machine"
        case .overhead: "work beside the model"
        case .memoryBandwidth: "memory bandwidth"
        case .compute: "compute"
        case .nothing: "nothing"
        }
    }
}

/// How much a finding matters; the cases rise.
public enum Severity: String, Sendable, CaseIterable, Comparable {
    /// Worth knowing, and no reason to act now.
    case note
    /// Nothing is wrong.
    case healthy
    /// Something bounds the speed, as something always does under load; nobody waits longer than they must.
    case limit
    /// Requests wait, fail or take longer than this machine needs.
    case trouble

    public static func < (left: Severity, right: Severity) -> Bool {
        left.rank < right.rank
    }

    private var rank: Int {
        switch self {
        case .note: 0
        case .healthy: 1
        case .limit: 2
        case .trouble: 3
        }
    }
}

/// A number that a finding rests on.
public struct Evidence: Sendable, Equatable {
    public var meaning: String
    public var quantity: Quantity
    /// The metric that says so.
    public var metric: String

    init(_ meaning: String, _ quantity: Quantity, _ metric: String) {
        self.meaning = meaning
        self.quantity = quantity
        self.metric = metric
    }
}

/// A change that helps.
public struct Advice: Sendable, Equatable {
    public enum Direction: String, Sendable {
        case raise, lower, set, add, use
        /// Not a setting, but where the cause is.
        case look
    }

    public var direction: Direction
    /// An option of `pagoda serve`, or what else can be changed.
    public var setting: String
    /// What to expect of it, and what it costs.
    public var reason: String

    init(_ direction: Direction, _ setting: String, _ reason: String) {
        self.direction = direction
        self.setting = setting
        self.reason = reason
    }

    /// `raise --max-num-seqs: …`
    public var text: String {
        direction == .look ? "\(setting): \(reason)" : "\(direction.rawValue) \(setting): \(reason)"
    }
}

/// One diagnosis.
public struct Finding: Sendable, Equatable {
    public var limit: Limit
    public var severity: Severity
    /// Roughly the share of clients' time, or of the engine's, that it concerns; 0 to 1. Orders findings.
    public var impact: Double
    /// One sentence for people.
    public var sentence: String
    public var evidence: [Evidence]
    public var advice: [Advice]

    init(
        _ limit: Limit, _ severity: Severity, impact: Double, _ sentence: String, evidence: [Evidence?],
        advice: [Advice?]
    ) {
        self.limit = limit
        self.severity = severity
        self.impact = impact.isFinite ? min(1, max(0, impact)) : 0
        self.sentence = sentence
        self.evidence = evidence.compactMap { $0 }
        self.advice = advice.compactMap { $0 }
    }
}
