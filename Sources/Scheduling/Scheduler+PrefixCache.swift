// Blocks that one sequence computes and others take over.

import Primitives

/// The prefix cache is nothing but the pool's names: each full block of a sequence gets one when the step that fills it
/// is planned, and keeps it after its last reference is gone until the block is taken for something else.
///
/// So a sequence can find blocks that others fill in the same step: of every layer, K and V of all rows are written
/// before attention reads any. Sequences with one new prefix that arrive together thus follow the first of them, and
/// compute it once.
extension Scheduler {
    /// Blocks of `sequence` from the one with index `first` on that others have named; its last token is always left
    /// to compute.
    func foundBlocks(for sequence: SequenceHandle, from first: Int) -> [BlockID] {
        let index = sequence.index
        let end = min((sequences[index].tokenCount - 1) / limits.blockSize, sequences[index].blockHashes.count)
        // Rows whose logits are wanted must be computed.
        guard first < end, sequences[index].unscoredPosition >= sequences[index].promptCount else { return [] }
        var found: [BlockID] = []
        for place in first..<end {
            guard let block = pool.block(named: sequences[index].blockHashes[place]) else { break }
            found.append(block)
        }
        return found
    }

    /// Gives what was found for a sequence that is being admitted to it.
    mutating func take(_ found: [BlockID], forAdmitted sequence: SequenceHandle, in batch: inout Batch) {
        let index = sequence.index
        guard sequences[index].unscoredPosition >= sequences[index].promptCount, !sequences[index].blockHashes.isEmpty
        else { return }
        // As in vLLM, whoever was preempted and comes back is not counted.
        if sequences[index].preemptionCount == 0 { batch.prefixQueryCount += sequences[index].promptCount }
        take(found, for: sequence, in: &batch)
    }

    /// Takes over the blocks that hold what `sequence` would compute next, if it stands at the start of one.
    mutating func takeFoundBlocks(for sequence: SequenceHandle, in batch: inout Batch) {
        let index = sequence.index, held = sequences[index].blocks.count
        guard sequences[index].pendingCount > limits.blockSize,
            held * limits.blockSize == sequences[index].computedCount
        else { return }
        take(foundBlocks(for: sequence, from: held), for: sequence, in: &batch)
    }

    private mutating func take(_ found: [BlockID], for sequence: SequenceHandle, in batch: inout Batch) {
        let index = sequence.index
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
