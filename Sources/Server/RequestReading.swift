// What endpoints read of a request's head and body.

import JSON
import NIOCore
import NIOHTTP1
import Observability
import OpenAI
import Primitives

extension HTTPRequest {
    /// The body as JSON. Off the event loop only: a large one takes a while.
    ///
    /// - Parameter limitBytes: What the connection lets through.
    func json(limitBytes: Int) throws(RequestError) -> JSONValue {
        if let encoding = headers.first(name: "content-encoding"), encoding.lowercased() != "identity" {
            throw RequestError(.unsupportedMediaType, "A request body must not be compressed.")
        }
        let mediaType = headers.first(name: "content-type")?.prefix { $0 != ";" } ?? ""
        guard mediaType.filter({ $0 != " " }).lowercased() == "application/json" else {
            throw RequestError(.malformed, "Unsupported Media Type: Only 'application/json' is allowed")
        }
        do throws(JSONError) {
            return try JSONParser.parse(Array(body.readableBytesView), limits: JSONLimits(sizeBytes: limitBytes))
        } catch {
            throw RequestError(error)
        }
    }

    /// When the client no longer wants an answer, by `X-Request-Timeout-Ms`.
    func deadline() throws(RequestError) -> Instant? {
        guard let text = headers.first(name: "x-request-timeout-ms") else { return nil }
        guard let milliseconds = Int(text), (1...86_400_000).contains(milliseconds) else {
            throw RequestError(
                .invalid, "The header X-Request-Timeout-Ms must be a number of milliseconds from 1 to 86400000.")
        }
        return receivedAt.advanced(by: .milliseconds(milliseconds))
    }

    /// `X-Vllm-Priority`, which stands above the body's.
    func priority() throws(RequestError) -> Int? {
        guard let text = headers.first(name: "x-vllm-priority") else { return nil }
        guard let priority = Int(text) else {
            throw RequestError(.invalid, "The header X-Vllm-Priority must be an integer.", param: "priority")
        }
        return priority
    }
}

extension HTTPHeaders {
    /// `X-Request-Id`, if it is one that can be written into a header again.
    var requestID: String? {
        first(name: "x-request-id").flatMap { RequestIdentity.isValid($0) ? $0 : nil }
    }

    /// Where the client stands in a trace, if it says so.
    var callerTrace: TraceContext? {
        TraceContext(traceparent: self["traceparent"], tracestate: self["tracestate"])
    }
}

/// Names that nobody else has.
enum RandomID {
    /// 32 hexadecimal digits.
    static func make() -> String {
        hexadecimal(UInt64.random(in: .min ... .max)) + hexadecimal(UInt64.random(in: .min ... .max))
    }

    private static func hexadecimal(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
