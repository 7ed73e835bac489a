// Members of a JSON object in written order, with constant-time look-up once there are many.

/// An ordered map from keys to values. Assigning an existing key replaces its value in place (the last one wins).
///
/// Keys are compared by their bytes, not by Swift's canonical equivalence: in a tokenizer's vocabulary "é" and
/// "e" + U+0301 are different tokens.
public struct JSONObject: Sendable {
    public struct Member: Sendable, Equatable {
        public var key: String
        public var value: JSONValue

        public init(key: String, value: JSONValue) {
            self.key = key
            self.value = value
        }

        public static func == (left: Member, right: Member) -> Bool {
            left.key.isByteEqual(to: right.key) && left.value == right.value
        }
    }

    /// Members in the order in which their keys first came.
    public private(set) var members: [Member] = []

    /// Filled once a linear search would be slow; small objects, which are most, need none.
    private var positions: [ByteKey: Int] = [:]
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
        if members.count > Self.linearSearchLimit { return positions[ByteKey(key)] }
        return members.firstIndex { $0.key.isByteEqual(to: key) }
    }

    private mutating func append(_ member: Member) {
        members.append(member)
        if members.count == Self.linearSearchLimit + 1 {
            rebuildPositions()
        } else if members.count > Self.linearSearchLimit {
            positions[ByteKey(member.key)] = members.count - 1
        }
    }

    private mutating func remove(at position: Int) {
        members.remove(at: position)
        rebuildPositions()
    }

    private mutating func rebuildPositions() {
        positions.removeAll(keepingCapacity: true)
        guard members.count > Self.linearSearchLimit else { return }
        for (index, member) in members.enumerated() { positions[ByteKey(member.key)] = index }
    }
}

extension JSONObject: Equatable {
    /// Equal members in the same order.
    public static func == (left: JSONObject, right: JSONObject) -> Bool {
        left.members == right.members
    }
}

/// A string as a dictionary key that means its bytes.
private struct ByteKey: Hashable {
    private let text: String

    init(_ text: String) {
        self.text = text
    }

    static func == (left: ByteKey, right: ByteKey) -> Bool {
        left.text.isByteEqual(to: right.text)
    }

    /// Feeds the seeded hasher eight bytes at a time, so that no client can craft colliding keys.
    func hash(into hasher: inout Hasher) {
        var word: UInt64 = 0
        var count = 0
        for byte in text.utf8 {
            word = word << 8 | UInt64(byte)
            count &+= 1
            if count & 7 == 0 { hasher.combine(word) }
        }
        hasher.combine(word)
        hasher.combine(count)
    }
}

extension String {
    /// Whether both are the same sequence of Unicode scalars; `==` also equates canonically equivalent ones.
    func isByteEqual(to other: String) -> Bool {
        utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
    }
}
