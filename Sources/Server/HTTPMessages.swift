// A whole request and a whole response.

import NIOCore
import NIOHTTP1
import Primitives

/// A request with its whole body.
struct HTTPRequest: Sendable {
    let method: HTTPMethod
    /// Up to the question mark, not percent-decoded: no path of ours needs it.
    let path: String
    /// After the question mark, as it came.
    private let query: Substring
    let headers: HTTPHeaders
    let body: ByteBuffer
    /// When the head had been read.
    let receivedAt: Instant
    /// The answer to a browser that only asks whether a page may send what it wants to; nil for all other requests.
    let preflightAnswer: HTTPResponse?

    init(head: HTTPRequestHead, body: ByteBuffer, receivedAt: Instant, preflightAnswer: HTTPResponse?) {
        self.preflightAnswer = preflightAnswer
        method = head.method
        path = head.path
        query = Substring(head.uri.utf8.drop { $0 != UInt8(ascii: "?") }.dropFirst())
        headers = head.headers
        self.body = body
        self.receivedAt = receivedAt
    }

    /// The first value of a parameter in the query, not percent-decoded: those of ours are numbers.
    func queryValue(_ name: String) -> String? {
        for parameter in query.split(separator: "&") {
            let pair = parameter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if pair.count == 2, pair[0] == name { return String(pair[1]) }
        }
        return nil
    }
}

extension HTTPRequestHead {
    /// Up to the question mark, as it came: access, routes and metrics all go by this, and by no other header's word.
    var path: String { String(decoding: uri.utf8.prefix { $0 != UInt8(ascii: "?") }, as: UTF8.self) }
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
