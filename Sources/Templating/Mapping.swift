// Python's dict: an ordered map, whose keys are strings, numbers or None.

/// Entries in the order in which their keys first came.
struct Mapping: Sendable {
    struct Entry: Sendable {
        let key: Value
        var value: Value
    }

    /// What of a key decides equality: `1`, `1.0` and `True` are one key, and strings go by their bytes.
    enum Identity: Hashable, Sendable {
        case none
        case integer(Int)
        case float(Double)
        case string([UInt8])

        /// Nil for values that are no keys; Python knows a few more, which no template uses.
        init?(_ value: Value) {
            switch value {
            case .none: self = .none
            case .bool, .integer: self = .integer(value.integerValue ?? 0)
            case .float(let number): self = Int(exactly: number).map(Self.integer) ?? .float(number)
            case .string(let text): self = .string(text.bytes)
            default: return nil
            }
        }
    }

    private(set) var entries: [Entry] = []
    private var identities: [Identity] = []
    /// Filled once a linear search would be slow.
    private var positions: [Identity: Int] = [:]
    private(set) var depth = 1

    private static let linearSearchLimit = 8

    var count: Int { entries.count }
    var keys: [Value] { entries.map(\.key) }
    var items: [Value] { entries.map { .tuple(List([$0.key, $0.value])) } }

    subscript(identity: Identity) -> Value? {
        position(of: identity).map { entries[$0].value }
    }

    subscript(name: String) -> Value? {
        self[.string(Array(name.utf8))]
    }

    /// Sets the value of a key; a key that is there already stays in its place, as it was written.
    /// - Parameter identity: That of the key.
    mutating func set(_ key: Value, _ identity: Identity, to value: Value) {
        depth = max(depth, value.depth + 1)
        if let position = position(of: identity) {
            entries[position].value = value
            return
        }
        entries.append(Entry(key: key, value: value))
        identities.append(identity)
        if entries.count == Self.linearSearchLimit + 1 {
            for (index, identity) in identities.enumerated() { positions[identity] = index }
        } else if entries.count > Self.linearSearchLimit {
            positions[identity] = entries.count - 1
        }
    }

    mutating func set(_ name: String, to value: Value) {
        set(.text(name), .string(Array(name.utf8)), to: value)
    }

    private func position(of identity: Identity) -> Int? {
        entries.count > Self.linearSearchLimit ? positions[identity] : identities.firstIndex(of: identity)
    }
}
