// Perplexity of a text, and the distance to the reference, window by window.

internal import Kernels
public import Models
internal import Primitives

/// Scores a text by one executor, or by two side by side: the same rows of both are compared at once, so that no
/// logits are kept.
public final class TextEvaluation {
    /// What is known after some windows.
    public struct Result: Sendable, Equatable {
        public internal(set) var windowCount = 0
        public internal(set) var perplexity = Perplexity()
        /// Nil without a reference.
        public internal(set) var divergence: Divergence?
        /// Tokens that went through the model; about twice as many as were scored.
        public internal(set) var computedCount = 0
        /// Time of the model's own passes, without the reference's and without the scoring.
        public internal(set) var seconds = 0.0
    }

    private let executor: any Executor
    private let reference: (any Executor)?
    private let logits: LogitsBuffer
    private let referenceLogits: LogitsBuffer?
    /// Rows scored in one pass: a buffer of logits for a whole window would be hundreds of megabytes.
    private let scoredRows: Int
    private let maximumRows: Int
    private var batch = ForwardBatch()
    private var result = Result()

    /// - Parameter reference: Has the same vocabulary, block size and limits.
    public init(_ executor: any Executor, reference: (any Executor)? = nil) {
        self.executor = executor
        self.reference = reference
        maximumRows = min(executor.maximumRows, reference?.maximumRows ?? .max)
        let rows = min(64, maximumRows, executor.maximumLogitRows, reference?.maximumLogitRows ?? .max)
        scoredRows = rows
        logits = LogitsBuffer(rowCapacity: rows, vocabularySize: executor.vocabularySize)
        referenceLogits = reference.map { LogitsBuffer(rowCapacity: rows, vocabularySize: $0.vocabularySize) }
    }

    /// Scores all windows, which the executors' caches can hold one at a time.
    ///
    /// - Parameter progress: Told what is known after each window.
    public func run(
        _ windows: TextWindows, progress: (Result) -> Void = { _ in }
    ) throws(EvaluationError) -> Result {
        result = Result()
        if reference != nil { result.divergence = Divergence() }
        for index in 0..<windows.count {
            try score(windows[index], from: windows.firstScored)
            result.windowCount += 1
            progress(result)
        }
        return result
    }

    private func score(_ window: [TokenID], from firstScored: Int) throws(EvaluationError) {
        var sequence = CachedSequence(window)
        var blocks = FreeBlocks(executor.cacheCapacity)
        let end = window.count - 1
        while sequence.computedCount < end {
            let start = sequence.computedCount
            let isScored = start >= firstScored
            let count = isScored ? min(scoredRows, end - start) : min(maximumRows, firstScored - start)
            batch.removeAll()
            try sequence.advance(by: count, wantedCount: isScored ? count : 0, in: &batch, from: &blocks)
            try execute()
            guard isScored else { continue }
            for row in 0..<count {
                try score(row, followedBy: window[start + row + 1], position: start + row)
            }
        }
    }

    private func execute() throws(EvaluationError) {
        do throws(ExecutionError) {
            let start = Instant.now()
            try executor.execute(batch, into: logits)
            result.seconds += Instant.now().seconds(since: start)
            if let reference, let referenceLogits { try reference.execute(batch, into: referenceLogits) }
        } catch {
            throw .execution(error)
        }
        result.computedCount += batch.rowCount
    }

    private func score(_ row: Int, followedBy token: TokenID, position: Int) throws(EvaluationError) {
        guard let referenceLogits else {
            let score = logits.withRow(row) { RowScore($0.span, followedBy: token) }
            guard score.negativeLogLikelihood.isFinite else { throw .notFinite(position: position) }
            result.perplexity.add(score.negativeLogLikelihood)
            return
        }
        let compared = referenceLogits.withRow(row) { expected in
            logits.withRow(row) { ComparedRow($0.span, reference: expected.span, followedBy: token) }
        }
        guard compared.score.negativeLogLikelihood.isFinite, compared.reference.negativeLogLikelihood.isFinite,
            compared.divergence.isFinite
        else { throw .notFinite(position: position) }
        result.perplexity.add(compared.score.negativeLogLikelihood)
        result.divergence?.add(compared)
    }
}
