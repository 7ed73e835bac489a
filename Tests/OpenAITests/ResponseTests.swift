// Bodies and chunks against those of vLLM's own response models (tools/make_openai_goldens.py).

import Foundation
import JSON
import OpenAI
import Testing

@Suite struct ResponseTests {
    static let golden: [String: String] = {
        let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures")
        let text = try? String(contentsOf: fixtures.appendingPathComponent("responses.json"), encoding: .utf8)
        let members = (try? JSONParser.parse(text ?? ""))?.objectValue?.members ?? []
        return Dictionary(
            uniqueKeysWithValues: members.compactMap { member in
                member.value.stringValue.map { (member.key, $0) }
            })
    }()

    static let text = "Größe \"x\"\n\t\\ 😀\u{1}"
    static let usage = Usage(promptTokens: 3, completionTokens: 4)

    static func identity(_ id: String, fingerprint: String? = "fp") -> ResponseIdentity {
        ResponseIdentity(id: id, created: 1_700_000_000, model: "m", systemFingerprint: fingerprint)
    }

    static let completionLogprobs = [
        LogprobPosition(chosen: LogprobEntry(token: 1, text: "é", logprob: nil), top: []),
        LogprobPosition(
            chosen: LogprobEntry(token: 2, text: " b", logprob: -0.5),
            top: [LogprobEntry(token: 3, text: " c", logprob: -.infinity)]),
    ]

    static let chatLogprobs = [
        LogprobPosition(
            chosen: LogprobEntry(token: 1, text: "é", logprob: -0.25),
            top: [
                LogprobEntry(token: 4, text: "e", logprob: -.infinity),
                LogprobEntry(token: 1, text: "é", logprob: -0.25),
            ]),
        LogprobPosition(chosen: LogprobEntry(token: 2, text: " b", logprob: -1.5e-7), top: []),
    ]

    static let promptLogprobs = [
        LogprobPosition(chosen: LogprobEntry(token: 1, text: "a", logprob: nil), top: []),
        LogprobPosition(
            chosen: LogprobEntry(token: 5, text: " x", logprob: -1.5, rank: 2),
            top: [LogprobEntry(token: 7, text: "\"", logprob: -0.5, rank: 1)]),
    ]

    static func expect(_ bytes: [UInt8], _ name: String, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(String(decoding: bytes, as: UTF8.self) == golden[name], sourceLocation: sourceLocation)
    }

    @Test("writes completions as vLLM does")
    func completions() {
        let plain = CompletionResponse.Choice(text: Self.text, finishReason: "length")
        Self.expect(
            CompletionResponse(identity: Self.identity("cmpl-1"), choices: [plain], usage: Self.usage).serialized(),
            "completion")
        var full = CompletionResponse.Choice(text: "é b", finishReason: "stop", stopReason: .string("END"))
        full.logprobs = Self.completionLogprobs
        full.tokenIDs = [5, 6]
        full.promptLogprobs = Self.promptLogprobs
        full.promptTokenIDs = [1, 2]
        let usage = Usage(promptTokens: 3, completionTokens: 4, cachedTokens: 2)
        let identity = Self.identity("cmpl-1", fingerprint: nil)
        Self.expect(
            CompletionResponse(identity: identity, choices: [plain, full], usage: usage).serialized(),
            "completion with everything")
    }

    @Test("writes chat completions as vLLM does")
    func chatCompletions() {
        let plain = ChatCompletionResponse.Choice(content: Self.text, finishReason: "stop")
        Self.expect(
            ChatCompletionResponse(identity: Self.identity("chatcmpl-1"), choices: [plain], usage: Self.usage)
                .serialized(), "chat completion")
        var full = ChatCompletionResponse.Choice(content: "é b", finishReason: "stop", stopReason: .token(42))
        full.logprobs = Self.chatLogprobs
        full.tokenIDs = [5, 6]
        var response = ChatCompletionResponse(
            identity: Self.identity("chatcmpl-1", fingerprint: nil), choices: [plain, full],
            usage: Usage(promptTokens: 3, completionTokens: 4, cachedTokens: 2))
        response.promptLogprobs = Self.promptLogprobs
        response.promptTokenIDs = [1, 2]
        response.promptText = "<s>"
        Self.expect(response.serialized(), "chat completion with everything")
    }

    @Test("streams completions as vLLM does")
    func completionChunks() {
        let writer = StreamWriter(.completions, identity: Self.identity("cmpl-1"), sendsUsageLast: false)
        var bytes: [UInt8] = []
        writer.append(StreamDelta(index: 0, text: Self.text), to: &bytes)
        Self.expect(bytes, "completion chunk")

        var delta = StreamDelta(index: 2, text: "é b", finishReason: "stop", stopReason: .token(42))
        delta.logprobs = Self.completionLogprobs
        delta.promptTokenIDs = [1, 2]
        delta.tokenIDs = [5, 6]
        delta.usage = Self.usage
        bytes = []
        writer.append(delta, to: &bytes)
        Self.expect(bytes, "completion chunk with everything")

        bytes = []
        writer.appendUsage(Self.usage, to: &bytes)
        Self.expect(bytes, "completion usage chunk")
    }

