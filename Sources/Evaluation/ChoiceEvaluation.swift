// How many questions a model answers right, by which answer it finds most likely.

public import Models
public import Primitives

/// Asks an executor, or two side by side, questions with several answers.
///
/// Nothing is generated: each answer is put behind the question, and the log-likelihood of its tokens is summed. The
/// plain score is that sum; the normalised one is the sum for each byte of the answer, which does not prefer short
/// answers. They are `acc` and `acc_norm` of the Language Model Evaluation Harness.
public final class ChoiceEvaluation {
    /// Which answers one model takes.
    public struct Score: Sendable, Equatable {
        public internal(set) var plainRightCount = 0
        public internal(set) var normalisedRightCount = 0
    }

    public struct Result: Sendable, Equatable {
        public internal(set) var questionCount = 0
        public internal(set) var score = Score()
        /// Nil without a reference.
        public internal(set) var reference: Score?
        /// Questions to which both give the same answer, right or wrong, by the normalised score.
        public internal(set) var agreementCount = 0

        /// Share of questions answered right; NaN before the first.
        public var plainAccuracy: Double { share(score.plainRightCount) }
        public var normalisedAccuracy: Double { share(score.normalisedRightCount) }
        public var agreement: Double { share(agreementCount) }

        /// `count` of the questions.
        public func share(_ count: Int) -> Double {
            questionCount > 0 ? Double(count) / Double(questionCount) : .nan
        }
    }

    private let executor: any Executor
    private let reference: (any Executor)?

    /// - Parameter reference: Has the same vocabulary, block size and limits.
    public init(_ executor: any Executor, reference: (any Executor)? = nil) {
        self.executor = executor
        self.reference = reference
    }

    /// Asks all questions.
    ///
    /// - Parameters:
    ///   - contextLength: The longest sequence that the executors take.
    ///   - encode: A text's tokens, with the beginning-of-sequence token where the model adds one.
    ///   - progress: Told what is known after each question.
    public func run(
        _ questions: [ChoiceQuestion], contextLength: Int, encode: (String) -> [TokenID],
        progress: (Result) -> Void = { _ in }
    ) throws(EvaluationError) -> Result {
        let scorer = PairedScorer(executor, reference: reference)
        var result = Result()
        if reference != nil { result.reference = Score() }
        for (index, question) in questions.enumerated() {
            var own = Answers(question), other = Answers(question)
            let contextCount = encode(question.prompt).count
            for choice in question.choices.indices {
                let tokens = encode(question.prompt + question.continuation(choice))
                guard tokens.count <= contextLength else {
                    throw .questionTooLong(number: index + 1, tokenCount: tokens.count, contextLength: contextLength)
                }
                // A tokenizer may join the end of the question and the answer; then the joint token is scored.
                let first = min(contextCount, tokens.count - 1)
                guard first > 0 else { throw .questionTooShort(number: index + 1) }
                var sum = 0.0, referenceSum = 0.0
                try scorer.score(tokens, from: first - 1) { position in
                    sum -= position.score.negativeLogLikelihood
                    referenceSum -= position.compared?.reference.negativeLogLikelihood ?? 0
                }
                own.add(choice, logLikelihood: sum)
                other.add(choice, logLikelihood: referenceSum)
            }
            result.questionCount += 1
            own.count(in: &result.score)
            if var score = result.reference {
                other.count(in: &score)
                result.reference = score
                if own.normalised.choice == other.normalised.choice { result.agreementCount += 1 }
            }
            progress(result)
        }
        return result
    }
}

/// The best answers to a question so far; of equal ones the first.
private struct Answers {
    private let question: ChoiceQuestion
    private var plain = (choice: 0, value: -Double.infinity)
    private(set) var normalised = (choice: 0, value: -Double.infinity)

    init(_ question: ChoiceQuestion) {
        self.question = question
    }

    mutating func add(_ choice: Int, logLikelihood: Double) {
        if logLikelihood > plain.value { plain = (choice, logLikelihood) }
        let perByte = logLikelihood / Double(question.choices[choice].utf8.count)
        if perByte > normalised.value { normalised = (choice, perByte) }
    }

    func count(in score: inout ChoiceEvaluation.Score) {
        if plain.choice == question.answer { score.plainRightCount += 1 }
        if normalised.choice == question.answer { score.normalisedRightCount += 1 }
    }
}
