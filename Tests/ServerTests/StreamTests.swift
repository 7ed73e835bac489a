import EngineTesting
import JSON
import Testing

@Suite("Streams", .timeLimit(.minutes(1)))
struct StreamTests {
    /// Keeps the scripted model to letters, so that texts can be compared.
    private static let letters = "[" + (97...122).map { String($0) }.joined(separator: ",") + "]"

    @Test("a completion's stream is what vLLM sends, byte for byte")
    func completionBytes() async throws {
        try await TestServer.run { options in
            // One token a step, and one chunk a token: the reader is never behind.
            options.executor.beforeStep = nil
        } _: { test in
            let fields = #""prompt":"hi","max_tokens":3,"temperature":0,"allowed_token_ids":\#(Self.letters)"#
            let whole = try await test.post("/v1/completions", "{\(fields)}")
            let text = try #require(whole.json?["choices"]?[0]?["text"]?.text)
            #expect(text.utf8.count == 3)

            let stream = try await test.post(
                "/v1/completions", "{\(fields),\"stream\":true,\"stream_options\":{\"include_usage\":true}}")
            #expect(stream.status == 200)
            #expect(stream.header("content-type") == "text/event-stream; charset=utf-8")
            let first = try #require(try stream.events().first)
            let id = try #require(first["id"]?.text)
            let created = try #require(first["created"]?.int)
            #expect(id.hasPrefix("cmpl-"))
            let head = #"{"id":"\#(id)","object":"text_completion","created":\#(created),"model":"tiny","#
            func chunk(_ text: String, _ reason: String) -> String {
                "data: " + head
                    + #""choices":[{"index":0,"text":"\#(text)","logprobs":null,"finish_reason":\#(reason),"#
                    + #""stop_reason":null,"prompt_token_ids":null,"token_ids":null}]}"# + "\n\n"
            }
            let usage =
                "data: " + head
                + #""choices":[],"usage":{"prompt_tokens":2,"total_tokens":5,"completion_tokens":3}}"# + "\n\n"
            // A reader that was late by a step has two tokens in one chunk: the text is the same.
            let texts = try stream.events().dropLast().map { $0["choices"]?[0]?["text"]?.text ?? "" }
            #expect(texts.joined() == text)
            var expected = ""
            for (index, piece) in texts.enumerated() {
                expected += chunk(piece, index == texts.count - 1 ? #""length""# : "null")
            }
            #expect(stream.body == expected + usage + "data: [DONE]\n\n")
        }
    }

    @Test("a chat's stream begins with the role and ends with usage, byte for byte")
    func chatBytes() async throws {
        try await TestServer.run { test in
            let fields =
                #""messages":[{"role":"user","content":"hi"}],"max_tokens":2,"temperature":0,"#
                + #""allowed_token_ids":\#(Self.letters)"#
            let whole = try await test.post("/v1/chat/completions", "{\(fields)}")
            let text = try #require(whole.json?["choices"]?[0]?["message"]?["content"]?.text)
            let promptCount = try #require(whole.json?["usage"]?["prompt_tokens"]?.int)

            let stream = try await test.post(
                "/v1/chat/completions", "{\(fields),\"stream\":true,\"stream_options\":{\"include_usage\":true}}")
            let first = try #require(try stream.events().first)
            let id = try #require(first["id"]?.text)
            #expect(id.hasPrefix("chatcmpl-"))
            let created = try #require(first["created"]?.int)
            let head = #"data: {"id":"\#(id)","object":"chat.completion.chunk","created":\#(created),"model":"tiny","#
            let deltas = try stream.events().dropFirst().dropLast().map {
                $0["choices"]?[0]?["delta"]?["content"]?.text ?? ""
            }
            #expect(deltas.joined() == text)
            var expected =
                head
                + #""choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"#
                + #""finish_reason":null}],"prompt_token_ids":null,"prompt_text":null}"# + "\n\n"
            for (index, piece) in deltas.enumerated() {
                let isLast = index == deltas.count - 1
                let reason = isLast ? #""length","stop_reason":null"# : "null"
                expected +=
                    head + #""choices":[{"index":0,"delta":{"content":"\#(piece)"},"logprobs":null,"#
                    + #""finish_reason":\#(reason),"token_ids":null}]}"# + "\n\n"
            }
            expected +=
                head + #""choices":[],"usage":{"prompt_tokens":\#(promptCount),"#
                + #""total_tokens":\#(promptCount + 2),"completion_tokens":2}}"# + "\n\n"
            #expect(stream.body == expected + "data: [DONE]\n\n")
        }
    }

    @Test("the role comes with the first token, not before")
    func roleWaits() async throws {
        let gate = Gate()
        try await TestServer.run { options in
            options.executor.beforeStep = { _ in gate.pass() }
        } _: { test in
            defer { gate.open() }
            try await test.connect { connection in
                try await connection.post(
                    "/v1/chat/completions",
                    #"{"messages":[{"role":"user","content":"hi"}],"max_tokens":2,"stream":true,"ignore_eos":true}"#)
                #expect(try await connection.head().hasPrefix("HTTP/1.1 200"))
                await gate.waitForArrival()
                gate.letOneThrough()
                let first = try #require(try await connection.nextChunk())
                #expect(first.contains(#""role":"assistant""#))
                #expect(first.components(separatedBy: "\n\n").count == 3)
                gate.open()
                while try await connection.nextChunk() != nil {}
            }
        }
    }

    @Test("tokens are gathered into chunks of the size that the client wants, but for the first and the last")
    func interval() async throws {
        try await TestServer.run { test in
            let body =
                #"{"prompt":"hi","max_tokens":100,"ignore_eos":true,"stream":true,"return_token_ids":true,"#
                + #""stream_interval":10}"#
            let events = try await test.post("/v1/completions", body).events()
            let counts = events.map { $0["choices"]?[0]?["token_ids"]?.arrayValue?.count ?? 0 }
            #expect(counts.reduce(0, +) == 100)
            #expect(counts.dropFirst().dropLast().allSatisfy { $0 >= 10 })
            #expect(counts.count <= 12)
        }
    }

    @Test("choices of several prompts are numbered prompt by prompt, whole and streamed alike")
    func severalPrompts() async throws {
        try await TestServer.run { test in
            let fields = #""prompt":["a","bc"],"n":2,"max_tokens":4,"seed":7,"allowed_token_ids":\#(Self.letters)"#
            let whole = try await test.post("/v1/completions", "{\(fields)}")
            let texts = (0..<4).map { whole.json?["choices"]?[$0]?["text"]?.text ?? "?" }
            #expect(texts.allSatisfy { $0.utf8.count == 4 })
            #expect(whole.json?["usage"]?["prompt_tokens"]?.int == 3)
            #expect(whole.json?["usage"]?["completion_tokens"]?.int == 16)
            var streamed = ["", "", "", ""]
            for event in try await test.post("/v1/completions", "{\(fields),\"stream\":true}").events() {
                let choice = try #require(event["choices"]?[0])
                streamed[try #require(choice["index"]?.int)] += choice["text"]?.text ?? ""
            }
            #expect(streamed == texts)
        }
    }

    @Test("a failure in the middle of a stream is an error event, and [DONE]")
    func failure() async throws {
        try await TestServer.run { options in
            options.executor.poison = 97
        } _: { test in
            let stream = try await test.post("/v1/completions", #"{"prompt":"a","stream":true}"#)
            #expect(stream.status == 200)
            #expect(
                stream.body == #"data: {"error":{"message":"The engine failed to compute the request.","#
                    + #""type":"InternalServerError","param":null,"code":500}}"# + "\n\ndata: [DONE]\n\n")
            let whole = try await test.post("/v1/completions", #"{"prompt":"a"}"#)
            #expect(whole.status == 500)
            #expect(whole.error("type") == "InternalServerError")
            #expect(try await test.value(of: #"vllm_request_count{status="FAILED"}"#) == 2)
            #expect(try await test.post("/v1/completions", #"{"prompt":"b"}"#).status == 200)
        }
    }

    @Test("echo gives the prompt back, with logprobs that begin with null")
    func echo() async throws {
        try await TestServer.run { test in
            let fields = #""prompt":"hi","max_tokens":2,"echo":true,"logprobs":1,"allowed_token_ids":\#(Self.letters)"#
            for streams in [false, true] {
                let response = try await test.post("/v1/completions", "{\(fields),\"stream\":\(streams)}")
                let first = try streams ? #require(try response.events().first) : #require(response.json)
                let choice = try #require(first["choices"]?[0])
                #expect(choice["text"]?.text?.hasPrefix("hi") == true)
                let logprobs = try #require(choice["logprobs"])
                #expect(logprobs["token_logprobs"]?[0] == .null)
                #expect(logprobs["tokens"]?[0] == "h")
                #expect(logprobs["tokens"]?[1] == "i")
                #expect(logprobs["text_offset"]?[2] == 2)
            }
            let promptOnly = try await test.post("/v1/completions", #"{"prompt":"hi","max_tokens":0,"echo":true}"#)
            #expect(promptOnly.json?["choices"]?[0]?["text"] == "hi")
            #expect(promptOnly.json?["choices"]?[0]?["finish_reason"] == "length")
        }
    }

    @Test("a stop string ends the text in the engine too")
    func stopString() async throws {
        try await TestServer.run { options in
            options.maxModelLength = 4096
        } _: { test in
            let fields = #""prompt":"hi","max_tokens":3000,"temperature":0,"allowed_token_ids":\#(Self.letters)"#
            let whole = try await test.post("/v1/completions", "{\(fields)}")
            let text = try #require(whole.json?["choices"]?[0]?["text"]?.text)
            let stop = String(text.dropFirst(5).prefix(3))
            for streams in [false, true] {
                let response = try await test.post(
                    "/v1/completions", "{\(fields),\"stop\":[\"\(stop)\"],\"stream\":\(streams)}")
                if streams {
                    let events = try response.events()
                    #expect(events.map { $0["choices"]?[0]?["text"]?.text ?? "" }.joined() == String(text.prefix(5)))
                    #expect(events.last?["choices"]?[0]?["stop_reason"] == .string(stop))
                } else {
                    #expect(response.json?["choices"]?[0]?["text"] == .string(String(text.prefix(5))))
                    #expect(response.json?["choices"]?[0]?["finish_reason"] == "stop")
                    #expect(response.json?["choices"]?[0]?["stop_reason"] == .string(stop))
                    #expect(response.json?["usage"]?["completion_tokens"] == 8)
                }
            }
            try await test.waitUntilIdle()
        }
    }
}
