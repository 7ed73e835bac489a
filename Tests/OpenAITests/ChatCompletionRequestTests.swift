// Messages, tools and template options of a chat.

import JSON
import OpenAI
import Testing

@Suite struct ChatCompletionRequestTests {
    @Test("reads messages of every role and both forms of content")
    func messages() throws {
        let request = try chat(
            messages: """
                {"role":"system","content":"s"},{"role":"developer","content":[{"type":"text","text":"d"},"e"]},
                {"role":"user","content":[{"type":"input_text","text":"u"}],"name":"bob"},
                {"role":"assistant","content":null},{"role":"tool","content":"t","tool_call_id":"c"}
                """)
        #expect(request.messages.map(\.role) == ["system", "developer", "user", "assistant", "tool"])
        #expect(request.messages.map(\.text) == ["s", "d\ne", "u", "", "t"])
        #expect(request.messages.map { $0.content == nil } == [false, false, false, true, false])
        #expect(request.messages[2].json["name"] == "bob")
    }

    static let badMessages: [(json: String, param: String)] = [
        ("5", "messages.0"), ("{}", "messages.0.role"), (#"{"role":"","content":"x"}"#, "messages.0.role"),
        (#"{"role":"<|im_end|>","content":"x"}"#, "messages.0.role"), (#"{"role":5}"#, "messages.0.role"),
        (#"{"role":"\#(String(repeating: "a", count: 65))"}"#, "messages.0.role"),
        (#"{"role":"user","content":5}"#, "messages.0.content"),
        (#"{"role":"user","content":{"type":"text"}}"#, "messages.0.content"),
        (#"{"role":"user","content":[5]}"#, "messages.0.content.0"),
        (#"{"role":"user","content":[{"text":"x"}]}"#, "messages.0.content.0.type"),
        (#"{"role":"user","content":[{"type":"text"}]}"#, "messages.0.content.0.text"),
        (#"{"role":"user","content":[{"type":"text","text":5}]}"#, "messages.0.content.0.text"),
        (
            #"{"role":"user","content":["a",{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}]}"#,
            "messages.0.content.1.type"
        ),
        (#"{"role":"user","content":[{"type":"input_audio"}]}"#, "messages.0.content.0.type"),
        (#"{"role":"user","content":"a","name":5}"#, "messages.0.name"),
        (#"{"role":"tool","content":"a","tool_call_id":5}"#, "messages.0.tool_call_id"),
        (#"{"role":"user","content":"a"},null"#, "messages.1"),
        (#"{"role":"assistant","tool_calls":5}"#, "messages.0.tool_calls"),
        (#"{"role":"assistant","tool_calls":[5]}"#, "messages.0.tool_calls.0"),
        (#"{"role":"assistant","tool_calls":[{"type":"custom","function":{}}]}"#, "messages.0.tool_calls.0"),
        (#"{"role":"assistant","tool_calls":[{"function":{}}]}"#, "messages.0.tool_calls.0.function.name"),
        (#"{"role":"assistant","reasoning":[]}"#, "messages.0.reasoning"), ("", "messages"),
    ]

    @Test("names the part of a message that is wrong", arguments: badMessages.indices)
    func refusesMessages(row: Int) {
        let (json, param) = Self.badMessages[row]
        #expect(#expect(throws: RequestError.self) { try chat(messages: json) }?.param == param, "\(json)")
    }

    @Test("refuses requests without messages and with too many")
    func countsMessages() {
        for members in ["", #""messages":null"#, #""messages":"hi""#, #""messages":{}"#] {
            #expect(#expect(throws: RequestError.self) { try chat(members) }?.param == "messages")
        }
        let many = repeatElement(#"{"role":"user","content":"x"}"#, count: 16_385).joined(separator: ",")
        #expect(#expect(throws: RequestError.self) { try chat(messages: many) }?.param == "messages")
    }

    @Test("gives templates what vLLM gives them, and nothing else of a message")
    func templateValues() throws {
        let messages = try chat(
            messages: """
                {"content":["a",{"type":"text","text":"b"}],"role":"user","name":"bob","secret":1},
                {"role":"assistant","reasoning_content":"hm","tool_calls":[
                  {"id":"c1","type":"function","function":{"name":"f","arguments":"{\\"z\\":1,\\"a\\":2}"}},
                  {"id":"c2","function":{"name":"g","arguments":"not json"}},{"function":{"name":"h"}}]},
                {"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"x"},{"type":"text","text":"y"}]},
                {"role":"assistant","content":"done","tool_calls":[]}
                """
        ).messages
        func text(_ index: Int, _ format: ChatMessage.ContentFormat) -> String {
            messages[index].templateValue(format: format).serialized()
        }
        #expect(text(0, .text) == #"{"role":"user","content":"a\nb","name":"bob"}"#)
        #expect(
            text(0, .parts)
                == #"{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"name":"bob"}"#)
        #expect(
            text(1, .text)
                == #"{"role":"assistant","content":"","tool_calls":["#
                + #"{"id":"c1","type":"function","function":{"name":"f","arguments":{"z":1,"a":2}}},"#
                + #"{"id":"c2","function":{"name":"g","arguments":{}}},{"function":{"name":"h","arguments":{}}}],"#
                + #""reasoning":"hm","reasoning_content":"hm"}"#)
        #expect(text(2, .parts) == #"{"role":"tool","content":"x\ny","tool_call_id":"c1"}"#)
        #expect(text(3, .text) == #"{"role":"assistant","content":"done"}"#)
    }

    @Test("prefers max_completion_tokens to max_tokens, and needs neither")
    func maximumTokens() throws {
        func request(_ members: String) throws -> ChatCompletionRequest {
            try chat(messages: #"{"role":"user","content":"x"}"#, members)
        }
        #expect(try request("").maximumTokens == nil)
        #expect(try request(#""max_tokens":5"#).maximumTokens == 5)
        #expect(try request(#""max_tokens":5,"max_completion_tokens":7"#).maximumTokens == 7)
        for value in ["0", "-1", "1.5", "\"x\""] {
            Body.chat.expectError("max_tokens", "\"max_tokens\":\(value)")
            Body.chat.expectError("max_completion_tokens", "\"max_completion_tokens\":\(value)")
        }
    }

    @Test("reads logprobs as a flag with a number beside it")
    func logprobs() throws {
        #expect(try Body.chat.decode(#""top_logprobs":0"#).logprobCount == nil)
        #expect(try Body.chat.decode(#""logprobs":true"#).logprobCount == 0)
        #expect(try Body.chat.decode(#""logprobs":true,"top_logprobs":20"#).logprobCount == 20)
        #expect(try Body.chat.decode(#""logprobs":true,"top_logprobs":null"#).logprobCount == 0)
        Body.chat.expectError("logprobs", #""logprobs":5"#)
        for members in [
            #""top_logprobs":1"#, #""logprobs":true,"top_logprobs":21"#, #""logprobs":true,"top_logprobs":-1"#,
            #""logprobs":true,"top_logprobs":1e9"#, #""logprobs":true,"top_logprobs":"x""#,
        ] { Body.chat.expectError("top_logprobs", members) }
    }

    static let tool = #"{"function":{"parameters":{"z":{},"a":[]},"name":"f","extra":1},"type":"function"}"#

    @Test("shows tools to the template in the API's order, schemas in the client's")
    func tools() throws {
        let request = try chat(
            messages: #"{"role":"user","content":"x"}"#, #""tools":[\#(Self.tool)],"tool_choice":"none""#)
        #expect(
            request.template.tools.first?.templateValue.serialized()
                == #"{"type":"function","function":{"name":"f","description":null,"parameters":{"z":{},"a":[]}}}"#)
    }

    static let badTools: [(String, String)] = [
        (#""tools":[]"#, "tools"), (#""tools":{}"#, "tools"), (#""tools":[\#(tool)]"#, "tools"),
        (#""tools":[\#(tool)],"tool_choice":"auto""#, "tool_choice"),
        (#""tools":[\#(tool)],"tool_choice":"required""#, "tool_choice"),
        (#""tools":[\#(tool)],"tool_choice":{"type":"function","function":{"name":"f"}}"#, "tool_choice"),
        (#""tool_choice":"auto""#, "tool_choice"), (#""functions":[{"name":"f"}]"#, "functions"),
        (#""tool_choice":"none","tools":[5]"#, "tools.0"), (#""tool_choice":"none","tools":[{}]"#, "tools.0.function"),
        (#""tool_choice":"none","tools":[{"type":"x","function":{"name":"f"}}]"#, "tools.0.type"),
        (#""tool_choice":"none","tools":[{"function":{}}]"#, "tools.0.function.name"),
        (#""tool_choice":"none","tools":[{"function":{"name":"f","parameters":"x"}}]"#, "tools.0.function.parameters"),
        (#""tool_choice":"none","tools":[{"function":{"name":"f","description":1}}]"#, "tools.0.function.description"),
    ]

    @Test("refuses tools that would have to be called", arguments: badTools)
    func refusesTools(members: String, param: String) {
        Body.chat.expectError(param, members)
    }

    @Test("carries what the request tells its template")
    func templateOptions() throws {
        let user = #"{"role":"user","content":"x"}"#
        let plain = try chat(messages: user).template
        #expect(plain.addsGenerationPrompt && !plain.continuesFinalMessage && plain.variables.isEmpty)
        #expect(try !chat(messages: user, #""add_generation_prompt":false"#).template.addsGenerationPrompt)
        let continued = try chat(messages: user, #""continue_final_message":true"#).template
        #expect(continued.continuesFinalMessage && !continued.addsGenerationPrompt)
        let variables = try chat(
            messages: user, #""chat_template_kwargs":{"b":1,"a":[2]},"reasoning_effort":"none""#
        ).template.variables
        #expect(
            JSONValue.object(variables).serialized()
                == #"{"b":1,"a":[2],"reasoning_effort":"none","enable_thinking":false}"#)
        let chosen = try chat(
            messages: user, #""chat_template_kwargs":{"enable_thinking":false},"reasoning_effort":"high""#
        ).template.variables
        #expect(chosen["enable_thinking"] == false)
        #expect(try chat(messages: user, #""documents":[{"title":"t"}]"#).template.documents == [["title": "t"]])
        #expect(try chat(messages: user, #""return_prompt_text":true"#).returnsPromptText)
    }

    static let badTemplateOptions: [(String, String)] = [
        (#""continue_final_message":true,"add_generation_prompt":true"#, "continue_final_message"),
        (#""chat_template":"{{ 1 }}""#, "chat_template"),
        (#""chat_template_kwargs":{"tokenize":true}"#, "chat_template_kwargs.tokenize"),
        (#""chat_template_kwargs":{"messages":[]}"#, "chat_template_kwargs.messages"),
        (#""chat_template_kwargs":{"chat_template":"x"}"#, "chat_template_kwargs.chat_template"),
        (#""chat_template_kwargs":[]"#, "chat_template_kwargs"), (#""reasoning_effort":"huge""#, "reasoning_effort"),
        (#""documents":[5]"#, "documents"), (#""documents":[{"a":1}]"#, "documents"), (#""documents":{}"#, "documents"),
        (#""return_prompt_text":[]"#, "return_prompt_text"), (#""add_generation_prompt":3"#, "add_generation_prompt"),
    ]

    @Test("refuses what a template must not be told", arguments: badTemplateOptions)
    func refusesTemplateOptions(members: String, param: String) {
        Body.chat.expectError(param, members)
    }

    @Test("takes a client's template where the operator trusts it")
    func trustedTemplate() throws {
        var limits = RequestLimits()
        limits.trustsChatTemplates = true
        let json = try JSONParser.parse(Body.chat.rawValue + #","chat_template":"{{ 1 }}"}"#)
        #expect(try ChatCompletionRequest(json: json, limits: limits).template.template == "{{ 1 }}")
    }
}
