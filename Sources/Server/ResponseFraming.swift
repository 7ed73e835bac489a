// How the response to one request is delimited, and whether another request may follow it.

import NIOCore
import NIOHTTP1

struct ResponseFraming {
    var keepsAlive = true
    private var version = HTTPVersion.http1_1
    private var omitsBody = false
    private var additionalHeaders = HTTPHeaders()
    /// The client's, if it has one that can be sent back; else a new one.
    private(set) var requestID = RandomID.make()

    /// - Parameter headers: What the response says whatever it is.
    mutating func begin(responseTo head: HTTPRequestHead, adding headers: HTTPHeaders = [:]) {
        additionalHeaders = headers
        version = head.version
        omitsBody = head.method == .HEAD
        requestID = head.headers.requestID ?? RandomID.make()
        // After an upgrade or CONNECT the decoder takes no further request.
        keepsAlive = head.isKeepAlive && head.method != .CONNECT && !head.headers.contains(name: "upgrade")
    }

    /// Whatever follows is not about the request before.
    mutating func reset() {
        additionalHeaders = [:]
        requestID = RandomID.make()
    }

    /// What the encoder is given for a piece of the response.
    mutating func parts(of piece: HTTPResponsePiece) -> [HTTPServerResponsePart] {
        switch piece {
        case .whole(let response):
            let head = head(response.status, response.headers, length: response.body.count)
            if omitsBody { return [.head(head), .end(nil)] }
            return [.head(head), .body(.byteBuffer(ByteBuffer(bytes: response.body))), .end(nil)]
        case .head(let status, let headers, let length):
            return [.head(head(status, headers, length: length))]
        case .bytes(let bytes):
            return omitsBody ? [] : [.body(.byteBuffer(bytes))]
        case .end(let bytes):
            return omitsBody || bytes.readableBytes == 0 ? [.end(nil)] : [.body(.byteBuffer(bytes)), .end(nil)]
        }
    }

    private mutating func head(_ status: HTTPResponseStatus, _ headers: HTTPHeaders, length: Int?) -> HTTPResponseHead {
        var headers = headers
        headers.add(contentsOf: additionalHeaders)
        if let length {
            headers.replaceOrAdd(name: "content-length", value: String(length))
        } else if version == .http1_0 {
            // Only the end of the connection can mark the end of such a body.
            keepsAlive = false
        }
        if !keepsAlive {
            headers.replaceOrAdd(name: "connection", value: "close")
        } else if version == .http1_0 {
            headers.replaceOrAdd(name: "connection", value: "keep-alive")
        }
        if !headers.contains(name: "x-request-id") { headers.add(name: "x-request-id", value: requestID) }
        return HTTPResponseHead(version: version, status: status, headers: headers)
    }
}
