// Members of a JSON object in written order, with constant-time look-up once there are many.

/// An ordered map from keys to values. Assigning an existing key replaces its value in place (the last one wins).
public struct JSONObject: Sendable {
    public struct Member: Sendable, Equatable {
        public var key: String
        public var value: JSONValue
    }

    /// Members in the order in which their keys first came.
    public private(set) var members: [Member] = []

    /// Filled once a linear search would be slow; small objects, which are most, need none.
    private var positions: [String: Int] = [:]
    private static let linearSearchLimit = 12

    public init() {}

    public var count: Int { members.count }
    public var isEmpty: Bool { members.isEmpty }
    public var keys: [String] { members.map(\.key) }

    public subscript(key: String) -> JSONValue? {
        get {
            position(of: key).map { members[$0].value }
        }
        set {
            switch (position(of: key), newValue) {
            case (let position?, let value?): members[position].value = value
            case (let position?, nil): remove(at: position)
            case (nil, let value?): append(Member(key: key, value: value))
            case (nil, nil): break
            }
        }
    }

    private func position(of key: String) -> Int? {
        if members.count > Self.linearSearchLimit { return positions[key] }
        return members.firstIndex { $0.key == key }
    }

    private mutating func append(_ member: Member) {
        members.append(member)
        if members.count == Self.linearSearchLimit + 1 {
            rebuildPositions()
        } else if members.count > Self.linearSearchLimit {
            positions[member.key] = members.count - 1
        }
    }

    private mutating func remove(at position: Int) {
        members.remove(at: position)
        rebuildPositions()
    }

    private mutating func rebuildPositions() {
        positions.removeAll(keepingCapacity: true)
        guard members.count > Self.linearSearchLimit else { return }
        for (index, member) in members.enumerated() { positions[member.key] = index }
    }
}

extension JSONObject: Equatable {
    /// Equal members in the same order.
    public static func == (left: JSONObject, right: JSONObject) -> Bool {
        left.members == right.members
    }
}
