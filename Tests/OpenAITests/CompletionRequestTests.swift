// The prompts of a completion, its length and its logprobs.

import JSON
import OpenAI
import Testing

@Suite struct CompletionRequestTests {
    static let prompts: [(String, [CompletionRequest.Prompt])] = [
        (#""hi""#, [.text("hi")]),
        (#"["a",""]"#, [.text("a"), .text("")]),
        ("[1,2.0]", [.tokens([1, 2])]),
        ("[[1],[2,3]]", [.tokens([1]), .tokens([2, 3])]),
        ("[2147483647]", [.tokens([.max])]),
    ]

    @Test("takes prompts in all four forms", arguments: prompts)
    func takesPrompts(json: String, expected: [CompletionRequest.Prompt]) throws {
        #expect(try completion("\"prompt\":\(json)").prompts == expected)
    }

    @Test(
        "refuses any other prompt",
        arguments: [
            "null", #""""#, "[]", "[[]]", "[[1],[]]", "[-1]", "[2147483648]", "[1.5]", #"["a",1]"#, #"[[1],["a"]]"#,
            #"[1,"a"]"#, "[true]", "[null]", "{}", "5", "[[[1]]]", #"[["a"]]"#, "[[1],2]",
        ])
    func refusesPrompts(json: String) {
        let error = #expect(throws: RequestError.self) { try completion("\"prompt\":\(json)") }
        #expect(error?.param == "prompt")
    }

    @Test("refuses a request without a prompt")
    func missingPrompt() {
        #expect(#expect(throws: RequestError.self) { try completion("") }?.param == "prompt")
    }

    @Test("limits prompts, but not the tokens of one prompt")
    func limitsPrompts() throws {
        let texts = repeatElement("\"a\"", count: 1025).joined(separator: ",")
        #expect(#expect(throws: RequestError.self) { try completion("\"prompt\":[\(texts)]") }?.param == "prompt")
        let tokens = repeatElement("1", count: 2000).joined(separator: ",")
        #expect(try completion("\"prompt\":[\(tokens)]").prompts.count == 1)
    }

    @Test("limits the samples of all prompts together")
    func limitsSamples() throws {
        var limits = RequestLimits()
        limits.samples = 4
        func request(_ n: Int) throws -> CompletionRequest {
            let json = try JSONParser.parse(#"{"prompt":["a","b"],"n":\#(n)}"#)
            return try CompletionRequest(json: json, limits: limits)
        }
        #expect(try request(2).options.sampleCount == 2)
        #expect(#expect(throws: RequestError.self) { try request(3) }?.param == "n")
    }

    @Test("generates 16 tokens unless told otherwise, and none only with echo")
    func maximumTokens() throws {
        #expect(try completion(#""prompt":"a""#).maximumTokens == 16)
        #expect(try completion(#""prompt":"a","max_tokens":null"#).maximumTokens == 16)
        #expect(try completion(#""prompt":"a","max_tokens":5"#).maximumTokens == 5)
        #expect(try completion(#""prompt":"a","max_tokens":0,"echo":true"#).maximumTokens == 0)
        for value in ["0", "-1", "1.5", "1e30", "true"] {
            Body.completion.expectError("max_tokens", "\"max_tokens\":\(value)")
        }
    }

    @Test("reads logprobs as a number, for the prompt too when it is echoed")
    func logprobs() throws {
        #expect(try completion(#""prompt":"a""#).options.logprobCount == nil)
        #expect(try completion(#""prompt":"a","logprobs":0"#).options.logprobCount == 0)
        let echoed = try completion(#""prompt":"a","logprobs":3,"echo":true"#).options
        #expect(echoed.logprobCount == 3)
        #expect(echoed.promptLogprobCount == 3)
        let selected = try completion(#""prompt":"a","logprobs":0,"logprob_token_ids":[4]"#).options
        #expect(selected.logprobTokenIDs == [4])
        for value in ["-2", "21", "-1", "true", "1.5"] {
            Body.completion.expectError("logprobs", "\"logprobs\":\(value)")
        }
    }

    @Test("adds special tokens to a completion, not to a chat")
    func specialTokens() throws {
        #expect(try Body.completion.decode("").addsSpecialTokens)
        #expect(try !Body.chat.decode("").addsSpecialTokens)
        #expect(try !Body.completion.decode(#""add_special_tokens":false"#).addsSpecialTokens)
        #expect(try Body.chat.decode(#""add_special_tokens":true"#).addsSpecialTokens)
    }
}
