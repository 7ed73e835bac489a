// Where models come from, where they are kept, and how patient the client is.

/// Everything that a download depends on beside the model's name.
public struct HubConfiguration: Sendable {
    /// Holds a folder `models--ORG--NAME` for each repository: `$HF_HOME/hub`, which other programs share.
    public var cacheFolder: String
    public var endpoint: HTTPURL
    /// Sent to the endpoint alone.
    public var token: HubToken?
    /// Nothing is asked of the network.
    public var isOffline = false
    public var patience = Patience()
    /// Names this program and its version to the Hub.
    public var userAgent: String

    /// What the environment gives the name of in `HF_ENDPOINT`.
    public static let defaultEndpoint = "https://huggingface.co"

    public init(cacheFolder: String, endpoint: HTTPURL, token: HubToken? = nil, userAgent: String = "pagoda") {
        self.cacheFolder = cacheFolder
        self.endpoint = endpoint
        self.token = token
        self.userAgent = userAgent
    }
}

/// How often a request is tried, and how long is waited.
public struct Patience: Sendable {
    /// Tries of a request; for a download, tries in a row that brought less than a mebibyte.
    public var attempts = 5
    /// Before the second try; doubled before each further one.
    public var firstPause = Duration.seconds(1)
    /// Also of what a server asks for in `Retry-After`.
    public var longestPause = Duration.seconds(60)
    /// Without a byte for so long, a connection is given up.
    public var idleTimeout = Duration.seconds(60)

    public init() {}

    /// How long to wait after so many failures, at least one.
    func pause(afterFailures count: Int) -> Duration {
        min(firstPause * (1 << min(max(count, 1) - 1, 20)), longestPause)
    }
}

/// A secret. Nothing prints it: descriptions and dumps show that there is one.
public struct HubToken: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
    let value: String

    /// Nil unless it is visible ASCII, so that it can be a header's value.
    public init?(_ text: String) {
        guard !text.isEmpty, text.utf8.count <= 4096, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            return nil
        }
        value = text
    }

    public var description: String { "(a token)" }
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
