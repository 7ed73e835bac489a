// The one place where errors become HTTP.

import Generation
import NIOCore
import NIOHTTP1
import OpenAI

enum ErrorMapping {
    /// The status of an answer, and the `code` of an error inside a stream.
    static func status(of kind: RequestError.Kind) -> HTTPResponseStatus {
        switch kind {
        case .malformed, .invalid: .badRequest
        case .unauthorized: .unauthorized
        case .forbidden: .forbidden
        case .unknownModel, .unknownPath: .notFound
        case .methodNotAllowed: .methodNotAllowed
        case .tooSlow: .requestTimeout
        case .tooLarge: .payloadTooLarge
        case .unsupportedMediaType: .unsupportedMediaType
        case .unprocessable: .unprocessableEntity
        case .quotaExceeded: .tooManyRequests
        case .internalFailure: .internalServerError
        case .unsupported: .notImplemented
        case .overloaded, .unavailable: .serviceUnavailable
        }
    }

    static func response(
        to error: RequestError, status: HTTPResponseStatus? = nil, headers: HTTPHeaders = [:]
    ) -> HTTPResponse {
        let status = status ?? Self.status(of: error.kind)
        var response = HTTPResponse(json: error.serialized(code: Int(status.code)), status: status)
        response.headers.add(contentsOf: headers)
        if error.kind == .overloaded || error.kind == .unavailable {
            response.headers.replaceOrAdd(name: "retry-after", value: String(retryDelaySeconds()))
        }
        return response
    }

    /// Spread out, so that those turned away together don't return together.
    private static func retryDelaySeconds() -> Int { Int.random(in: 1...5) }

    /// Whether an error counts against the server, as all do but the client's own mistakes.
    static func isFailure(_ error: any Error) -> Bool {
        guard let error = requestError(for: error) else { return true }
        let code = status(of: error.kind).code
        return code >= 500 || code == 429 || code == 408
    }

    /// What a client is told about an error; nil if the connection failed, so that it can't be told anything.
    static func requestError(for error: any Error) -> RequestError? {
        switch error {
        case let error as RequestError: error
        case let error as Refusal: error.answer
        case let error as GenerationError: requestError(from: error)
        case is ClientGone, is ChannelError, is IOError, is CancellationError: nil
        default: RequestError(.internalFailure, "The server failed to handle the request.")
        }
    }

    private static func requestError(from error: GenerationError) -> RequestError {
        switch error {
        case .template: RequestError(.invalid, "\(error)", param: "messages")
        case .noChatTemplate: RequestError(.invalid, "\(error)", param: "messages")
        case .invalid(_, let parameter): RequestError(.invalid, "\(error)", param: parameter)
        case .stopped: RequestError(.unavailable, "\(error)")
        case .unusableCheckpoint: RequestError(.internalFailure, "The server failed to handle the request.")
        }
    }
}
