// The KV cache's blocks as numbers: who holds how many references, which are free, and what can be found in them.

public import Primitives

/// Reference-counted blocks with an intrusive, doubly linked free list: O(1) for each block taken, shared or returned.
///
/// A block whose content has a name keeps it while it is free, until it is taken for something else: what was used
/// longest ago is taken first, but before all those with a name the ones without.
///
/// Owns no memory of the cache; a `BlockID` is an index into what the executor allocated.
public struct BlockPool: ~Copyable, Sendable {
    private struct Links {
        var previous: BlockID
        var next: BlockID
    }

    public let blockCount: Int
    public private(set) var freeCount: Int
    private var referenceCounts: [Int32]
    /// One pair for each block and, at index `blockCount`, one for the list's ends, so that no case is special.
    private var links: [Links]
    /// By block: the name of what it holds, if it can be found; and the other way round.
    private var names: [BlockHash?]
    private var named: [BlockHash: BlockID] = [:]

    /// A pool whose free list hands out blocks from 0 up, or in `order` (a permutation, for tests of block placement).
    public init(blockCount: Int, order: [BlockID]? = nil) {
        precondition(blockCount >= 0 && blockCount < Int(BlockID.max), "block ids are 32 bits wide")
        self.blockCount = blockCount
        freeCount = 0
        referenceCounts = Array(repeating: 0, count: blockCount)
        names = Array(repeating: nil, count: blockCount)
        let end = BlockID(blockCount)
        links = Array(repeating: Links(previous: end, next: end), count: blockCount + 1)
        for block in order ?? Array(0..<end) {
            insertFree(block, before: end)
        }
        precondition(freeCount == blockCount, "the order names every block once")
    }

    public var usedCount: Int { blockCount - freeCount }

    public func referenceCount(of block: BlockID) -> Int {
        Int(referenceCounts[Int(block)])
    }

    /// Takes the next free block, with one reference; what it held can't be found any more. Nil if there is none.
    public mutating func allocate() -> BlockID? {
        let block = links[blockCount].next
        guard Int(block) < blockCount else { return nil }
        removeFree(block)
        forget(block)
        referenceCounts[Int(block)] = 1
        return block
    }

    /// Adds a reference; a free block leaves the free list.
    public mutating func retain(_ block: BlockID) {
        if referenceCounts[Int(block)] == 0 { removeFree(block) }
        referenceCounts[Int(block)] += 1
    }

    /// Drops a reference; with the last one the block is free again.
    public mutating func release(_ block: BlockID) {
        precondition(referenceCounts[Int(block)] > 0, "a free block was released")
        referenceCounts[Int(block)] -= 1
        guard referenceCounts[Int(block)] == 0 else { return }
        // Without a name to the front: what was used last is used first, and pages stay untouched as long as can be.
        insertFree(block, before: names[Int(block)] == nil ? links[blockCount].next : BlockID(blockCount))
    }

    // MARK: - Names

    /// Blocks that can be found, in use or free.
    public var namedCount: Int { named.count }

    /// The block that holds what `hash` names, in use or free.
    public func block(named hash: BlockHash) -> BlockID? {
        named[hash]
    }

    /// Makes `block`, which is in use and full, to be found. Does nothing if another one holds the same.
    public mutating func name(_ block: BlockID, _ hash: BlockHash) {
        guard names[Int(block)] == nil, named[hash] == nil else { return }
        names[Int(block)] = hash
        named[hash] = block
    }

    /// `block` does not hold what its name says, or will not for long.
    public mutating func forget(_ block: BlockID) {
        guard let name = names[Int(block)] else { return }
        names[Int(block)] = nil
        named[name] = nil
    }

    /// Whether every name leads to the block that has it, and no other does.
    var namesAgree: Bool {
        names.count { $0 != nil } == named.count
            && named.allSatisfy { hash, block in names[Int(block)] == hash }
    }

    // MARK: - The free list

    /// Blocks in the order in which they will be handed out; for tests.
    public func freeBlocks() -> [BlockID] {
        var blocks: [BlockID] = []
        var block = links[blockCount].next
        while Int(block) < blockCount, blocks.count <= blockCount {
            blocks.append(block)
            block = links[Int(block)].next
        }
        return blocks
    }

    private mutating func insertFree(_ block: BlockID, before successor: BlockID) {
        let predecessor = links[Int(successor)].previous
        links[Int(block)] = Links(previous: predecessor, next: successor)
        links[Int(predecessor)].next = block
        links[Int(successor)].previous = block
        freeCount += 1
    }

    private mutating func removeFree(_ block: BlockID) {
        let link = links[Int(block)]
        links[Int(link.previous)].next = link.next
        links[Int(link.next)].previous = link.previous
        freeCount -= 1
    }
}
