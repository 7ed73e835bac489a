// Fields that both generation endpoints share: each with values that are right and values that are not.

import JSON
import OpenAI
import Testing

@Suite struct RequestOptionsTests {
    static let accepted: [(String, @Sendable (RequestOptions) -> Bool)] = [
        (#""temperature":0"#, { $0.sampling.temperature == 0 }),
        (#""temperature":2"#, { $0.sampling.temperature == 2 }),
        (#""temperature":"0.7""#, { $0.sampling.temperature == 0.7 }),
        (#""temperature":null"#, { $0.sampling.temperature == nil }),
        (#""top_p":1"#, { $0.sampling.topP == 1 }),
        (#""top_p":1e-320"#, { $0.sampling.topP == 1e-320 }),
        (#""top_k":-1"#, { $0.sampling.topK == 0 }),
        (#""top_k":40.0"#, { $0.sampling.topK == 40 }),
        (#""min_p":1"#, { $0.sampling.minP == 1 }),
        (#""presence_penalty":-2"#, { $0.sampling.presencePenalty == -2 }),
        (#""frequency_penalty":2.0"#, { $0.sampling.frequencyPenalty == 2 }),
        (#""repetition_penalty":17"#, { $0.sampling.repetitionPenalty == 17 }),
        (#""seed":-1"#, { $0.sampling.seed == nil }),
        (#""seed":9223372036854775807"#, { $0.sampling.seed == .max }),
        (#""seed":-9223372036854775808"#, { $0.sampling.seed == .min }),
        (#""n":3"#, { $0.sampleCount == 3 }),
        (#""n":null"#, { $0.sampleCount == 1 }),
        (#""stop":"END""#, { $0.sampling.stop == ["END"] }),
        (#""stop":["a","\u0000","c","d"]"#, { $0.sampling.stop == ["a", "\0", "c", "d"] }),
        (#""stop":[]"#, { $0.sampling.stop.isEmpty }),
        (#""stop_token_ids":[1,2.0]"#, { $0.sampling.stopTokenIDs == [1, 2] }),
        (#""include_stop_str_in_output":true"#, { $0.sampling.includesStopString }),
        (#""ignore_eos":true"#, { $0.sampling.ignoresEOS }),
        (#""ignore_eos":1,"echo":"true""#, { $0.sampling.ignoresEOS && $0.echo }),
        (#""skip_special_tokens":"false","stream":0"#, { !$0.skipsSpecialTokens && !$0.streams }),
        (#""min_tokens":5"#, { $0.sampling.minimumTokens == 5 }),
        (#""logit_bias":{"7":-200,"8":1.5}"#, { $0.sampling.logitBias == [7: -100, 8: 1.5] }),
        (#""logit_bias":{}"#, { $0.sampling.logitBias.isEmpty }),
        (#""allowed_token_ids":[3]"#, { $0.sampling.allowedTokenIDs == [3] }),
        (#""bad_words":["no"]"#, { $0.sampling.badWords == ["no"] }),
        (#""skip_special_tokens":false"#, { !$0.skipsSpecialTokens }),
        (#""spaces_between_special_tokens":false"#, { !$0.spacesBetweenSpecialTokens }),
        (#""truncate_prompt_tokens":-1"#, { $0.truncatedPromptLength == -1 }),
        (#""truncation_side":"left""#, { $0.truncationSide == .left }),
        (#""prompt_logprobs":2"#, { $0.promptLogprobCount == 2 }),
        (#""prompt_logprobs":0,"stream":true"#, { $0.promptLogprobCount == 0 }),
        (#""return_token_ids":true"#, { $0.returnsTokenIDs }),
        (#""return_tokens_as_token_ids":false"#, { $0.returnsTokensAsTokenIDs == false }),
        (#""stream":true"#, { $0.streams && !$0.includesUsage }),
        (#""stream":true,"stream_options":{"include_usage":true}"#, { $0.includesUsage && !$0.continuousUsage }),
        (
            #""stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}"#,
            { $0.includesUsage && $0.continuousUsage }
        ),
        (#""stream":true,"stream_options":{"continuous_usage_stats":true}"#, { !$0.continuousUsage }),
        (#""stream_options":{}"#, { !$0.streams }),
        (#""stream_interval":8"#, { $0.streamInterval == 8 }),
        (#""priority":-5"#, { $0.priority == -5 }),
        (#""request_id":"r1","session_id":"s","user":"u""#, { $0.requestID == "r1" && $0.sessionID == "s" }),
        (#""cache_salt":"pepper""#, { $0.cacheSalt == "pepper" }),
        (#""echo":true"#, { $0.echo }),
        (#""model":"m\n""#, { $0.model == "m\n" }),
        (#""typical_p":7,"store":true,"metadata":{"a":1}"#, { $0.sampling == SamplingOptions() }),
    ]

    @Test("reads every shared field", arguments: accepted.indices, Body.allCases)
    func accepts(row: Int, body: Body) throws {
        let (members, isRight) = Self.accepted[row]
        #expect(isRight(try body.decode(members)), "\(members)")
    }

    static let refused: [(param: String, values: [String])] = [
        ("temperature", ["-0.1", "2.1", "1e999", "-1e999", "\"hot\"", "\"nan\"", "\"0x1\"", "true", "[]"]),
        ("top_p", ["0", "-1", "1.0000001", "{}"]),
        ("top_k", ["-2", "1.5", "1e400", "\"x\"", "99999999999999999999"]),
        ("min_p", ["-0.1", "1.1"]),
        ("presence_penalty", ["-2.1", "2.1", "false"]),
        ("frequency_penalty", ["-2.1", "2.1", "[1]"]),
        ("repetition_penalty", ["0", "-1", "1e999", "\"x\""]),
        ("seed", ["1.5", "18446744073709551616", "\"x\"", "-9223372036854775809", "true"]),
        ("n", ["0", "-1", "1.5", "1000000000", "9223372036854775808", "16385", "true", "[1]"]),
        ("stop", [#""""#, #"[""]"#, #"["a","b","c","d","e"]"#, "[null]", #"{"a":1}"#, "5"]),
        ("stop_token_ids", ["[-1]", "[2147483648]", "[1.5]", "[\"a\"]", "7"]),
        ("include_stop_str_in_output", ["2", "\"TRUE\""]),
        ("ignore_eos", ["[]"]),
        ("min_tokens", ["-1", "0.5"]),
        ("logit_bias", [#"{"a":1}"#, #"{"1.5":1}"#, #"{"-1":1}"#, #"{"1":"x"}"#, "[]", #"{"99999999999":1}"#]),
        ("allowed_token_ids", ["[]", "[-1]", "[4294967296]", "[null]"]),
        ("bad_words", [#"[""]"#, "[1]", #""no""#]),
        ("skip_special_tokens", ["\"no\""]),
        ("spaces_between_special_tokens", ["[]"]),
        ("truncate_prompt_tokens", ["-2", "1.5"]),
        ("truncation_side", [#""middle""#, "1"]),
        ("prompt_logprobs", ["-2", "21", "-1", "1e9", "true", #"1,"stream":true"#]),
        ("return_token_ids", ["\"yes\""]),
        ("return_tokens_as_token_ids", ["-1"]),
        ("stream", ["0.5", "\"\"", "[]"]),
        ("stream_options", ["true", #"{"include_usage":true}"#, #"{"include_usage":true},"stream":false"#]),
        ("stream_interval", ["0", "-3"]),
        ("priority", ["9223372036854775808", "1.5"]),
        ("request_id", ["5", "\"\(String(repeating: "x", count: 129))\""]),
        ("session_id", ["[]"]),
        ("user", ["7"]),
        ("cache_salt", [#""""#, #""a@b""#, #""a/b""#, #""a\\b""#, #""\u0000""#, "1"]),
        ("cache_salt", ["\"\(String(repeating: "x", count: 129))\""]),
        ("echo", ["\"x\""]),
        ("add_special_tokens", ["{}"]),
        ("model", ["1", "{}"]),
        ("logprob_token_ids", ["[-1]", "[1]", "[" + String(repeating: "1,", count: 128) + "1]"]),
        ("response_format", [#"{"type":"json_object"}"#, #"{"type":"json_schema","json_schema":{}}"#, "\"json\""]),
        ("structured_outputs", [#"{"regex":"a+"}"#, #"{"choice":["a"]}"#]),
        ("guided_json", [#"{"type":"object"}"#]),
        ("guided_regex", ["\"a\""]),
        ("guided_choice", ["[\"a\"]"]),
        ("guided_grammar", ["\"root ::= 1\""]),
        ("logits_processors", ["[\"a.b\"]"]),
        ("suffix", ["\"end\""]),
        ("best_of", ["1000000", "2"]),
        ("use_beam_search", ["true"]),
        ("thinking_token_budget", ["100", "0"]),
        ("repetition_detection", [#"{"max_pattern_size":4}"#]),
        ("prompt_embeds", ["\"AAAA\"", "[\"AAAA\"]"]),
        ("kv_transfer_params", [#"{"do_remote_decode":true}"#]),
        ("vllm_xargs", [#"{"a":1}"#]),
        ("mm_processor_kwargs", [#"{"a":1}"#]),
        ("modalities", [#"["text","audio"]"#]),
    ]

    @Test("names the field that is wrong", arguments: refused.indices, Body.allCases)
    func refuses(row: Int, body: Body) {
        let (param, values) = Self.refused[row]
        for value in values { body.expectError(param, "\"\(param)\":\(value)") }
    }

    @Test("names nested fields by their path", arguments: Body.allCases)
    func nestedFields(body: Body) {
        body.expectError("stream_options.include_usage", #""stream":true,"stream_options":{"include_usage":2}"#)
        body.expectError("min_tokens", #""min_tokens":9,"max_tokens":8"#)
    }

    @Test("accepts what asks for nothing in fields that are not supported", arguments: Body.allCases)
    func neutralValues(body: Body) throws {
        _ = try body.decode(
            """
            "response_format":{"type":"text"},"structured_outputs":{"json":null},"guided_json":null,"suffix":"",
            "best_of":1,"use_beam_search":false,"thinking_token_budget":-1,"kv_transfer_params":{},"prompt_embeds":[],
            "modalities":["text"],"logits_processors":[],"repetition_detection":null,"function_call":"none"
            """)
    }

    @Test("keeps to the operator's limits")
    func limits() throws {
        var limits = RequestLimits()
        limits.samples = 2
        limits.logprobs = nil
        limits.stopStrings = 1
        #expect(throws: RequestError.self) { try Body.chat.decode(#""n":3"#, limits: limits) }
        #expect(throws: RequestError.self) { try Body.chat.decode(#""stop":["a","b"]"#, limits: limits) }
        #expect(try Body.chat.decode(#""prompt_logprobs":-1"#, limits: limits).promptLogprobCount == -1)
    }

    @Test("refuses a body that is no object", arguments: ["null", "[]", "\"x\"", "1", "true"])
    func bodies(text: String) throws {
        let json = try JSONParser.parse(text)
        for decode in [
            { _ = try CompletionRequest(json: json) }, { _ = try ChatCompletionRequest(json: json) },
            { _ = try TokenizeRequest(json: json) }, { _ = try DetokenizeRequest(json: json) },
        ] {
            let error = #expect(throws: RequestError.self) { try decode() }
            #expect(error?.kind == .malformed)
        }
    }
}
