// Blocks that one sequence computes and others take over.

import Primitives

/// The prefix cache is nothing but the pool's names: each full block of a sequence gets one when the step that fills it
/// is planned, and keeps it after its last reference is gone until the block is taken for something else.
///
/// So a sequence can find blocks that others fill in the same step: of every layer, K and V of all rows are written
/// before attention reads any. Sequences with one new prefix that arrive together thus follow the first of them, and
/// compute it once.
extension Scheduler {
    /// Blocks from the start of `state`'s tokens on that others have named; its last token is always left to compute.
    private func foundBlocks(for state: SequenceState, from first: Int) -> [BlockID] {
        // Rows whose logits are wanted must be computed.
        guard state.unscoredPosition >= state.promptCount else { return [] }
        var found: [BlockID] = []
        for index in first..<max(first, min((state.tokenCount - 1) / limits.blockSize, state.blockHashes.count)) {
            guard let block = pool.block(named: state.blockHashes[index]) else { break }
            found.append(block)
        }
        return found
    }

    /// How many blocks of a waiting sequence are found in use, and so need none of the free ones.
    func usedBlockCount(foundFor state: SequenceState) -> Int {
        foundBlocks(for: state, from: 0).count { pool.referenceCount(of: $0) > 0 }
    }

    /// Takes over what is found for a sequence that is being admitted.
    mutating func lookUp(_ sequence: SequenceHandle, in batch: inout Batch) {
        let state = sequences[sequence.index]
        guard state.unscoredPosition >= state.promptCount, !state.blockHashes.isEmpty else { return }
        // As in vLLM, whoever was preempted and comes back is not counted.
        if state.preemptionCount == 0 { batch.prefixQueryCount += state.promptCount }
        takeFoundBlocks(for: sequence, in: &batch)
    }

    /// Takes over the blocks that hold what `sequence` would compute next, if it stands at the start of one.
    mutating func takeFoundBlocks(for sequence: SequenceHandle, in batch: inout Batch) {
        let index = sequence.index, held = sequences[index].blocks.count
        guard sequences[index].pendingCount > limits.blockSize,
            held * limits.blockSize == sequences[index].computedCount
        else { return }
        let found = foundBlocks(for: sequences[index], from: held)
        for block in found {
            pool.retain(block)
        }
        sequences[index].blocks += found
        let count = found.count * limits.blockSize
        sequences[index].computedCount += count
        guard sequences[index].preemptionCount == 0 else { return }
        sequences[index].foundCount += count
        batch.prefixHitCount += count
    }

    /// Names the blocks that `entry` fills.
    mutating func nameBlocks(of entry: Batch.Entry) {
        let index = entry.sequence.index
        let full = min(entry.end / limits.blockSize, sequences[index].blockHashes.count)
        for place in (entry.start / limits.blockSize)..<max(entry.start / limits.blockSize, full) {
            pool.name(sequences[index].blocks[place], sequences[index].blockHashes[place])
        }
    }

    /// The planned step could not be computed: its blocks do not hold what they are named after.
    public mutating func abandon(_ batch: Batch) {
        for entry in batch.entries {
            let first = entry.start / limits.blockSize, last = (entry.end - 1) / limits.blockSize
            for block in sequences[entry.sequence.index].blocks[first...last] {
                pool.forget(block)
            }
        }
    }
}
