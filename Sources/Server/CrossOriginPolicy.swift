// Which pages of other origins may use the server from a browser (CORS, WHATWG Fetch 3.2).

import NIOHTTP1

/// As vLLM's options have it, but for the default: without it browsers keep other origins' pages out.
public struct CrossOriginPolicy: Sendable, Equatable {
    /// `--allowed-origins`: such as `https://app.example`; `*`: any.
    public var origins: Set<String>
    /// `--allowed-methods` and `--allowed-headers`; `*`: any.
    public var methods: [String] = ["*"]
    public var headers: [String] = ["*"]
    /// `--allow-credentials`: with cookies and the browser's own passwords; never with any origin.
    public var allowsCredentials = false

    private static let everyMethod = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
    /// How long a browser need not ask again.
    private static let maximumAge = "600"

    /// - Parameter origins: As browsers write them: no path, and no slash at the end.
    public init(origins: Set<String>) {
        self.origins = origins
    }

    /// Whether anybody at all could use the credentials that a browser keeps.
    public var isContradictory: Bool { allowsCredentials && origins.contains("*") }

    private func allows(_ origin: String) -> Bool { origins.contains("*") || origins.contains(origin) }

    /// Whether a browser asks for leave. Such a request carries no credential, and is answered without one.
    func isPreflight(_ head: HTTPRequestHead) -> Bool {
        head.method == .OPTIONS && head.headers.contains(name: "origin")
            && head.headers.contains(name: "access-control-request-method")
    }

    /// What the answer to a request says to a browser, whatever the answer is.
    func answerHeaders(to head: HTTPRequestHead) -> HTTPHeaders {
        var answer = HTTPHeaders()
        if !origins.contains("*") { answer.add(name: "vary", value: "Origin") }
        let asking = head.headers["origin"]
        guard asking.count == 1, let origin = asking.first, allows(origin) else { return answer }
        answer.add(name: "access-control-allow-origin", value: origins.contains("*") ? "*" : origin)
        if allowsCredentials { answer.add(name: "access-control-allow-credentials", value: "true") }
        guard isPreflight(head) else { return answer }
        let isAnyMethod = methods.contains("*")
        answer.add(
            name: "access-control-allow-methods",
            value: isAnyMethod ? Self.everyMethod : methods.joined(separator: ", "))
        // A star would not stand for Authorization; what is asked for is named.
        let asked = head.headers["access-control-request-headers"].joined(separator: ", ")
        let named = headers.contains("*") ? Self.names(asked) : headers.joined(separator: ", ")
        if !named.isEmpty { answer.add(name: "access-control-allow-headers", value: named) }
        answer.add(name: "access-control-max-age", value: Self.maximumAge)
        return answer
    }

    /// Only what is a list of names goes back.
    private static func names(_ list: String) -> String {
        guard list.utf8.count <= 1024, list.unicodeScalars.allSatisfy(isOfList) else { return "" }
        return list
    }

    private static func isOfList(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "0"..."9", "A"..."Z", "a"..."z", "-", "_", ",", " ": true
        default: false
        }
    }

    /// The answer to a browser that asks for leave; the headers say whether it has it.
    func answer(toPreflightOf origin: String) -> HTTPResponse {
        let isAllowed = allows(origin)
        return HTTPResponse(
            status: isAllowed ? .ok : .badRequest, headers: ["content-type": "text/plain; charset=utf-8"],
            body: Array((isAllowed ? "OK" : "Disallowed CORS origin").utf8))
    }
}
