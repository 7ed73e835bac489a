// Which pairs of tokens merge, into what, and which first.

import Primitives

/// A flat hash table from pairs of tokens to merges: the inner loop of encoding looks up every pair of neighbours.
struct MergeTable: Sendable {
    struct Merge {
        /// Lower ranks merge first.
        let rank: Int32
        let result: TokenID
    }

    private static let free = UInt64.max
    private var keys: [UInt64]
    private var merges: [Merge]
    private let shift: UInt64

    /// - Parameter capacity: how many pairs will be inserted at most.
    init(capacity: Int) {
        var bits: UInt64 = 4
        while (1 << bits) < capacity * 3 / 2 + 1 { bits += 1 }
        keys = [UInt64](repeating: Self.free, count: 1 << bits)
        merges = [Merge](repeating: Merge(rank: 0, result: 0), count: 1 << bits)
        shift = 64 - bits
    }

    /// Of equal pairs the first one counts.
    mutating func insert(_ left: TokenID, _ right: TokenID, rank: Int32, result: TokenID) {
        let key = Self.key(left, right)
        var slot = self.slot(of: key)
        while keys[slot] != Self.free {
            if keys[slot] == key { return }
            slot = (slot + 1) & (keys.count - 1)
        }
        keys[slot] = key
        merges[slot] = Merge(rank: rank, result: result)
    }

    func merge(_ left: TokenID, _ right: TokenID) -> Merge? {
        let key = Self.key(left, right)
        var slot = self.slot(of: key)
        while keys[slot] != Self.free {
            if keys[slot] == key { return merges[slot] }
            slot = (slot + 1) & (keys.count - 1)
        }
        return nil
    }

    private static func key(_ left: TokenID, _ right: TokenID) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    /// Fibonacci hashing: the high bits of the product depend on all bits of the key.
    private func slot(of key: UInt64) -> Int {
        Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> shift)
    }
}
