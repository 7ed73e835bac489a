// The one place where errors become HTTP.

import Access
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
        case .deadlineExceeded: .gatewayTimeout
        }
    }

    static func response(
        to error: RequestError, status: HTTPResponseStatus? = nil, headers: HTTPHeaders = [:]
    ) -> HTTPResponse {
        let status = status ?? Self.status(of: error.kind)
        var response = HTTPResponse(json: error.serialized(code: Int(status.code)), status: status)
        response.headers.add(contentsOf: headers)
        if error.kind == .overloaded || error.kind == .unavailable, !response.headers.contains(name: "retry-after") {
            response.headers.replaceOrAdd(name: "retry-after", value: String(retryDelaySeconds()))
        }
        return response
    }

    /// Spread out, so that those turned away together don't return together.
    private static func retryDelaySeconds() -> Int { Int.random(in: 1...5) }

    /// When to come back by what was measured: whole seconds, at least one, and a quarter more for some than for
    /// others.
    static func retryAfter(seconds: Double) -> String {
        let least = min(60, max(1, seconds.rounded(.up)))
        return String(Int((least * Double.random(in: 1...1.25)).rounded(.up)))
    }

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
        case let error as Expired: error.answer
        case let error as GenerationError: requestError(from: error)
        case let denial as AccessDenial: requestError(from: denial)
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

    // MARK: - Who may not come in

    static func response(to denial: AccessDenial) -> HTTPResponse {
        response(to: requestError(from: denial), headers: headers(of: denial))
    }

    /// What an answer to an error says beside its body.
    static func headers(of error: any Error) -> HTTPHeaders {
        var headers = HTTPHeaders()
        let retrySeconds = (error as? Refusal)?.retrySeconds ?? (error as? Expired)?.retrySeconds
        if let retrySeconds { headers.add(name: "retry-after", value: retryAfter(seconds: retrySeconds)) }
        switch error as? AccessDenial {
        case .noCredential(let challenges), .wrongCredential(let challenges):
            for challenge in challenges { headers.add(name: "www-authenticate", value: challenge) }
        case .tooManyFailures(let seconds): headers.add(name: "retry-after", value: String(seconds))
        case .missingScope, .ambiguousCredential, .foreignAddress, nil: break
        }
        return headers
    }

    /// Nothing that the client sent is repeated, and a wrong credential is wrong for one reason only.
    private static func requestError(from denial: AccessDenial) -> RequestError {
        switch denial {
        case .noCredential:
            RequestError(.unauthorized, "A credential is missing: send `Authorization: Bearer KEY`.")
        case .wrongCredential: RequestError(.unauthorized, "The credential is not valid here.")
        case .missingScope(let scope):
            RequestError(.forbidden, "The credential is not for this: it lacks the scope `\(scope.rawValue)`.")
        case .ambiguousCredential: RequestError(.malformed, "There must be one Authorization header.")
        case .foreignAddress: RequestError(.forbidden, "This address may not ask for that.")
        case .tooManyFailures:
            RequestError(.quotaExceeded, "Too many wrong credentials came from your network. Try again later.")
        }
    }
}
