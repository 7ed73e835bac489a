// A sequence through one executor, or through two side by side, scored row by row.

internal import Kernels
internal import Models
internal import Primitives

/// Scores sequences by a model and, if there is one, its reference: the same rows of both are compared at once, so that
/// no logits are kept.
final class PairedScorer {
    private let executor: any Executor
    private let reference: (any Executor)?
    private let logits: LogitsBuffer
    private let referenceLogits: LogitsBuffer?
    /// Rows scored in one pass: a buffer of logits for a whole window would be hundreds of megabytes.
    private let scoredRows: Int
    private let maximumRows: Int
    private var batch = ForwardBatch()
    /// Tokens that went through the model.
    private(set) var computedCount = 0
    /// Time of the model's own passes, without the reference's and without the scoring.
    private(set) var seconds = 0.0

    /// What the models say of the token after a position.
    struct Position {
        var score: RowScore
        /// Nil without a reference.
        var compared: ComparedRow?
    }

    init(_ executor: any Executor, reference: (any Executor)?) {
        self.executor = executor
        self.reference = reference
        maximumRows = min(executor.maximumRows, reference?.maximumRows ?? .max)
        let rows = min(64, maximumRows, executor.maximumLogitRows, reference?.maximumLogitRows ?? .max)
        scoredRows = rows
        logits = LogitsBuffer(rowCapacity: rows, vocabularySize: executor.vocabularySize)
        referenceLogits = reference.map { LogitsBuffer(rowCapacity: rows, vocabularySize: $0.vocabularySize) }
    }

    /// Runs `tokens` and calls `body` for each position from `firstScored` on that has a next token.
    func score(
        _ tokens: [TokenID], from firstScored: Int, _ body: (Position) -> Void
    ) throws(EvaluationError) {
        var sequence = CachedSequence(tokens)
        var blocks = FreeBlocks(executor.cacheCapacity)
        let end = tokens.count - 1
        while sequence.computedCount < end {
            let start = sequence.computedCount
            let isScored = start >= firstScored
            let count = isScored ? min(scoredRows, end - start) : min(maximumRows, firstScored - start)
            batch.removeAll()
            try sequence.advance(by: count, wantedCount: isScored ? count : 0, in: &batch, from: &blocks)
            try execute()
            guard isScored else { continue }
            for row in 0..<count {
                body(try score(row, followedBy: tokens[start + row + 1], position: start + row))
            }
        }
    }

    private func execute() throws(EvaluationError) {
        do throws(ExecutionError) {
            let start = Instant.now()
            try executor.execute(batch, into: logits)
            seconds += Instant.now().seconds(since: start)
            if let reference, let referenceLogits { try reference.execute(batch, into: referenceLogits) }
        } catch {
            throw .execution(error)
        }
        computedCount += batch.rowCount
    }

    private func score(_ row: Int, followedBy token: TokenID, position: Int) throws(EvaluationError) -> Position {
        guard let referenceLogits else {
            let score = logits.withRow(row) { RowScore($0.span, followedBy: token) }
            guard score.negativeLogLikelihood.isFinite else { throw .notFinite(position: position) }
            return Position(score: score)
        }
        let compared = referenceLogits.withRow(row) { expected in
            logits.withRow(row) { ComparedRow($0.span, reference: expected.span, followedBy: token) }
        }
        guard compared.score.negativeLogLikelihood.isFinite, compared.reference.negativeLogLikelihood.isFinite,
            compared.divergence.isFinite
        else { throw .notFinite(position: position) }
        return Position(score: compared.score, compared: compared)
    }
}
