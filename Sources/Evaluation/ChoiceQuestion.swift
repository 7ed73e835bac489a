// Questions with several answers to choose from, as lines of JSON.

internal import JSON

/// A question, its possible answers and which of them is right.
public struct ChoiceQuestion: Sendable, Equatable {
    public let question: String
    /// At least two.
    public let choices: [String]
    /// Index of the right one.
    public let answer: Int

    public init(question: String, choices: [String], answer: Int) {
        self.question = question
        self.choices = choices
        self.answer = answer
    }

    /// What stands before an answer.
    public var prompt: String { "Question: \(question)\nAnswer:" }
    /// What the model is asked to find likely.
    public func continuation(_ choice: Int) -> String { " " + choices[choice] }

    private static let limits = JSONLimits(depth: 4, valueCount: 1000, sizeBytes: 1 << 20)
    private static let choiceCounts = 2...26

    /// The questions of a file: on each line an object with `question`, `choices` and `answer`, the index of the right
    /// choice from 0 on. Empty lines are passed over.
    public static func parse(_ text: String) throws(EvaluationError) -> [ChoiceQuestion] {
        var questions: [ChoiceQuestion] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            guard line.contains(where: { !$0.isWhitespace }) else { continue }
            questions.append(try parse(line: line, number: index + 1))
        }
        guard !questions.isEmpty else { throw .noQuestions }
        return questions
    }

    private static func parse(line: Substring, number: Int) throws(EvaluationError) -> ChoiceQuestion {
        func bad(_ reason: String) -> EvaluationError { .badQuestion(line: number, reason: reason) }
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONParser.parse(Array(line.utf8), limits: limits)
        } catch {
            throw bad("it is not valid JSON: \(error)")
        }
        guard let question = value["question"]?.stringValue, !question.isEmpty else {
            throw bad("it has no \"question\" that is a text")
        }
        let choices = value["choices"]?.arrayValue ?? [], texts = choices.compactMap(\.stringValue)
        guard choiceCounts.contains(texts.count), texts.count == choices.count, texts.allSatisfy({ !$0.isEmpty }) else {
            throw bad(
                "it has no \"choices\" of \(choiceCounts.lowerBound) to \(choiceCounts.upperBound) texts that are not "
                    + "empty")
        }
        guard let answer = value["answer"]?.integerValue, texts.indices.contains(Int(clamping: answer)) else {
            throw bad("its \"answer\" is no index of a choice, 0 to \(texts.count - 1)")
        }
        return ChoiceQuestion(question: question, choices: texts, answer: Int(answer))
    }

    /// The questions that come with the program, written for it: `general-knowledge.jsonl` of this folder.
    public static func builtIn() throws(EvaluationError) -> [ChoiceQuestion] {
        try parse(String(decoding: PackageResources.general_knowledge_jsonl, as: UTF8.self))
    }
}
