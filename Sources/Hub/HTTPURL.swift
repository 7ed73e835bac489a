// URLs that no two parsers read differently.

/// An absolute `http` or `https` URL: visible ASCII, a host, perhaps a port, a path and a query; never a user.
public struct HTTPURL: Sendable, Equatable, CustomStringConvertible {
    public let isSecure: Bool
    /// In lower case; an IPv6 address has its brackets.
    public let host: String
    public let port: Int
    /// Path and query; begins with a slash.
    public let target: String

    /// Nil for anything else. A fragment is dropped: it is never sent.
    public init?(_ text: String) {
        // A backslash is a slash to some readers, and the rest has no place in a URL.
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
            !text.contains(where: { "\\\"<>^`{|}".contains($0) }),
            text.utf8.count <= Self.longestBytes,
            let scheme = ["https://", "http://"].first(where: { text.lowercased().hasPrefix($0) })
        else { return nil }
        let rest = text.dropFirst(scheme.utf8.count).prefix { $0 != "#" }
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        guard let (host, port) = Self.hostAndPort(authority) else { return nil }
        isSecure = scheme == "https://"
        self.host = host.lowercased()
        self.port = port ?? (isSecure ? 443 : 80)
        let target = String(rest.dropFirst(authority.count))
        self.target = target.hasPrefix("/") ? target : "/" + target
    }

    private init(isSecure: Bool, host: String, port: Int, target: String) {
        self.isSecure = isSecure
        self.host = host
        self.port = port
        self.target = target
    }

    /// Signed URLs of content networks have some kilobytes.
    private static let longestBytes = 16 << 10

    /// Nil if either is none that can be; the port alone is nil where it is left out.
    private static func hostAndPort(_ authority: Substring) -> (host: String, port: Int?)? {
        var host = authority, port: Int?
        if let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") {
            host = authority[..<colon]
            let digits = authority[authority.index(after: colon)...]
            guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(digits),
                (1...65_535).contains(number)
            else { return nil }
            port = number
        }
        let isName = host.utf8.allSatisfy { isHostByte($0) }
        let isAddress =
            host.hasPrefix("[") && host.hasSuffix("]")
            && host.dropFirst().dropLast().utf8.allSatisfy { $0 == UInt8(ascii: ":") || isHostByte($0) }
        guard isName || isAddress, !host.isEmpty else { return nil }
        return (String(host), port)
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    // MARK: - Parts

    private var origin: String {
        let scheme = isSecure ? "https" : "http"
        return port == (isSecure ? 443 : 80) ? "\(scheme)://\(host)" : "\(scheme)://\(host):\(port)"
    }

    /// All of it, as it is requested.
    var text: String { origin + target }

    /// Without the query, in which content networks have their signatures.
    public var description: String { origin + target.prefix { $0 != "?" } }

    /// Whether what may be told to one may be told to the other.
    func hasSameOrigin(as other: HTTPURL) -> Bool {
        isSecure == other.isSecure && host == other.host && port == other.port
    }

    /// This URL's path continued by `suffix`, which begins with a slash.
    func appending(_ suffix: String) -> HTTPURL {
        var base = target.prefix { $0 != "?" }
        while base.hasSuffix("/") { base.removeLast() }
        return HTTPURL(isSecure: isSecure, host: host, port: port, target: base + suffix)
    }

    /// Where a `Location` leads; nil if that is no URL or one relative to the path.
    func resolving(_ location: String) -> HTTPURL? {
        if location.hasPrefix("//") { return HTTPURL((isSecure ? "https:" : "http:") + location) }
        return HTTPURL(location.hasPrefix("/") ? origin + location : location)
    }

    /// Percent-encoded, with the slashes of a path as they are or not.
    static func encoded(_ text: String, keepsSlashes: Bool) -> String {
        let digits = Array("0123456789ABCDEF")
        return text.utf8.map { byte -> String in
            switch byte {
            case UInt8(ascii: "~"): "~"
            case UInt8(ascii: "/") where keepsSlashes: "/"
            case _ where isHostByte(byte): String(UnicodeScalar(byte))
            default: "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
        }.joined()
    }
}
