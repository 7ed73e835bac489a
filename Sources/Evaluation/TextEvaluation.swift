// Perplexity of a text, and the distance to the reference, window by window.

public import Models

/// Scores a text by one executor, or by two side by side.
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

    /// - Parameter reference: Has the same vocabulary, block size and limits.
    public init(_ executor: any Executor, reference: (any Executor)? = nil) {
        self.executor = executor
        self.reference = reference
    }

    /// Scores all windows, which the executors' caches can hold one at a time.
    ///
    /// - Parameter progress: Told what is known after each window.
    public func run(
        _ windows: TextWindows, progress: (Result) -> Void = { _ in }
    ) throws(EvaluationError) -> Result {
        let scorer = PairedScorer(executor, reference: reference)
        var perplexity = Perplexity(), divergence = Divergence()
        var result = Result()
        for index in 0..<windows.count {
            try scorer.score(windows[index], from: windows.firstScored) { position in
                perplexity.add(position.score.negativeLogLikelihood)
                if let compared = position.compared { divergence.add(compared) }
            }
            result = Result(
                windowCount: index + 1, perplexity: perplexity, divergence: reference == nil ? nil : divergence,
                computedCount: scorer.computedCount, seconds: scorer.seconds)
            progress(result)
        }
        return result
    }
}
