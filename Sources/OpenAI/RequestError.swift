// Why a request is refused or fails, in the words and the shape of the wire.

public import JSON

/// One error of one request. The HTTP status belongs to the server, the rest of the error body is here.
public struct RequestError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Kind: Sendable, CaseIterable {
        /// Not JSON, or a field of the wrong type.
        case malformed
        /// A well-formed request that asks for what can't be.
        case invalid
        case unauthorized
        case forbidden
        case unknownModel
        case unknownPath
        case methodNotAllowed
        case tooSlow
        case tooLarge
        case unsupportedMediaType
        case unprocessable
        /// The client's own allowance is used up.
        case quotaExceeded
        case internalFailure
        case unsupported
        /// The server as a whole takes no more requests now.
        case overloaded
        /// This request failed, another try may succeed.
        case unavailable
        /// What its client gave it for time is over.
        case deadlineExceeded
    }

    public let kind: Kind
    /// One sentence that says what is wrong and what is allowed.
    public let message: String
    /// The field at fault, with dots and indexes for nested ones: `messages.0.role`.
    public let param: String?

    public init(_ kind: Kind, _ message: String, param: String? = nil) {
        self.kind = kind
        self.message = message
        self.param = param
    }

    public init(_ error: JSONError) {
        self.init(.malformed, "The request body is not valid JSON. \(error).")
    }

    public var description: String { param.map { "\(message) (\($0))" } ?? message }

    /// What vLLM writes as the error's type: an exception's name where it has one, the HTTP phrase elsewhere.
    public var type: String {
        switch kind {
        case .malformed: "Bad Request"
        case .invalid: "BadRequestError"
        case .unauthorized: "Unauthorized"
        case .forbidden: "Forbidden"
        case .unknownModel: "NotFoundError"
        case .unknownPath: "Not Found"
        case .methodNotAllowed: "Method Not Allowed"
        case .tooSlow: "Request Timeout"
        case .tooLarge: "Request Entity Too Large"
        case .unsupportedMediaType: "Unsupported Media Type"
        case .unprocessable: "UnprocessableEntityError"
        case .quotaExceeded: "Too Many Requests"
        case .internalFailure: "InternalServerError"
        case .unsupported: "NotImplementedError"
        case .overloaded: "Service Unavailable"
        case .unavailable: "ServiceUnavailableError"
        case .deadlineExceeded: "Gateway Timeout"
        }
    }

    /// `{"error":{"message","type","param","code"}}`, for a whole response and for an event of a stream.
    /// - Parameter code: The HTTP status, which a stream has no other way to tell.
    public func serialized(code: Int) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("error")
        writer.beginObject()
        writer.member("message", message)
        writer.member("type", type)
        writer.member("param", param)
        writer.member("code", code)
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }
}
