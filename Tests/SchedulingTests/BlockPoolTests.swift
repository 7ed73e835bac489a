// The free list and the reference counts.

import Primitives
import Scheduling
import Testing

@Suite("Block pool")
struct BlockPoolTests {
    @Test("hands out every block once, then none")
    func exhaustion() {
        var pool = BlockPool(blockCount: 3)
        #expect([pool.allocate(), pool.allocate(), pool.allocate(), pool.allocate()] == [0, 1, 2, nil])
        #expect(pool.freeCount == 0 && pool.usedCount == 3 && pool.freeBlocks().isEmpty)
    }

    @Test("an empty pool has nothing to give")
    func emptyPool() {
        var pool = BlockPool(blockCount: 0)
        #expect(pool.allocate() == nil)
    }

    @Test("hands out blocks in a given order")
    func givenOrder() {
        var pool = BlockPool(blockCount: 4, order: [2, 0, 3, 1])
        #expect(pool.freeBlocks() == [2, 0, 3, 1])
        #expect([pool.allocate(), pool.allocate()] == [2, 0])
    }

    @Test("what was released last is handed out first")
    func lastReleasedFirst() {
        var pool = BlockPool(blockCount: 4)
        _ = (pool.allocate(), pool.allocate(), pool.allocate())
        pool.release(1)
        pool.release(0)
        #expect(pool.freeBlocks() == [0, 1, 3])
    }

    @Test("a shared block is free after its last release only")
    func sharing() {
        var pool = BlockPool(blockCount: 2)
        _ = pool.allocate()
        pool.retain(0)
        #expect(pool.referenceCount(of: 0) == 2)
        pool.release(0)
        #expect(pool.freeCount == 1)
        pool.release(0)
        #expect(pool.freeCount == 2 && pool.referenceCount(of: 0) == 0)
    }

    private func hash(_ word: UInt64) -> BlockHash { BlockHash(words: [word, 0, 0, 0]) }

    @Test("a block with a name is found until it is taken again, those used longest ago first, unnamed ones before")
    func names() {
        var pool = BlockPool(blockCount: 4)
        for _ in 0..<4 { _ = pool.allocate() }
        pool.name(0, hash(10))
        pool.name(1, hash(11))
        for block in [1, 2, 0, 3] as [BlockID] { pool.release(block) }
        #expect(pool.freeBlocks() == [3, 2, 1, 0])
        #expect(pool.block(named: hash(10)) == 0 && pool.block(named: hash(11)) == 1 && pool.namedCount == 2)
        _ = (pool.allocate(), pool.allocate())
        #expect(pool.namedCount == 2, "unnamed blocks go first")
        #expect(pool.allocate() == 1)
        #expect(pool.block(named: hash(11)) == nil && pool.block(named: hash(10)) == 0)
    }

    @Test("a name leads to the first block that got it, and nowhere once that is forgotten")
    func duplicateNames() {
        var pool = BlockPool(blockCount: 2)
        _ = (pool.allocate(), pool.allocate())
        pool.name(0, hash(5))
        pool.name(1, hash(5))
        #expect(pool.block(named: hash(5)) == 0)
        pool.forget(1)
        #expect(pool.block(named: hash(5)) == 0)
        pool.forget(0)
        #expect(pool.block(named: hash(5)) == nil && pool.namedCount == 0)
    }

    @Test("a found block that was free is used again without losing its name")
    func reviving() {
        var pool = BlockPool(blockCount: 2)
        _ = pool.allocate()
        pool.name(0, hash(7))
        pool.release(0)
        pool.retain(0)
        #expect(pool.freeCount == 1 && pool.block(named: hash(7)) == 0)
    }

    @Test("a free block can be taken from anywhere in the list", arguments: [0, 1, 2] as [BlockID])
    func retainingAFreeBlock(block: BlockID) {
        var pool = BlockPool(blockCount: 3)
        pool.retain(block)
        #expect(pool.freeBlocks() == [0, 1, 2].filter { $0 != block })
        #expect(pool.usedCount == 1 && pool.referenceCount(of: block) == 1)
    }
}
