// Smaller bodies for clients that ask for them.

internal import CPlatform
import NIOHTTP1

/// The content coding gzip (RFC 9110, 8.4.1.3).
enum GzipCoding {
    /// Below this nothing is won.
    private static let minimumBytes = 1024

    /// Compresses the body if the client of this `Accept-Encoding` takes gzip.
    static func encode(_ response: inout HTTPResponse, for acceptEncoding: String) {
        guard response.body.count >= minimumBytes, isAccepted(by: acceptEncoding) else { return }
        var target = [UInt8](repeating: 0, count: pg_gzip_capacity(response.body.count))
        let count = pg_gzip(response.body, response.body.count, &target, target.count)
        guard count > 0 else { return }
        target.removeLast(target.count - count)
        response.body = target
        response.headers.replaceOrAdd(name: "content-encoding", value: "gzip")
    }

    /// Whether the header names gzip, or anything, with a weight above 0.
    private static func isAccepted(by header: String) -> Bool {
        var weights: [String: Double] = [:]
        for element in header.split(separator: ",") {
            let parts = element.split(separator: ";").map { trimmed($0).lowercased() }
            guard let name = parts.first else { continue }
            let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 }
            weights[name] = weight ?? 1
        }
        return (weights["gzip"] ?? weights["x-gzip"] ?? weights["*"] ?? 0) > 0
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}
