// For whom sequences run, and what each may have.

/// What the sequences of one tenant may have together, and how much of the machine is theirs if others want it too.
public struct TenantLimits: Sendable, Equatable {
    /// Its part of what is served, beside those of others that have something to do.
    public var weight = 1.0
    /// Its sequences that run at once; nil: as many as there are places.
    public var maxRunningSequences: Int?
    /// Blocks of its running sequences beyond which no more of them are admitted; nil: all there are.
    public var maxBlocks: Int?

    public init() {}
}

/// What the scheduler keeps of a tenant.
struct TenantState: Sendable {
    /// In order of rank.
    var waiting: [SequenceHandle] = []
    /// Tokens computed for it ÷ its weight: who has had the least is next. Found ones are free, and so is what is
    /// computed again after preemption.
    var served = 0.0
}

/// The admissions of one step: who has been looked at, and what is left.
struct AdmissionRound {
    /// By tenant: those before it in its queue have been looked at, and stay.
    var places: [Int]
    /// By tenant: it has all that it may have.
    var isClosed: [Bool]
    /// By tenant: places and blocks of its running sequences, promised ones too.
    var placeCounts: [Int]
    var blockCounts: [Int]
    /// Of the free blocks, those that the running ones still need for what they have to compute.
    var promised = 0
    /// They did not fit, in the order in which they were looked at.
    var passed: [SequenceHandle] = []

    init(tenantCount: Int) {
        places = Array(repeating: 0, count: tenantCount)
        isClosed = Array(repeating: false, count: tenantCount)
        placeCounts = places
        blockCounts = places
    }
}
