import JSON
import Server
import Testing

@Suite("Errors", .timeLimit(.minutes(1)))
struct ErrorTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var path = "/v1/completions"
        var body: String
        var status: Int
        var type: String
        var param: JSONValue = .null
        var testDescription: String { "\(path) \(body.prefix(60))" }
    }

    private static let chat = "/v1/chat/completions"
    private static let rows: [Row] = [
        Row(body: "", status: 400, type: "Bad Request"),
        Row(body: " ", status: 400, type: "Bad Request"),
        Row(body: "null", status: 400, type: "Bad Request"),
        Row(body: "[]", status: 400, type: "Bad Request"),
        Row(body: "{", status: 400, type: "Bad Request"),
        Row(body: #"{"prompt":"a"} x"#, status: 400, type: "Bad Request"),
        Row(body: "\u{FEFF}{}", status: 400, type: "Bad Request"),
        Row(body: #"{"prompt":"\ud800"}"#, status: 400, type: "Bad Request"),
        Row(body: String(repeating: "[", count: 100_000), status: 400, type: "Bad Request"),
        Row(
            body: #"{"prompt":"a","max_tokens":\#(String(repeating: "9", count: 5000))}"#,
            status: 400, type: "Bad Request"),
        Row(body: "{}", status: 400, type: "Bad Request", param: "prompt"),
        Row(body: #"{"prompt":""}"#, status: 400, type: "Bad Request", param: "prompt"),
        Row(body: #"{"prompt":[""]}"#, status: 400, type: "BadRequestError", param: "prompt"),
        Row(body: #"{"prompt":[258]}"#, status: 400, type: "BadRequestError", param: "prompt"),
        Row(body: #"{"prompt":[2147483648]}"#, status: 400, type: "BadRequestError", param: "prompt"),
        Row(body: #"{"prompt":"a","model":"other"}"#, status: 404, type: "NotFoundError", param: "model"),
        Row(body: #"{"prompt":"a","model":"../../etc/passwd"}"#, status: 404, type: "NotFoundError", param: "model"),
        Row(
            body: #"{"prompt":"\#(String(repeating: "a", count: 512))"}"#,
            status: 400, type: "BadRequestError", param: "input_tokens"),
        Row(body: #"{"prompt":"a","max_tokens":513}"#, status: 400, type: "BadRequestError", param: "max_tokens"),
        Row(body: #"{"prompt":"a","max_tokens":0}"#, status: 400, type: "BadRequestError", param: "max_tokens"),
        Row(body: #"{"prompt":"a","n":17}"#, status: 400, type: "BadRequestError", param: "n"),
        Row(
            body: #"{"prompt":"a","stop_token_ids":[258]}"#,
            status: 400, type: "BadRequestError", param: "stop_token_ids"),
        Row(body: #"{"prompt":"a","logit_bias":{"999":1}}"#, status: 400, type: "BadRequestError", param: "logit_bias"),
        Row(
            body: #"{"prompt":"a","allowed_token_ids":[999]}"#,
            status: 400, type: "BadRequestError", param: "allowed_token_ids"),
        Row(
            body: #"{"prompt":"a","logprobs":1,"logprob_token_ids":[1]}"#,
            status: 400, type: "BadRequestError", param: "logprob_token_ids"),
        Row(
            body: #"{"prompt":"a","truncate_prompt_tokens":513}"#,
            status: 400, type: "BadRequestError", param: "truncate_prompt_tokens"),
        Row(
            path: chat, body: #"{"messages":[{"role":"tool","content":"a"}]}"#,
            status: 400, type: "BadRequestError", param: "messages"),
        Row(
            path: chat,
            body: #"{"messages":[{"role":"user","content":"a"}],"tools":[{"function":{"name":"f"}}]}"#,
            status: 400, type: "BadRequestError", param: "tools"),
        Row(
            path: chat, body: #"{"messages":[{"role":"user","content":""}],"continue_final_message":true}"#,
            status: 400, type: "BadRequestError", param: "continue_final_message"),
        Row(path: "/detokenize", body: #"{"tokens":[258]}"#, status: 400, type: "BadRequestError", param: "tokens"),
        Row(
            path: "/tokenize", body: #"{"prompt":"a","model":"other"}"#,
            status: 404, type: "NotFoundError", param: "model"),
        Row(path: "/v1/nothing", body: "{}", status: 404, type: "Not Found"),
        Row(path: "/health", body: "{}", status: 405, type: "Method Not Allowed"),
    ]

    @Test("every error has OpenAI's shape, its status and its field, streamed or not", arguments: rows)
    func table(row: Row) async throws {
        try await TestServer.run { test in
            var bodies = [row.body]
            if row.body.hasPrefix(#"{""#), row.body.hasSuffix("}"), row.path.hasSuffix("completions") {
                bodies.append(row.body.dropLast() + #","stream":true}"#)
            }
            for body in bodies {
                let response = try await test.post(row.path, body)
                #expect(response.status == row.status)
                #expect(response.header("content-type") == "application/json")
                #expect(response.json?["error"]?.objectValue?.keys == ["message", "type", "param", "code"])
                #expect(response.error("code") == .integer(Int64(row.status)))
                #expect(response.error("type") == .string(row.type))
                #expect(response.error("param") == row.param)
                #expect(response.body.utf8.count < 2000)
            }
            // A client's own mistakes count in neither.
            #expect(try await test.value(of: #"vllm_request_count{status="FAILED"}"#) == 0)
            #expect(try await test.value(of: #"vllm_request_count{status="SUCCESS"}"#) == 0)
        }
    }

    @Test(
        "a body that is not called JSON is refused as vLLM refuses it",
        arguments: [
            "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "",
        ])
    func mediaType(type: String) async throws {
        try await TestServer.run { test in
            let headers = type.isEmpty ? [] : ["Content-Type: \(type)"]
            let response = try await test.request("POST", "/v1/completions", headers: headers, body: #"{"prompt":"a"}"#)
            #expect(response.status == 400)
            #expect(response.error("message")?.text?.contains("Only 'application/json' is allowed") == true)
        }
    }

    @Test("parameters of the media type don't matter, a compressed body does")
    func mediaTypeParameters() async throws {
        try await TestServer.run { test in
            let good = try await test.request(
                "POST", "/v1/completions", headers: ["Content-Type: Application/JSON ; charset=utf-8"],
                body: #"{"prompt":"a","max_tokens":1}"#)
            #expect(good.status == 200)
            let compressed = try await test.post("/v1/completions", "x", headers: ["Content-Encoding: gzip"])
            #expect(compressed.status == 415)
        }
    }

    @Test("a method that a path doesn't have is named with those it has")
    func allowed() async throws {
        try await TestServer.run { test in
            let response = try await test.request("DELETE", "/ping")
            #expect(response.status == 405)
            #expect(response.header("allow") == "GET, POST")
        }
    }

    @Test("a body over the limit is refused before it is read, or as soon as it is over")
    func tooLarge() async throws {
        try await TestServer.run { options in
            options.server.connections.requestBytes = 1000
        } _: { test in
            try await test.connect { connection in
                try await connection.send("POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n")
                let response = try await connection.response()
                #expect(response.status == 413)
                #expect(response.error("type") == "Request Entity Too Large")
                #expect(response.header("connection") == "close")
                #expect(try await connection.rest() == "")
            }
            try await test.connect { connection in
                let chunk = "100\r\n" + String(repeating: "a", count: 256) + "\r\n"
                try await connection.send(
                    "POST /v1/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
                try await connection.send(String(repeating: chunk, count: 4))
                #expect(try await connection.response().status == 413)
                #expect(try await connection.rest() == "")
            }
        }
    }

    @Test("bodies that would take too much memory together are refused with 503")
    func bodyBudget() async throws {
        try await TestServer.run { options in
            options.server.connections.bufferedBytes = 1000
        } _: { test in
            let response = try await test.post("/v1/completions", String(repeating: " ", count: 2000))
            #expect(response.status == 503)
            #expect(response.header("retry-after") != nil)
            #expect(try await test.post("/v1/completions", #"{"prompt":"a"}"#).status == 200)
        }
    }
}
