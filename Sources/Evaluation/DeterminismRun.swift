// Runs prompts in a given arrangement and keeps the hashes of what came out.

internal import Kernels
public import Models
public import Primitives

/// Greedy decoding of prompts on an executor, without a scheduler: exactly the batches that an arrangement names.
public final class DeterminismRun {
    private let executor: any Executor
    private let decodedCount: Int
    private let logits: LogitsBuffer
    private var batch = ForwardBatch()

    /// - Parameter decodedCount: Tokens decoded after each prompt, ends of text included.
    public init(_ executor: any Executor, decodedCount: Int) {
        self.executor = executor
        self.decodedCount = decodedCount
        logits = LogitsBuffer(rowCapacity: executor.maximumLogitRows, vocabularySize: executor.vocabularySize)
    }

    /// Blocks that hold all prompts at once with what they decode, and the largest a second time for a preemption.
    public static func blocksNeeded(promptCounts: [Int], decodedCount: Int, blockSize: Int) -> Int {
        let counts = promptCounts.map { ($0 + decodedCount + blockSize - 1) / blockSize }
        return counts.reduce(0, +) + (counts.max() ?? 0)
    }

    /// Decodes all prompts; one trace for each.
    ///
    /// - Parameter prompts: None of them empty.
    public func run(_ prompts: [[TokenID]], _ arrangement: RunArrangement) throws(EvaluationError) -> [PromptTrace] {
        guard arrangement.isAlone else { return try runTogether(prompts, arrangement) }
        var traces: [PromptTrace] = []
        for prompt in prompts { traces += try runTogether([prompt], arrangement) }
        return traces
    }

    /// One prompt on its way.
    private struct Running {
        var sequence: CachedSequence
        var trace: PromptTrace
        /// Tokens decoded before the cache is lost.
        var dropsAfter: Int?
        var isDone = false
    }

    private func runTogether(
        _ prompts: [[TokenID]], _ arrangement: RunArrangement
    ) throws(EvaluationError) -> [PromptTrace] {
        var free = FreeBlocks(executor.cacheCapacity, isScattered: arrangement.scattersBlocks)
        var running = prompts.enumerated().map { index, prompt in
            Running(
                sequence: CachedSequence(prompt), trace: PromptTrace(promptCount: prompt.count),
                dropsAfter: arrangement.dropsCache ? 1 + index * 7 % max(1, decodedCount) : nil)
        }
        if arrangement.findsPrefixes {
            for index in running.indices {
                running[index].sequence.adopt(try predecessor(of: prompts[index], &free), into: &free)
            }
        }
        var step = 0
        while running.contains(where: { !$0.isDone }) {
            batch.removeAll()
            var awaiting: [Int] = []
            for index in running.indices where !running[index].isDone && step >= index * arrangement.arrivalGap {
                let pending = running[index].sequence.pendingCount
                let count = min(pending, arrangement.chunkSize(step: step), executor.maximumRows - batch.rowCount)
                let isLast = count == pending
                guard count > 0, !isLast || awaiting.count < logits.rowCapacity else { continue }
                try running[index].sequence.advance(by: count, wantedCount: isLast ? 1 : 0, in: &batch, from: &free)
                if isLast { awaiting.append(index) }
            }
            try execute()
            for (row, index) in awaiting.enumerated() { try take(row, for: &running[index], &free) }
            step += 1
        }
        return running.map(\.trace)
    }

    /// A sequence that began as `prompt` does and ended otherwise.
    private func predecessor(
        of prompt: [TokenID], _ free: inout FreeBlocks
    ) throws(EvaluationError) -> CachedSequence {
        var sequence = CachedSequence(prompt.dropLast() + prompt.prefix(1))
        while sequence.pendingCount > 0 {
            batch.removeAll()
            let count = min(sequence.pendingCount, executor.maximumRows)
            try sequence.advance(by: count, wantedCount: 0, in: &batch, from: &free)
            try execute()
        }
        return sequence
    }

    private func execute() throws(EvaluationError) {
        guard batch.rowCount > 0 else { return }
        do throws(ExecutionError) {
            try executor.execute(batch, into: logits)
        } catch {
            throw .execution(error)
        }
    }

    /// Notes a row of logits and decodes the token that it names.
    private func take(_ row: Int, for running: inout Running, _ free: inout FreeBlocks) throws(EvaluationError) {
        let (hash, best) = logits.withRow(row) { logits in
            var hash = LogitsHash()
            hash.combine(logits.span)
            return (hash, VectorOperations.best.argmax(logits.span))
        }
        guard !best.isNaN else { throw .notFinite(position: running.sequence.computedCount - 1) }
        running.trace.rowHashes.append(hash)
        if running.trace.tokenIDs.count == decodedCount {
            running.isDone = true
            running.sequence.drop(into: &free)
            return
        }
        let token = TokenID(best.index)
        running.trace.tokenIDs.append(token)
        running.sequence.tokenIDs.append(token)
        if running.trace.tokenIDs.count == running.dropsAfter { running.sequence.drop(into: &free) }
    }
}
