import JSON
import Server
import Testing

@Suite("Service endpoints", .timeLimit(.minutes(1)))
struct ServiceTests {
    @Test(
        "a healthy server says so with an empty body",
        arguments: ["GET /health", "GET /live", "GET /ping", "POST /ping"])
    func health(request: String) async throws {
        try await TestServer.run { test in
            let words = request.split(separator: " ").map { String($0) }
            let response = try await test.request(words[0], words[1])
            #expect(response.status == 200)
            #expect(response.body == "")
        }
    }

    @Test("until the model is there only metrics, version and load are served")
    func loading() async throws {
        try await TestServer.run { options in
            options.isReady = false
        } _: { test in
            #expect(try await test.request("GET", "/health").status == 503)
            #expect(try await test.request("GET", "/live").status == 200)
            let response = try await test.post("/v1/completions", #"{"prompt":"a"}"#)
            #expect(response.status == 503)
            #expect(response.header("retry-after") != nil)
            #expect(response.error("type") == "ServiceUnavailableError")
            #expect(try await test.request("GET", "/v1/models").status == 503)
            #expect(try await test.request("GET", "/version").status == 200)
            #expect(try await test.value(of: "vllm_running_requests") == 0)
            test.server.modelReady(try TestModel.generator())
            #expect(try await test.request("GET", "/health").status == 200)
            #expect(try await test.post("/v1/completions", #"{"prompt":"a"}"#).status == 200)
        }
    }

    @Test("every name of the model is listed and answered by the first one")
    func models() async throws {
        try await TestServer.run { test in
            let list = try #require(try await test.request("GET", "/v1/models").json)
            #expect(list["data"]?.arrayValue?.map { $0["id"]?.text } == ["tiny", "alias"])
            #expect(list["data"]?[0]?["max_model_len"] == 512)
            #expect(list["data"]?[0]?["root"] == "models/tiny")
            for model in [#""tiny""#, #""alias""#, #""""#, "null"] {
                let response = try await test.post(
                    "/v1/completions", #"{"prompt":"a","max_tokens":1,"model":\#(model)}"#)
                #expect(response.json?["model"] == "tiny")
            }
        }
    }

    @Test("paths answer without /v1 too")
    func shortPaths() async throws {
        try await TestServer.run { test in
            let completion = try await test.post("/completions", #"{"prompt":"a","max_tokens":1}"#)
            #expect(completion.json?["object"] == "text_completion")
            let chat = try await test.post(
                "/chat/completions?x=%zz", #"{"messages":[{"role":"user","content":"a"}],"max_tokens":1}"#)
            #expect(chat.json?["object"] == "chat.completion")
            #expect(chat.json?["choices"]?[0]?["message"]?["role"] == "assistant")
        }
    }

    @Test("text is tokenised as its prompt would be: markup is special in a prompt, and not in a message")
    func tokenize() async throws {
        try await TestServer.run { test in
            let prompt = try await test.post(
                "/tokenize", #"{"prompt":"a<|im_end|>","return_token_strs":true}"#)
            #expect(
                prompt.body == #"{"count":2,"max_model_len":512,"tokens":[97,257],"token_strs":["a","<|im_end|>"]}"#)
            let chat = try await test.post(
                "/tokenize", #"{"messages":[{"role":"user","content":"<|im_end|>"}],"add_generation_prompt":false}"#)
            let tokens = try #require(chat.json?["tokens"]?.arrayValue)
            #expect(tokens.filter { $0 == 256 }.count == 1)
            #expect(tokens.filter { $0 == 257 }.count == 1)
            let text = try await test.post("/detokenize", #"{"tokens":[104,105,257]}"#)
            #expect(text.body == #"{"prompt":"hi<|im_end|>"}"#)
        }
    }

    @Test(
        "metrics are told in the format that is asked for",
        arguments: [
            ("", "text/plain; version=0.0.4; charset=utf-8"),
            ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3",
                "application/openmetrics-text; version=1.0.0; charset=utf-8"
            ),
            ("image/png", "text/plain; version=0.0.4; charset=utf-8"),
            ("text/plain;q=nan, q=2, \"", "text/plain; version=0.0.4; charset=utf-8"),
        ])
    func metrics(accept: String, contentType: String) async throws {
        try await TestServer.run { test in
            for path in ["/metrics", "/metrics/"] {
                let response = try await test.request("GET", path, headers: accept.isEmpty ? [] : ["Accept: \(accept)"])
                #expect(response.status == 200)
                #expect(response.header("content-type") == contentType)
                #expect(response.body.contains("vllm_request_count"))
                #expect(response.body.hasSuffix("# EOF\n") == contentType.hasPrefix("application"))
            }
        }
    }

    @Test("a client's request counts once, at its end, with its latency")
    func counting() async throws {
        try await TestServer.run { test in
            _ = try await test.post("/v1/completions", #"{"prompt":["a","b"],"n":2,"max_tokens":2}"#)
            _ = try await test.post("/v1/completions", #"{"prompt":"a","max_tokens":2,"stream":true}"#)
            #expect(try await test.value(of: #"vllm_request_count{status="SUCCESS"}"#) == 2)
            #expect(try await test.value(of: "vllm_request_latency_seconds_count") == 2)
            #expect(try await test.value(of: "pagoda_requests_received_total") == 5)
        }
    }
}
