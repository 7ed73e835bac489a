// A running server as a source of text, over its streaming API.

internal import AsyncHTTPClient
internal import JSON
internal import NIOCore
internal import NIOHTTP1

struct ServerTextSource: TextSource {
    let options: ClientOptions

    func complete(_ prompt: String, onText: (String) -> Void) async throws -> String {
        try await stream("completions", [("prompt", .string(prompt))], onText) { $0["text"]?.stringValue }
    }

    func chat(_ messages: [JSONValue], onText: (String) -> Void) async throws -> String {
        try await stream("chat/completions", [("messages", .array(messages))], onText) {
            $0["delta"]?["content"]?.stringValue
        }
    }

    private var base: String {
        var url = options.url
        while url.hasSuffix("/") { url.removeLast() }
        return url.hasSuffix("/v1") ? url : url + "/v1"
    }

    /// Posts a streaming request and hands on the text of each chunk's first choice.
    private func stream(
        _ path: String, _ members: [(String, JSONValue)], _ onText: (String) -> Void, text: (JSONValue) -> String?
    ) async throws -> String {
        var body = JSONObject()
        for (key, value) in members { body[key] = value }
        if let name = options.modelName { body["model"] = .string(name) }
        body["stream"] = true
        body["max_tokens"] = .integer(Int64(options.maxTokens))
        if let temperature = options.temperature { body["temperature"] = .number(temperature) }

        var request = HTTPClientRequest(url: "\(base)/\(path)")
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        if let key = options.apiKey { request.headers.add(name: "Authorization", value: "Bearer \(key)") }
        request.body = .bytes(ByteBuffer(bytes: JSONValue.object(body).serializedBytes(style: .compact)))
        let response: HTTPClientResponse
        do {
            response = try await HTTPClient.shared.execute(request, timeout: .hours(24))
        } catch {
            throw CommandError.server("No answer from \(base): \(error). Is the server running (pagoda serve MODEL)?")
        }
        guard response.status == .ok else {
            let answer = try await response.body.collect(upTo: 1 << 20)
            throw CommandError.server("\(base) answered \(response.status): \(String(buffer: answer))")
        }
        return try await read(response.body, onText, text: text)
    }

    private func read(
        _ body: HTTPClientResponse.Body, _ onText: (String) -> Void, text: (JSONValue) -> String?
    ) async throws -> String {
        var whole = "", pending: [UInt8] = []
        for try await part in body {
            pending += part.readableBytesView
            while let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: pending[..<end], as: UTF8.self)
                pending.removeSubrange(...end)
                guard line.hasPrefix("data: "), line != "data: [DONE]" else { continue }
                let chunk = try JSONParser.parse(String(line.dropFirst(6)))
                if let message = chunk["error"]?["message"]?.stringValue { throw CommandError.server(message) }
                guard let piece = chunk["choices"]?.arrayValue?.first.flatMap(text), !piece.isEmpty else { continue }
                onText(piece)
                whole += piece
            }
        }
        return whole
    }
}
