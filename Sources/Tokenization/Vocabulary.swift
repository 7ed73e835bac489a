// The tokens' texts in one buffer, found by id and by text.

import Primitives

/// An append-only table of token texts. Made for loading hundreds of thousands of tokens in milliseconds: one buffer
/// for all texts and an open-addressing index over their bytes, instead of a dictionary of strings.
struct Vocabulary: Sendable {
    static let countLimit = 1 << 24

    private var text: [UInt8] = []
    /// Token `id` is `text[ends[id - 1]..<ends[id]]`.
    private var ends: [Int] = []
    /// Ids by hash of their text, -1 where free; at most half of them are taken.
    private var slots: [TokenID]

    init(capacity: Int) throws(TokenizerError) {
        guard capacity <= Self.countLimit else {
            throw .vocabularyTooLarge(count: capacity, limit: Self.countLimit)
        }
        var slotCount = 16
        while slotCount < capacity * 2 { slotCount *= 2 }
        slots = [TokenID](repeating: -1, count: slotCount)
        ends.reserveCapacity(capacity)
        text.reserveCapacity(capacity * 8)
    }

    var count: Int { ends.count }

    /// Gives `token` the next id. Empty texts fill gaps between ids: they have an id but are never found by text.
    mutating func append(_ token: String) throws(TokenizerError) {
        let start = text.count
        text.append(contentsOf: token.utf8)
        let end = text.count
        guard end > start else {
            ends.append(end)
            return
        }
        guard ends.count * 2 < slots.count else {
            throw .vocabularyTooLarge(count: ends.count + 1, limit: slots.count / 2)
        }
        var slot = Self.hash(text, start..<end) & (slots.count - 1)
        while slots[slot] >= 0 {
            guard !isEqual(slots[slot], to: text, start..<end) else { throw .duplicateToken(token) }
            slot = (slot + 1) & (slots.count - 1)
        }
        slots[slot] = TokenID(truncatingIfNeeded: ends.count)
        ends.append(end)
    }

    /// The token whose text is `bytes[range]`.
    func id(of bytes: [UInt8], in range: Range<Int>) -> TokenID? {
        guard !range.isEmpty else { return nil }
        var slot = Self.hash(bytes, range) & (slots.count - 1)
        while slots[slot] >= 0 {
            if isEqual(slots[slot], to: bytes, range) { return slots[slot] }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    func id(of token: String) -> TokenID? {
        let bytes = Array(token.utf8)
        return id(of: bytes, in: bytes.indices)
    }

    /// The bytes of a token's text; empty for an id that is not in the vocabulary.
    func text(of id: TokenID) -> ArraySlice<UInt8> {
        text[range(of: id)]
    }

    private func range(of id: TokenID) -> Range<Int> {
        let index = Int(id)
        guard ends.indices.contains(index) else { return 0..<0 }
        return (index == 0 ? 0 : ends[index - 1])..<ends[index]
    }

    private func isEqual(_ id: TokenID, to bytes: [UInt8], _ range: Range<Int>) -> Bool {
        let own = self.range(of: id)
        guard own.count == range.count else { return false }
        for offset in 0..<own.count where text[own.lowerBound + offset] != bytes[range.lowerBound + offset] {
            return false
        }
        return true
    }

    /// FNV-1a, with its high bits folded into the low ones that choose the slot.
    private static func hash(_ bytes: [UInt8], _ range: Range<Int>) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for index in range { hash = (hash ^ UInt64(bytes[index])) &* 0x100_0000_01B3 }
        return Int(truncatingIfNeeded: (hash ^ hash >> 29) & 0x7FFF_FFFF_FFFF_FFFF)
    }
}
