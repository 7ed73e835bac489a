// To whom the time of a request belongs.

/// The owners of a sequence's time. Every nanosecond from arrival to end belongs to exactly one.
public enum LatencyPart: Int, Sendable, CaseIterable {
    /// From the head of the request read until the engine has it: body, template, tokens, limits.
    case admission
    /// In the queue, since as many sequences run as may.
    case queueSlots
    /// In the queue, since too few blocks of the cache are free.
    case queueBlocks
    /// In the queue, since the rows of a step are taken, a step is under way, or arrivals are being gathered.
    case queueTokenBudget
    /// In the queue, since it is another tenant's turn.
    case queueTenant
    /// In steps that compute its prompt, but for the share of others' prompts.
    case ownPrefill
    /// The share of others' prompts in its steps, and steps that had no row for it beside them.
    case othersPrefill
    /// From losing its blocks until everything it had is computed again.
    case preemption
    /// In steps that give it its tokens after the first, but for the share of others' prompts.
    case decode
    /// From its end until the client's connection has the last byte.
    case client

    /// The value of the label `part`.
    public var name: String {
        switch self {
        case .admission: "admission"
        case .queueSlots: "queue_slots"
        case .queueBlocks: "queue_blocks"
        case .queueTokenBudget: "queue_token_budget"
        case .queueTenant: "queue_tenant"
        case .ownPrefill: "own_prefill"
        case .othersPrefill: "others_prefill"
        case .preemption: "preemption"
        case .decode: "decode"
        case .client: "client"
        }
    }
}

/// A span of time, split among its owners: whole nanoseconds, so that sums are exact.
@frozen
public struct LatencyParts: Sendable, Equatable {
    /// By `LatencyPart.rawValue`; a vector, so that it is copied and added up without a loop or an allocation.
    @usableFromInline var nanoseconds = SIMD16<Int64>()

    @inlinable
    public init() {}

    /// Nanoseconds of one owner.
    @inlinable
    public subscript(part: LatencyPart) -> Int64 {
        get { nanoseconds[part.rawValue] }
        set { nanoseconds[part.rawValue] = newValue }
    }

    /// Nanoseconds of all owners together.
    @inlinable
    public var total: Int64 { nanoseconds.wrappedSum() }

    @inlinable
    public func seconds(_ part: LatencyPart) -> Double { Double(self[part]) * 1e-9 }

    @inlinable
    public static func + (left: LatencyParts, right: LatencyParts) -> LatencyParts {
        var sum = left
        sum.nanoseconds &+= right.nanoseconds
        return sum
    }

    @inlinable
    public static func - (left: LatencyParts, right: LatencyParts) -> LatencyParts {
        var difference = left
        difference.nanoseconds &-= right.nanoseconds
        return difference
    }

    @inlinable
    public static func += (left: inout LatencyParts, right: LatencyParts) {
        left.nanoseconds &+= right.nanoseconds
    }
}
