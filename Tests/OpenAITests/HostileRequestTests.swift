// Requests that no honest client sends: each is either understood or refused by name, in few words.

import JSON
import OpenAI
import Testing

@Suite struct HostileRequestTests {
    /// Every field of both generation endpoints.
    static let fields = """
        messages model frequency_penalty logit_bias logprobs top_logprobs max_tokens max_completion_tokens n
        presence_penalty response_format seed stop stream stream_options temperature top_p tools tool_choice
        reasoning_effort thinking_token_budget include_reasoning parallel_tool_calls user use_beam_search top_k min_p
        repetition_penalty watermarking length_penalty stop_token_ids include_stop_str_in_output ignore_eos min_tokens
        skip_special_tokens spaces_between_special_tokens truncate_prompt_tokens truncation_side prompt_logprobs
        logprob_token_ids allowed_token_ids bad_words echo add_generation_prompt continue_final_message
        add_special_tokens documents chat_template chat_template_kwargs media_io_kwargs mm_processor_kwargs
        structured_outputs priority request_id session_id return_tokens_as_token_ids return_token_ids
        return_prompt_text cache_salt kv_transfer_params vllm_xargs repetition_detection stream_interval prompt suffix
        prompt_embeds best_of tokens return_token_strs
        """.split { $0 == " " || $0 == "\n" }.map(String.init)

    static let long = String(repeating: "x", count: 100_000)
    static let values: [JSONValue] = [
        nil, true, false, 0, 1, -1, .integer(.max), .integer(.min), 2_147_483_648, 0.5, -0.5, 1e300, .number(.infinity),
        .number(-.infinity), "", "a", "7", "1e999", "\0", .string(long), [], [nil], [1], [-1], [.integer(.max)], [0.5],
        ["a"], [[]], [[1]], [[:]], [:], ["a": 1], ["1": 1e300], ["type": "text"], ["role": "user", "content": [[]]],
        [["role": "user", "content": [["type": .string(long)]]]], [["function": ["name": "f"]]],
        [["role": "assistant", "tool_calls": [["function": ["name": "f", "arguments": .string(long)]]]]],
    ]

    @Test("no value in any field stops the server, and no error repeats what it was given", arguments: fields)
    func oddValues(field: String) throws {
        for body in Body.allCases {
            let minimal = try #require(try JSONParser.parse(body.rawValue + "}").objectValue)
            for value in Self.values {
                var changed = minimal
                changed[field] = value
                let json = JSONValue.object(changed)
                Self.check { _ = try CompletionRequest(json: json) }
                Self.check { _ = try ChatCompletionRequest(json: json) }
                Self.check { _ = try TokenizeRequest(json: json) }
                Self.check { _ = try DetokenizeRequest(json: json) }
            }
        }
    }

    private static func check(_ decode: () throws -> Void) {
        do {
            try decode()
        } catch {
            let requestError = error as? RequestError
            #expect(requestError != nil)
            #expect((requestError?.serialized(code: 400).count ?? 0) < 500)
        }
    }

    @Test("an error among thousands of elements is told once")
    func amplification() throws {
        let bad = repeatElement("5", count: 12_001).joined(separator: ",")
        let error = #expect(throws: RequestError.self) { try chat(messages: bad) }
        #expect(error?.param == "messages.0")
        #expect((error?.serialized(code: 400).count ?? 0) < 500)
    }
}
