// Short ways to write a request with one field changed.

import JSON
import OpenAI
import Testing

/// A minimal body of each generation endpoint.
enum Body: String, CaseIterable, Sendable {
    case completion = #"{"prompt":"hi""#
    case chat = #"{"messages":[{"role":"user","content":"hi"}]"#

    /// - Parameter members: Further members as JSON; a repeated key overrides the minimal one.
    func decode(_ members: String, limits: RequestLimits = RequestLimits()) throws -> RequestOptions {
        let json = try JSONParser.parse(rawValue + (members.isEmpty ? "" : ",") + members + "}")
        switch self {
        case .completion: return try CompletionRequest(json: json, limits: limits).options
        case .chat: return try ChatCompletionRequest(json: json, limits: limits).options
        }
    }

    func expectError(_ param: String, _ members: String, sourceLocation: SourceLocation = #_sourceLocation) {
        let error = #expect(throws: RequestError.self, "\(members)", sourceLocation: sourceLocation) {
            try decode(members)
        }
        #expect(error?.param == param, "\(members)", sourceLocation: sourceLocation)
        #expect((error?.message.utf8.count ?? 0) < 500, sourceLocation: sourceLocation)
    }
}

func completion(_ members: String) throws -> CompletionRequest {
    try CompletionRequest(json: JSONParser.parse("{\(members)}"))
}

func chat(_ members: String) throws -> ChatCompletionRequest {
    try ChatCompletionRequest(json: JSONParser.parse("{\(members)}"))
}

/// A chat of these messages, given as JSON without the outer brackets.
func chat(messages: String, _ members: String = "") throws -> ChatCompletionRequest {
    try chat("\"messages\":[\(messages)]" + (members.isEmpty ? "" : ",") + members)
}
