// The numbers by which layers that must not import each other speak of the same thing.

/// Index of a token in the model's vocabulary.
public typealias TokenID = Int32

/// Index of a block in the KV cache's pool.
public typealias BlockID = Int32

/// Names one client request inside the engine; unique for the life of the process.
@frozen
public struct RequestID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let value: UInt64

    @inlinable
    public init(_ value: UInt64) {
        self.value = value
    }

    @inlinable
    public static func < (left: RequestID, right: RequestID) -> Bool {
        left.value < right.value
    }

    public var description: String { "\(value)" }
}
