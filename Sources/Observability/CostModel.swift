// What a step costs, from the sizes of its batch.

import Engine

/// Work and memory traffic of a model, so that a batch's plain numbers give a step's: counted, not measured.
public struct CostModel: Sendable, Equatable {
    /// Multiply-adds of all layers' matrices for one row, of the output head for one row of logits, and of attention
    /// for one row and one token that it attends to (query by key and weight by value, all heads and layers).
    public var multiplyAddsPerRow = 0.0
    public var multiplyAddsPerLogitRow = 0.0
    public var multiplyAddsPerAttendedToken = 0.0
    /// Packed bytes of all layers' matrices, of the output head, and of a token's K and V in the cache.
    public var weightBytes = 0.0
    public var headBytes = 0.0
    public var cacheBytesPerToken = 0.0

    public init() {}

    func multiplyAdds(of step: borrowing StepStatistics) -> Double {
        Double(step.prefillTokenCount + step.decodeTokenCount) * multiplyAddsPerRow
            + Double(step.logitRowCount) * multiplyAddsPerLogitRow
            + Double(step.attendedTokenCount) * multiplyAddsPerAttendedToken
    }

    /// The least that has to be read: each weight once, and each token of each context once.
    func readBytes(of step: borrowing StepStatistics) -> Double {
        guard step.sequenceCount > 0 else { return 0 }
        return weightBytes + (step.logitRowCount > 0 ? headBytes : 0)
            + Double(step.contextTokenCount) * cacheBytesPerToken
    }

    /// K and V of the rows computed.
    func writtenBytes(of step: borrowing StepStatistics) -> Double {
        Double(step.prefillTokenCount + step.decodeTokenCount) * cacheBytesPerToken
    }
}

/// What the machine can do at best, to hold against what is done.
public struct MachineRates: Sendable, Equatable {
    public var multiplyAddsPerSecond: Double
    public var readBytesPerSecond: Double

    public init(multiplyAddsPerSecond: Double, readBytesPerSecond: Double) {
        self.multiplyAddsPerSecond = multiplyAddsPerSecond
        self.readBytesPerSecond = readBytesPerSecond
    }
}
