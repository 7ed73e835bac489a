// Which API is loaded, and where it is.

/// The kinds of endpoint, by vLLM's names.
public enum LoadBackend: String, CaseIterable, Sendable {
    /// `/v1/completions`; vLLM's other name for `openai`.
    case vllm
    case openai
    /// `/v1/chat/completions`.
    case openAIChat = "openai-chat"

    public init(option: String) throws(LoadTestError) {
        guard let backend = Self(rawValue: option) else {
            throw .unsupported(option: "backend", value: option, supported: Self.allCases.map(\.rawValue))
        }
        self = backend
    }

    public var isChat: Bool { self == .openAIChat }

    /// Where the endpoint lies if no option says otherwise.
    public var defaultPath: String { isChat ? "/v1/chat/completions" : "/v1/completions" }

    /// What a path must end with.
    var pathSuffix: String { isChat ? "chat/completions" : "completions" }
}

/// The server under load.
public struct ServerEndpoint: Sendable, Equatable {
    public let backend: LoadBackend
    /// Scheme, host and port, without a slash at the end.
    public let baseURL: String
    /// The endpoint's path, with its slash in front.
    public let path: String
    /// Sent with each request, later ones instead of earlier ones of the same name.
    public let headers: [Header]

    public struct Header: Sendable, Equatable {
        public let name: String
        public let value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// - Parameters:
    ///   - baseURL: As `--base-url` gives it; without one, `host` and `port` count.
    ///   - path: As `--endpoint` gives it; without one, the backend's usual one.
    public init(
        backend: LoadBackend, baseURL: String?, host: String, port: Int, path: String?, headers: [Header] = []
    ) throws(LoadTestError) {
        var base = baseURL ?? "http://" + (host.contains(":") ? "[\(host)]" : host) + ":\(port)"
        while base.hasSuffix("/") { base.removeLast() }
        guard base.hasPrefix("http://") || base.hasPrefix("https://") else {
            throw .invalidOption(name: "base-url", value: base, allowed: "http://… or https://…")
        }
        let path = path ?? backend.defaultPath
        guard path.hasSuffix(backend.pathSuffix) else {
            throw .invalidOption(
                name: "endpoint", value: path, allowed: "a path that ends with \(backend.pathSuffix)")
        }
        guard baseURL != nil || (1...65_535).contains(port) else {
            throw .invalidOption(name: "port", value: "\(port)", allowed: "1 to 65535")
        }
        self.backend = backend
        self.baseURL = base
        self.path = path.hasPrefix("/") ? path : "/" + path
        self.headers = headers
    }

    var url: String { baseURL + path }
}
