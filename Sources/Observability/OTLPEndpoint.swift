// Where spans are sent.

import AsyncHTTPClient

/// The URL of an OTLP/HTTP receiver.
public struct OTLPEndpoint: Sendable, Equatable {
    public let url: String

    /// The path under which collectors listen, for URLs without one.
    private static let usualPath = "/v1/traces"

    /// Nil unless it is `http://` or `https://`, a host, and perhaps a port and a path. Keys belong into headers, not
    /// into the URL: the URL is logged.
    public init?(_ text: String) {
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), !text.contains(where: { "?#@\\".contains($0) }),
            let scheme = ["http://", "https://"].first(where: { text.lowercased().hasPrefix($0) })
        else { return nil }
        let rest = text.dropFirst(scheme.utf8.count)
        let path = rest.drop { $0 != "/" }
        guard !rest.isEmpty, rest.first != "/" else { return nil }
        url = path.isEmpty || path == "/" ? scheme + rest.dropLast(path.count) + Self.usualPath : scheme + rest
        // Brackets are its subject.
        guard let request = try? HTTPClient.Request(url: url), (1...65_535).contains(request.port) else { return nil }
    }
}
