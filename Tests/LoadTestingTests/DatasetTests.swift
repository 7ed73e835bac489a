import LoadTesting
import Testing

@Suite("Datasets")
struct DatasetTests {
    @Test("random prompts have exactly the wanted tokens, within the range, with a common prefix")
    func randomTokens() throws {
        var dataset = RandomDataset()
        dataset.inputLength = 16
        dataset.outputLength = 8
        dataset.prefixLength = 4
        dataset.tokenRange = 100..<200
        let requests = try dataset.requests(count: 10, material: .tokenIDs, idPrefix: "r-", seed: 1)
        #expect(requests.map(\.id) == (0..<10).map { "r-\($0)" })
        let prompts = try requests.map { request in
            guard case .tokens(let tokens) = request.prompt else { throw WrongPrompt() }
            return tokens
        }
        #expect(prompts.allSatisfy { $0.count == 20 && $0.allSatisfy(dataset.tokenRange.contains) })
        #expect(Set(prompts.map { $0.prefix(4) }).count == 1)
        #expect(Set(prompts).count == 10)
        #expect(requests.allSatisfy { $0.promptTokenCount == 20 && $0.outputTokenCount == 8 })
    }

    @Test("a seed repeats the prompts")
    func seeds() throws {
        func requests(_ seed: UInt64) throws -> [LoadRequest] {
            try RandomDataset().requests(count: 3, material: .tokenIDs, idPrefix: "", seed: seed)
        }
        #expect(try requests(1) == requests(1))
        #expect(try requests(1) != requests(2))
    }

    @Test("lengths lie within the range's ratio, and reach both ends")
    func lengths() throws {
        var dataset = RandomDataset()
        dataset.inputLength = 10
        dataset.outputLength = 20
        dataset.inputRangeRatio = 0.5
        dataset.outputRangeRatio = 0.1
        let requests = try dataset.requests(count: 500, material: .tokenIDs, idPrefix: "", seed: 1)
        #expect(Set(requests.map(\.promptTokenCount)) == Set(5...15))
        #expect(Set(requests.map(\.outputTokenCount)) == Set(18...22))
    }

    @Test("words are as many as wanted")
    func words() throws {
        var dataset = RandomDataset()
        dataset.inputLength = 12
        let request = try #require(try dataset.requests(count: 1, material: .words, idPrefix: "", seed: 1).first)
        guard case .text(let text) = request.prompt else { throw WrongPrompt() }
        #expect(text.split(separator: " ").count == 12)
    }

    @Test("a tokenizer's text has the wanted tokens together with those that the server adds")
    func text() throws {
        var dataset = RandomDataset()
        dataset.inputLength = 12
        let requests = try dataset.requests(count: 3, material: .text(LetterTokenizer()), idPrefix: "", seed: 1)
        for request in requests {
            guard case .text(let text) = request.prompt else { throw WrongPrompt() }
            #expect(text.count == 11 && request.promptTokenCount == 11)
        }
    }

    @Test("a tokenizer that merges neighbours still gives the wanted count")
    func mergingTokenizer() throws {
        var dataset = RandomDataset()
        dataset.inputLength = 30
        let requests = try dataset.requests(count: 5, material: .text(PairTokenizer()), idPrefix: "", seed: 1)
        for request in requests {
            guard case .text(let text) = request.prompt else { throw WrongPrompt() }
            #expect(PairTokenizer().encode(text).count == request.promptTokenCount)
            #expect(abs(request.promptTokenCount - 30) <= 1)
        }
    }

    @Test("lengths and ranges that make no sense are refused")
    func refusals() {
        func refuses(_ change: (inout RandomDataset) -> Void) {
            var dataset = RandomDataset()
            change(&dataset)
            #expect(throws: LoadTestError.self) {
                try dataset.requests(count: 1, material: .tokenIDs, idPrefix: "", seed: 1)
            }
        }
        refuses { $0.inputLength = 0 }
        refuses { $0.inputLength = -5 }
        refuses { $0.inputLength = .max }
        refuses { $0.outputLength = 0 }
        refuses { $0.prefixLength = -1 }
        refuses { $0.inputRangeRatio = 1 }
        refuses { $0.outputRangeRatio = -0.1 }
        refuses { $0.inputRangeRatio = .nan }
        refuses { $0.tokenRange = 5..<5 }
    }

    @Test("JSON lines are prompts, of text or tokens, in their order unless shuffled")
    func customLines() throws {
        let dataset = try CustomDataset(
            jsonLines: """
                {"prompt": "one"}

                {"prompt": [1, 2, 3], "output_tokens": 9, "more": true}
                """)
        let requests = try Self.requests(dataset, count: 2, outputLength: 5)
        #expect(requests.map(\.prompt) == [.text("one"), .tokens([1, 2, 3])])
        #expect(requests.map(\.promptTokenCount) == [0, 3])
        #expect(requests.map(\.outputTokenCount) == [5, 5])
        let repeated = try Self.requests(dataset, count: 7, outputLength: 5, repeats: true)
        #expect(repeated.count == 7 && Set(repeated.map(\.id)).count == 7)
        #expect(try Self.requests(dataset, count: 7, outputLength: 5).count == 2)
    }

    @Test("each line's own output length is used if asked for, and must then be there")
    func ownLengths() throws {
        let complete = try CustomDataset(jsonLines: #"{"prompt": "a", "output_tokens": 4}"#)
        #expect(try Self.requests(complete, count: 1, outputLength: -1).map(\.outputTokenCount) == [4])
        let incomplete = try CustomDataset(jsonLines: #"{"prompt": "a"}"#)
        #expect(throws: LoadTestError.self) { try Self.requests(incomplete, count: 1, outputLength: -1) }
    }

    @Test(
        "a line that is no prompt is refused by its number",
        arguments: ["nonsense", "{}", #"{"prompt": 5}"#, #"{"prompt": []}"#, #"{"prompt": "a", "output_tokens": -1}"#])
    func badLines(line: String) {
        let error = #expect(throws: LoadTestError.self) {
            try CustomDataset(jsonLines: "{\"prompt\": \"good\"}\n" + line)
        }
        #expect(error?.description.hasPrefix("Line 2 ") == true)
    }

    @Test("a file without lines is refused")
    func emptyFile() {
        #expect(throws: LoadTestError.emptyDataset) { try CustomDataset(jsonLines: "\n\n") }
    }

    private static func requests(
        _ dataset: CustomDataset, count: Int, outputLength: Int, repeats: Bool = false
    ) throws -> [LoadRequest] {
        try dataset.requests(
            count: count, outputLength: outputLength, shuffles: false, repeats: repeats, tokenizer: nil, idPrefix: "",
            seed: 1)
    }
}

private struct WrongPrompt: Error {}

/// Letters are tokens, but "ab" is one: what is decoded has fewer tokens when encoded again.
private struct PairTokenizer: PromptTokenizer {
    let ordinaryTokenIDs = [0, 1, 2, 3]
    let addedTokenCount = 0
    private static let texts = ["a", "b", "c", "ab"]

    func decode(_ tokens: [Int]) -> String {
        tokens.map { Self.texts[$0] }.joined()
    }

    func encode(_ text: String) -> [Int] {
        var tokens: [Int] = []
        for letter in text {
            if letter == "b", tokens.last == 0 {
                tokens[tokens.count - 1] = 3
            } else {
                tokens.append(Self.texts.firstIndex(of: String(letter)) ?? 0)
            }
        }
        return tokens
    }
}
