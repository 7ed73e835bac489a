// What is counted of an answer while it is written.

import NIOHTTP1
import Observability

extension HTTPMetrics.Answer {
    /// The answer to a request of which only the head is known yet; counted as if its client went away unless more
    /// comes of it.
    init(_ head: HTTPRequestHead) {
        self.init(route: HTTPMetrics.Route(method: head.method.rawValue, path: head.path), status: 499, seconds: 0)
    }

    mutating func note(_ piece: HTTPResponsePiece) {
        switch piece {
        case .whole(let response):
            status = Int(response.status.code)
            responseBytes = response.body.count
        case .head(let status, _, let length):
            self.status = Int(status.code)
            responseBytes = length ?? 0
        case .bytes, .end: break
        }
    }
}
