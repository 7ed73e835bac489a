// Why something can't be simulated.

public enum SimulationError: Error, Equatable, CustomStringConvertible {
    /// Steps of which something can be learned.
    case tooFewSteps(Int)
    case outOfRange(field: String, value: String, allowed: String)
    /// It would take more steps, or more time, than anybody waits for.
    case tooLong(stepCount: Int)
    /// Sequences are there, and none can be planned for.
    case stalled

    public var description: String {
        switch self {
        case .tooFewSteps(let count):
            "\(count) steps say too little of what steps cost; at least \(StepCostModel.leastSteps) are needed."
        case .outOfRange(let field, let value, let allowed):
            "\(field) is \(value); allowed is \(allowed)."
        case .tooLong(let count):
            "After \(count) steps the workload is not over; take a shorter one."
        case .stalled:
            "Nothing can be planned for the sequences that are there; give them more KV blocks."
        }
    }
}

/// The number of `field`, if it is in `range`; not a number is in none.
@discardableResult
func checked<Number: Comparable>(
    _ value: Number, in range: ClosedRange<Number>, _ field: @autoclosure () -> String
) throws(SimulationError) -> Number {
    guard range.contains(value) else {
        throw .outOfRange(field: field(), value: "\(value)", allowed: "\(range.lowerBound) to \(range.upperBound)")
    }
    return value
}
