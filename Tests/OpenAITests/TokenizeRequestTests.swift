// The bodies of the tokenizer's endpoints.

import JSON
import OpenAI
import Testing

@Suite struct TokenizeRequestTests {
    private func tokenize(_ text: String) throws -> TokenizeRequest {
        try TokenizeRequest(json: JSONParser.parse(text))
    }

    @Test("takes a prompt, with special tokens unless told otherwise")
    func prompt() throws {
        let request = try tokenize(#"{"prompt":"","model":"m"}"#)
        #expect(request.input == .prompt(""))
        #expect(request.addsSpecialTokens && !request.returnsTokenStrings && request.model == "m")
        #expect(try !tokenize(#"{"prompt":"a","add_special_tokens":false}"#).addsSpecialTokens)
        #expect(try tokenize(#"{"prompt":"a","return_token_strs":true}"#).returnsTokenStrings)
    }

    @Test("takes messages, with tools, and without special tokens unless told otherwise")
    func messages() throws {
        let request = try tokenize(
            #"{"messages":[{"role":"user","content":"x"}],"add_generation_prompt":false,"#
                + #""tools":[{"function":{"name":"f"}}]}"#)
        guard case .messages(let messages, let template) = request.input else {
            Issue.record("no messages")
            return
        }
        #expect(messages.map(\.text) == ["x"])
        #expect(template.tools.map(\.name) == ["f"])
        #expect(!template.addsGenerationPrompt && !request.addsSpecialTokens)
    }

    @Test(
        "names the field that is wrong",
        arguments: [
            ("{}", "prompt"), (#"{"prompt":5}"#, "prompt"), (#"{"prompt":["a"]}"#, "prompt"),
            (#"{"messages":[]}"#, "messages"), (#"{"messages":[{}]}"#, "messages.0.role"),
            (#"{"prompt":"a","add_special_tokens":[]}"#, "add_special_tokens"),
            (#"{"prompt":"a","return_token_strs":"x"}"#, "return_token_strs"), (#"{"prompt":"a","model":1}"#, "model"),
            (#"{"messages":[{"role":"user"}],"chat_template":"x"}"#, "chat_template"),
        ])
    func refuses(text: String, param: String) {
        #expect(#expect(throws: RequestError.self) { try tokenize(text) }?.param == param)
    }

    @Test("detokenizes ids, each at least 0")
    func detokenize() throws {
        #expect(try DetokenizeRequest(json: JSONParser.parse(#"{"tokens":[1,2]}"#)).tokens == [1, 2])
        #expect(try DetokenizeRequest(json: JSONParser.parse(#"{"tokens":[]}"#)).tokens.isEmpty)
        for text in [
            "{}", #"{"tokens":null}"#, #"{"tokens":5}"#, #"{"tokens":[-1]}"#, #"{"tokens":[4294967296]}"#,
            #"{"tokens":["a"]}"#, #"{"tokens":[1.5]}"#,
        ] {
            let error = #expect(throws: RequestError.self) { try DetokenizeRequest(json: JSONParser.parse(text)) }
            #expect(error?.param == "tokens")
        }
    }
}
