// How many rows of a step go to those who catch up.

/// Rows that sequences which catch up may have in a step, so that the others' tokens don't wait too long for them.
public struct PrefillAllowance: Sendable, Equatable {
    /// All of them together; nil: as many as the step has left.
    public var rows: Int?
    /// Those that give way (`SchedulerLimits.urgentPriority`) get none beyond so many rows of all together; nil: as
    /// `rows`.
    public var yieldingRows: Int?

    public init(rows: Int? = nil, yieldingRows: Int? = nil) {
        self.rows = rows
        self.yieldingRows = yieldingRows
    }
}

/// The same as the planning of one step keeps it. Never nothing, so that every step computes something.
struct PrefillRowLimits: Sendable {
    let most: Int
    /// What those that give way have without what is kept for others.
    private let mostYielding: Int
    /// Rows kept for an urgent sequence that is about to be admitted, while those that run are planned for.
    var reserved = 0

    init(_ allowance: PrefillAllowance = PrefillAllowance()) {
        most = allowance.rows.map { max(1, $0) } ?? .max
        mostYielding = min(most, allowance.yieldingRows.map { max(1, $0) } ?? .max)
    }

    /// Rows of all who catch up, of which a sequence gets what is not taken.
    func rows(isYielding: Bool) -> Int {
        isYielding ? max(0, mostYielding - reserved) : most
    }
}
