// Whether a request may be answered, decided as soon as its head is read.

import Access
import NIOCore
import NIOHTTP1
import OpenAI

/// Goes by the one parsed target that the router goes by, and by the socket's other end: nothing that a header says of
/// host, path or address has a part in it.
struct RequestGate: Sendable {
    let access: AccessControl
    let router: Router
    /// Nil: browsers keep pages of other origins out.
    let crossOrigin: CrossOriginPolicy?

    /// The answer to a browser that asks for leave; nil: the request is no such question.
    func preflightAnswer(to head: HTTPRequestHead) -> HTTPResponse? {
        guard let crossOrigin, crossOrigin.isPreflight(head), let origin = head.headers.first(name: "origin") else {
            return nil
        }
        return crossOrigin.answer(toPreflightOf: origin)
    }

    /// What the answer says beside what its endpoint does.
    func answerHeaders(to head: HTTPRequestHead) -> HTTPHeaders {
        crossOrigin?.answerHeaders(to: head) ?? [:]
    }

    func decision(for head: HTTPRequestHead, from peer: SocketAddress?) -> AccessDecision {
        if crossOrigin?.isPreflight(head) == true { return .granted(.anonymous) }
        let route = router.access(head.method, head.path)
        let presented = PresentedCredential(
            authorization: head.headers["authorization"], peer: peer?.ipAddress.flatMap { PeerAddress($0) })
        return access.decide(presented, for: route)
    }

    /// Whether the server asks for credentials, and the request has shown none: also where none is needed.
    func isStranger(_ decision: AccessDecision) -> Bool {
        guard case .granted(let principal) = decision else { return true }
        return access.closesAPI && principal == .anonymous
    }

    /// Why the body should not even come: it was announced and waits for leave, or its sender has tried too often.
    func denialAtOnce(_ head: HTTPRequestHead, _ decision: AccessDecision) -> AccessDenial? {
        guard case .denied(let denial) = decision else { return nil }
        switch denial {
        case .tooManyFailures, .ambiguousCredential: return denial
        case .noCredential, .wrongCredential, .missingScope, .foreignAddress:
            return head.headers.contains(name: "expect") ? denial : nil
        }
    }

    /// What is wrong with a head that the parser has let through.
    func error(of head: HTTPRequestHead) -> RequestError? {
        let hosts = head.headers["host"]
        guard hosts.count <= 1, hosts.allSatisfy(Self.isHost) else {
            return RequestError(.malformed, "There must be one Host header, of a name or address and perhaps a port.")
        }
        return nil
    }

    /// `host` or `host:port` and nothing that could be read as a path, a query or a user.
    private static func isHost(_ text: String) -> Bool {
        text.utf8.count <= 255 && text.unicodeScalars.allSatisfy(isOfHost)
    }

    private static func isOfHost(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "0"..."9", "A"..."Z", "a"..."z", "-", "_", ".", ":", "[", "]", "%", "~": true
        default: false
        }
    }
}
