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

/// The whole number of `field`, if it is in `range`.
@discardableResult
func checked(
    _ value: Int, in range: ClosedRange<Int>, _ field: @autoclosure () -> String
) throws(SimulationError) -> Int {
    guard range.contains(value) else {
        throw .outOfRange(field: field(), value: "\(value)", allowed: "\(range.lowerBound) to \(range.upperBound)")
    }
    return value
}

/// The number of `field`, if it is one and in `range`.
@discardableResult
func checked(
    _ value: Double, in range: ClosedRange<Double>, _ field: @autoclosure () -> String
) throws(SimulationError) -> Double {
    guard range.contains(value) else {
        throw .outOfRange(field: field(), value: "\(value)", allowed: "\(range.lowerBound) to \(range.upperBound)")
    }
    return value
}
