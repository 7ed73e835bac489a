// Words to tokens: byte-pair encoding in O(n log n).

import Primitives

/// The smallest units, the merges, and what happens to characters outside the vocabulary.
struct BytePairEncoder: Sendable {
    enum Units: Sendable {
        /// A token for each byte value; nil where the vocabulary has none.
        case bytes([TokenID?])
        /// A token for each Unicode scalar, found by its text; else its bytes' tokens, if there are 256 of them.
        case scalars(byteFallback: [TokenID]?)
    }

    let vocabulary: Vocabulary
    let units: Units
    let merges: MergeTable
    /// Added tokens that the model proper does not know: ordinary text never becomes one of them.
    var addedIDs: Set<TokenID> = []
    var unknownID: TokenID?
    /// Whether neighbouring unknown characters make one unknown token.
    var fusesUnknown = false
    /// Whether a word that is a token is that token, even if no merges lead to it.
    var ignoresMerges = false

    /// Appends the tokens of the word `bytes[range]`.
    func encode(_ bytes: [UInt8], _ range: Range<Int>, into ids: inout [TokenID], scratch: inout MergeScratch) {
        if ignoresMerges, let id = wholeWord(bytes, range) {
            ids.append(id)
            return
        }
        scratch.removeAll()
        switch units {
        case .bytes(let tokens):
            for index in range {
                if let id = tokens[Int(bytes[index])] ?? unknownID { scratch.append(id) }
            }
        case .scalars(let byteFallback):
            appendScalars(bytes, range, byteFallback: byteFallback, to: &scratch)
        }
        scratch.merge(by: merges)
        scratch.appendTokens(to: &ids)
    }

    private func wholeWord(_ bytes: [UInt8], _ range: Range<Int>) -> TokenID? {
        guard case .bytes = units else { return modelToken(bytes, range) }
        var written: [UInt8] = []
        for index in range { written.append(contentsOf: ByteLevelAlphabet.encodings[Int(bytes[index])]) }
        return modelToken(written, written.indices)
    }

    private func modelToken(_ bytes: [UInt8], _ range: Range<Int>) -> TokenID? {
        guard let id = vocabulary.id(of: bytes, in: range), !addedIDs.contains(id) else { return nil }
        return id
    }

    private func appendScalars(
        _ bytes: [UInt8], _ range: Range<Int>, byteFallback: [TokenID]?, to scratch: inout MergeScratch
    ) {
        var index = range.lowerBound
        var previousIsUnknown = false
        while index < range.upperBound {
            let end = min(index + UTF8Text.width(ofLead: bytes[index]), range.upperBound)
            defer { index = end }
            if let id = modelToken(bytes, index..<end) {
                scratch.append(id)
                previousIsUnknown = false
            } else if let byteFallback {
                for byte in bytes[index..<end] { scratch.append(byteFallback[Int(byte)]) }
                previousIsUnknown = false
            } else if let unknownID {
                if !(fusesUnknown && previousIsUnknown) { scratch.append(unknownID) }
                previousIsUnknown = true
            }
        }
    }
}

/// One word on its way from units to tokens: a linked list of tokens and a queue of the merges that are possible now.
struct MergeScratch {
    private struct Link {
        /// -1: merged into its left neighbour.
        var id: TokenID
        var previous: Int32
        var next: Int32
    }

    private var links: [Link] = []
    /// A binary heap of rank (high bits) and position (low bits): lowest rank first, of equal ones the leftmost.
    private var queue: [UInt64] = []

    mutating func removeAll() {
        links.removeAll(keepingCapacity: true)
        queue.removeAll(keepingCapacity: true)
    }

    mutating func append(_ id: TokenID) {
        // Positions are 32 bits wide; a text of 2³¹ bytes is far beyond any body that is accepted.
        guard let position = Int32(exactly: links.count), position < .max else { return }
        links.append(Link(id: id, previous: position - 1, next: position + 1))
    }

    func appendTokens(to ids: inout [TokenID]) {
        for link in links where link.id >= 0 { ids.append(link.id) }
    }

    mutating func merge(by table: MergeTable) {
        for left in links.indices { enqueue(left, table) }
        while let entry = popFirst() {
            let left = Int(entry & 0xFFFF_FFFF)
            let right = Int(links[left].next)
            // What was queued may be gone by now: only a merge that is still possible, at this rank, is done.
            guard links[left].id >= 0, right < links.count,
                let merge = table.merge(links[left].id, links[right].id), UInt64(merge.rank) == entry >> 32
            else { continue }
            links[left].id = merge.result
            links[right].id = -1
            links[left].next = links[right].next
            if Int(links[left].next) < links.count { links[Int(links[left].next)].previous = Int32(left) }
            enqueue(left, table)
            if links[left].previous >= 0 { enqueue(Int(links[left].previous), table) }
        }
    }

    private mutating func enqueue(_ left: Int, _ table: MergeTable) {
        let right = Int(links[left].next)
        guard right < links.count, let merge = table.merge(links[left].id, links[right].id) else { return }
        queue.append(UInt64(merge.rank) << 32 | UInt64(left))
        siftUp()
    }

    // MARK: - Queue

    private mutating func siftUp() {
        var child = queue.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard queue[child] < queue[parent] else { return }
            queue.swapAt(child, parent)
            child = parent
        }
    }

    private mutating func popFirst() -> UInt64? {
        guard let first = queue.first, let last = queue.popLast() else { return nil }
        guard !queue.isEmpty else { return first }
        queue[0] = last
        var parent = 0
        while true {
            var child = parent * 2 + 1
            guard child < queue.count else { return first }
            if child + 1 < queue.count, queue[child + 1] < queue[child] { child += 1 }
            guard queue[child] < queue[parent] else { return first }
            queue.swapAt(child, parent)
            parent = child
        }
    }
}
