import EngineTesting
import Evaluation
import Models
import Primitives
import Testing

@Suite("Questions with choices")
struct ChoiceEvaluationTests {
    /// A token for each byte.
    private func encode(_ text: String) -> [TokenID] { text.utf8.map { TokenID($0 % 61) } }

    private func executor(_ change: (inout ScriptedExecutor.Configuration) -> Void = { _ in }) -> ScriptedExecutor {
        var configuration = ScriptedExecutor.Configuration()
        change(&configuration)
        return ScriptedExecutor(configuration)
    }

    /// Finds each byte of a text after the one before it likely, and nothing else.
    private func reader(of text: String) -> ScriptedExecutor {
        let tokens = encode(text)
        return executor { $0.script = { context in context.count < tokens.count ? tokens[context.count] : 0 } }
    }

    @Test("the answer that the model finds likely is taken, whichever place it has", arguments: [0, 1, 2, 3])
    func likely(place: Int) throws {
        var choices = ["grey", "blue", "pink", "teal"]
        choices.swapAt(1, place)
        let question = ChoiceQuestion(question: "Sky?", choices: choices, answer: place)
        let model = reader(of: "Question: Sky?\nAnswer: blue")
        let result = try ChoiceEvaluation(model).run([question], contextLength: 512, encode: encode)
        #expect(result.questionCount == 1 && result.plainAccuracy == 1 && result.normalisedAccuracy == 1)
        #expect(result.reference == nil)
        let wrong = ChoiceQuestion(question: "Sky?", choices: choices, answer: (place + 1) % 4)
        #expect(try ChoiceEvaluation(model).run([wrong], contextLength: 512, encode: encode).plainAccuracy == 0)
    }

    @Test("a long answer costs nothing by the normalised score, and much by the plain one")
    func normalised() throws {
        // The script knows the long answer but for its first letters; of the short one it knows nothing. What it does
        // not know costs 8 to 16.
        let long = "xxxx the long way round that is known"
        let question = ChoiceQuestion(question: "Way?", choices: ["ab", long], answer: 1)
        let known = encode("Question: Way?\nAnswer: " + long)
        let start = encode("Question: Way?\nAnswer: ").count
        let model = executor {
            $0.script = { context in
                let place = context.count
                return place < known.count && !(start..<start + 4).contains(place) ? known[place] : 60
            }
        }
        let result = try ChoiceEvaluation(model).run([question], contextLength: 512, encode: encode)
        #expect(result.normalisedAccuracy == 1 && result.plainAccuracy == 0)
    }

    @Test("model and reference are scored each, and agree where they take the same answer")
    func reference() throws {
        let questions = [
            ChoiceQuestion(question: "Sky?", choices: ["blue", "pink"], answer: 0),
            ChoiceQuestion(question: "Sky?", choices: ["pink", "blue"], answer: 0),
        ]
        let blue = reader(of: "Question: Sky?\nAnswer: blue"), pink = reader(of: "Question: Sky?\nAnswer: pink")
        let apart = try ChoiceEvaluation(blue, reference: pink).run(questions, contextLength: 512, encode: encode)
        #expect(apart.score.plainRightCount == 1 && apart.reference?.plainRightCount == 1 && apart.agreement == 0)
        let same = try ChoiceEvaluation(blue, reference: blue).run(questions, contextLength: 512, encode: encode)
        #expect(same.agreement == 1 && same.reference == same.score)
    }

    @Test("a question that does not fit the context is an error that names it")
    func tooLong() {
        let question = ChoiceQuestion(question: "Why?", choices: ["a", "b"], answer: 0)
        #expect(throws: EvaluationError.questionTooLong(number: 1, tokenCount: 24, contextLength: 23)) {
            try ChoiceEvaluation(executor()).run([question], contextLength: 23, encode: encode)
        }
    }

    @Test("questions are lines of JSON; what is wrong with one is said with its line")
    func parse() throws {
        let good = #"{"question": "Sky?", "choices": ["blue", "pink"], "answer": 1, "source": "me"}"#
        #expect(
            try ChoiceQuestion.parse("\n\(good)\n  \n")
                == [ChoiceQuestion(question: "Sky?", choices: ["blue", "pink"], answer: 1)])
        for bad in [
            "{", "[]", #"{"choices": ["a", "b"], "answer": 0}"#, #"{"question": "Q", "choices": ["a"], "answer": 0}"#,
            #"{"question": "Q", "choices": ["a", ""], "answer": 0}"#,
            #"{"question": "Q", "choices": ["a", 2], "answer": 0}"#,
            #"{"question": "Q", "choices": ["a", "b"], "answer": 2}"#,
            #"{"question": "Q", "choices": ["a", "b"], "answer": -1}"#,
            #"{"question": "Q", "choices": ["a", "b"], "answer": "a"}"#,
        ] {
            do {
                _ = try ChoiceQuestion.parse(good + "\n" + bad)
                Issue.record("\(bad) was read")
            } catch {
                guard case .badQuestion(line: 2, _) = error else {
                    Issue.record("\(error)")
                    continue
                }
            }
        }
        #expect(throws: EvaluationError.noQuestions) { try ChoiceQuestion.parse(" \n") }
    }

    @Test("the program's own questions are many, different, of four different choices, and right in every place alike")
    func builtIn() throws {
        let questions = try ChoiceQuestion.builtIn()
        #expect((60...100).contains(questions.count))
        #expect(Set(questions.map(\.question)).count == questions.count)
        #expect(questions.allSatisfy { $0.choices.count == 4 && Set($0.choices).count == 4 })
        for place in 0..<4 { #expect(questions.count { $0.answer == place } == questions.count / 4) }
    }
}
