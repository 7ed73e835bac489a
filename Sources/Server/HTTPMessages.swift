// A whole request and a whole response.

import NIOCore
import NIOHTTP1
import Primitives

/// A request with its whole body.
struct HTTPRequest: Sendable {
    let method: HTTPMethod
    /// Up to the question mark, not percent-decoded: no path of ours needs it.
    let path: String
    let headers: HTTPHeaders
    let body: ByteBuffer
    /// When the head had been read.
    let receivedAt: Instant

    init(head: HTTPRequestHead, body: ByteBuffer, receivedAt: Instant) {
        method = head.method
        path = String(decoding: head.uri.utf8.prefix { $0 != UInt8(ascii: "?") }, as: UTF8.self)
        headers = head.headers
        self.body = body
        self.receivedAt = receivedAt
    }
}

struct HTTPResponse: Sendable {
    var status: HTTPResponseStatus
    var headers: HTTPHeaders
    var body: [UInt8]

    init(status: HTTPResponseStatus = .ok, headers: HTTPHeaders = [:], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    init(json body: [UInt8], status: HTTPResponseStatus = .ok) {
        self.init(status: status, headers: ["content-type": "application/json"], body: body)
    }
}