    @Test("streams chats as vLLM does")
    func chatChunks() {
        func chunk(sendsUsageLast: Bool = false, _ body: (StreamWriter, inout [UInt8]) -> Void) -> [UInt8] {
            let writer = StreamWriter(.chat, identity: Self.identity("chatcmpl-1"), sendsUsageLast: sendsUsageLast)
            var bytes: [UInt8] = []
            body(writer, &bytes)
            return bytes
        }
        Self.expect(chunk { $0.appendRole(index: 0, to: &$1) }, "chat role chunk")
        Self.expect(
            chunk {
                $0.appendRole(index: 1, promptTokenIDs: [1, 2], promptText: "<s>", usage: Self.usage, to: &$1)
            }, "chat role chunk with everything")
        Self.expect(chunk { $0.appendEcho(index: 0, text: "before", to: &$1) }, "chat echo chunk")
        Self.expect(chunk { $0.append(StreamDelta(index: 0, text: Self.text), to: &$1) }, "chat content chunk")
        var delta = StreamDelta(index: 0, text: "é b")
        delta.logprobs = Self.chatLogprobs
        delta.tokenIDs = [5, 6]
        delta.usage = Self.usage
        Self.expect(chunk { $0.append(delta, to: &$1) }, "chat content chunk with everything")
        Self.expect(
            chunk { $0.append(StreamDelta(index: 0, text: "", finishReason: "stop"), to: &$1) }, "chat finish chunk")
        Self.expect(
            chunk(sendsUsageLast: true) {
                $0.append(
                    StreamDelta(index: 0, text: "x", finishReason: "stop", stopReason: .string("END")), to: &$1)
            }, "chat finish chunk before usage")
        let usage = Usage(promptTokens: 3, completionTokens: 4, cachedTokens: 2)
        Self.expect(chunk(sendsUsageLast: true) { $0.appendUsage(usage, to: &$1) }, "chat usage chunk")
    }

    @Test("appends chunks behind what is in the buffer already")
    func appends() {
        let writer = StreamWriter(.chat, identity: Self.identity("chatcmpl-1"), sendsUsageLast: true)
        var bytes = Array("data: ".utf8)
        writer.append(StreamDelta(index: 0, text: Self.text), to: &bytes)
        bytes += Array("\n\ndata: ".utf8)
        writer.appendRole(index: 0, to: &bytes)
        let expected = ["chat content chunk", "chat role chunk"].map { "data: " + (Self.golden[$0] ?? "missing") }
        #expect(String(decoding: bytes, as: UTF8.self) == expected.joined(separator: "\n\n"))
    }

    @Test("a chat lists as many tokens as were asked for, a completion one more if the chosen is not among them")
    func topLists() throws {
        let unlikely = LogprobPosition(
            chosen: LogprobEntry(token: 9, text: "z", logprob: -7),
            top: [LogprobEntry(token: 1, text: "a", logprob: -1), LogprobEntry(token: 2, text: "b", logprob: -2)])
        var selection = unlikely
        selection.isSelection = true

        var choice = ChatCompletionResponse.Choice(content: "z", finishReason: "stop")
        choice.logprobs = [unlikely, selection]
        let chat = ChatCompletionResponse(identity: Self.identity("c"), choices: [choice], usage: Self.usage)
        let content = try #require(
            try JSONParser.parse(chat.serialized())["choices"]?.arrayValue?.first?["logprobs"]?["content"]?.arrayValue)
        let lists = content.map { $0["top_logprobs"]?.arrayValue?.compactMap { $0["token"]?.stringValue } }
        #expect(lists == [["z", "a"], ["z", "a", "b"]])

        var completion = CompletionResponse.Choice(text: "z", finishReason: "stop")
        completion.logprobs = [unlikely]
        let body = CompletionResponse(identity: Self.identity("c"), choices: [completion], usage: Self.usage)
        let top = try JSONParser.parse(body.serialized())["choices"]?.arrayValue?.first?["logprobs"]?["top_logprobs"]
        #expect(top == [["z": -7.0, "a": -1.0, "b": -2.0]])
    }

    @Test("counts text offsets in Unicode scalars and goes on where the last chunk ended")
    func textOffsets() throws {
        let positions = ["e\u{301}", "👩‍🚀", "x"].map {
            LogprobPosition(chosen: LogprobEntry(token: 1, text: $0, logprob: -1), top: [])
        }
        var delta = StreamDelta(index: 0, text: "")
        delta.logprobs = positions
        delta.textOffset = 10
        var bytes: [UInt8] = []
        StreamWriter(.completions, identity: Self.identity("c"), sendsUsageLast: true).append(delta, to: &bytes)
        let logprobs = try JSONParser.parse(bytes)["choices"]?.arrayValue?.first?["logprobs"]
        #expect(logprobs?["text_offset"] == [10, 12, 15])
        #expect(LogprobPosition.textLength(of: positions) == 6)
    }

    @Test("answers the small endpoints as vLLM does")
    func services() {
        let card = ModelList.Card(
            id: "m", created: 1_700_000_000, root: "org/m", maxModelLength: 2048, permissionID: "modelperm-1")
        Self.expect(ModelList(cards: [card]).serialized(), "models")
        Self.expect(TokenizeResponse(tokens: [5, 6], maxModelLength: 2048).serialized(), "tokenize")
        Self.expect(
            TokenizeResponse(tokens: [5, 6], tokenStrings: ["é", " b"], maxModelLength: 2048).serialized(),
            "tokenize with strings")
        Self.expect(ServiceResponse.detokenized(Self.text), "detokenize")
        #expect(ServiceResponse.version("1.2") == Array(#"{"version":"1.2"}"#.utf8))
        #expect(ServiceResponse.load(3) == Array(#"{"server_load":3}"#.utf8))
    }

    @Test("writes errors as vLLM does")
    func errors() {
        Self.expect(RequestError(.unknownModel, "no \"x\"", param: "model").serialized(code: 404), "error")
        Self.expect(RequestError(.internalFailure, "out of luck").serialized(code: 500), "error without a field")
        #expect(RequestError(.malformed, "").type == "Bad Request")
        #expect(RequestError(.invalid, "").type == "BadRequestError")
        let types = RequestError.Kind.allCases.map { RequestError($0, "").type }
        #expect(Set(types).count == types.count)
    }
}
