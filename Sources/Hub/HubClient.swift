// HTTP with the Hub: redirects, the token, tries; every answer is taken for hostile until it is checked.

internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// A request that failed, and whether another try may help.
struct RequestFailure: Error {
    var error: HubError
    var isTransient = false
    /// What the server asks for.
    var pause: Duration?
}

/// Sends requests about one repository.
struct HubClient: Sendable {
    let repository: RepositoryID
    let configuration: HubConfiguration
    /// Told before a failed request is sent again.
    let onRetry: @Sendable (HubError, Duration) -> Void
    private let http: HTTPClient

    private static let longestRedirectChain = 10

    init(
        _ repository: RepositoryID, _ configuration: HubConfiguration,
        onRetry: @escaping @Sendable (HubError, Duration) -> Void
    ) {
        self.repository = repository
        self.configuration = configuration
        self.onRetry = onRetry
        var settings = HTTPClient.Configuration(redirectConfiguration: .disallow)
        settings.httpVersion = .http1Only
        settings.timeout.connect = .seconds(10)
        settings.timeout.read = TimeAmount(configuration.patience.idleTimeout)
        // Tries are counted here.
        settings.connectionPool.retryConnectionEstablishment = false
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: settings)
    }

    func shutDown() async { try? await http.shutdown() }

    // MARK: - Addresses

    func listingURL(_ revision: String) -> HTTPURL {
        let name = HTTPURL.encoded(revision, keepsSlashes: false)
        return configuration.endpoint.appending("/api/models/\(repository)/revision/\(name)?blobs=true")
    }

    func fileURL(_ path: String, commit: String) -> HTTPURL {
        configuration.endpoint.appending(
            "/\(repository)/resolve/\(commit)/\(HTTPURL.encoded(path, keepsSlashes: true))")
    }

    // MARK: - Requests

    /// An answer's head and body, and the heads of the redirects before it.
    struct Answer {
        let response: HTTPClientResponse
        let url: HTTPURL
        private let earlier: [HTTPHeaders]

        init(_ response: HTTPClientResponse, _ url: HTTPURL, earlier: [HTTPHeaders]) {
            self.response = response
            self.url = url
            self.earlier = earlier
        }

        /// The value in the last of the heads that has the field.
        func header(_ name: String) -> String? {
            for headers in [response.headers] + earlier.reversed() {
                if let value = headers.first(name: name) { return value }
            }
            return nil
        }
    }

    /// Sends one request, and follows redirects.
    ///
    /// The token goes to the endpoint's own origin, until a redirect leads away from it.
    ///
    /// - Parameter stop: Looks at each redirect to another origin; true if it is the answer that was wanted.
    func send(
        _ method: HTTPMethod, _ start: HTTPURL, headers: [(String, String)] = [],
        stoppingAt stop: (HTTPHeaders) -> Bool = { _ in false }
    ) async throws(RequestFailure) -> Answer {
        var url = start, isAtHome = true, heads: [HTTPHeaders] = []
        while true {
            isAtHome = isAtHome && url.hasSameOrigin(as: configuration.endpoint)
            var request = HTTPClientRequest(url: url.text)
            request.method = method
            request.headers.add(name: "User-Agent", value: configuration.userAgent)
            // A file is to come as it is, so that its length and its hash can be checked.
            request.headers.add(name: "Accept-Encoding", value: "identity")
            for (name, value) in headers { request.headers.add(name: name, value: value) }
            if isAtHome, let token = configuration.token {
                request.headers.add(name: "Authorization", value: "Bearer \(token.value)")
            }
            let response = try await execute(request, url)
            guard [301, 302, 303, 307, 308].contains(response.status.code) else {
                return Answer(response, url, earlier: heads)
            }
            let next = try target(of: response, from: url)
            if !next.hasSameOrigin(as: url), stop(response.headers) { return Answer(response, url, earlier: heads) }
            heads.append(response.headers)
            guard heads.count <= Self.longestRedirectChain else {
                throw RequestFailure(
                    error: .badRedirect(url: "\(start)", reason: "more than \(Self.longestRedirectChain) redirects"))
            }
            url = next
        }
    }

    private func target(of response: HTTPClientResponse, from url: HTTPURL) throws(RequestFailure) -> HTTPURL {
        guard let location = response.headers.first(name: "Location"), let next = url.resolving(location) else {
            throw RequestFailure(error: .badRedirect(url: "\(url)", reason: "its Location is no URL of the web"))
        }
        guard next.isSecure || !url.isSecure else {
            throw RequestFailure(error: .badRedirect(url: "\(url)", reason: "\(next) is not encrypted"))
        }
        return next
    }

    private func execute(
        _ request: HTTPClientRequest, _ url: HTTPURL
    ) async throws(RequestFailure) -> HTTPClientResponse {
        do {
            return try await http.execute(request, deadline: .distantFuture)
        } catch {
            throw failure(error, url)
        }
    }

    /// The bytes of an answer that is all read at once.
    func body(_ answer: Answer, limit: Int) async throws(RequestFailure) -> [UInt8] {
        var bytes: [UInt8] = []
        var parts = answer.response.body.makeAsyncIterator()
        while let part = try await next(&parts, answer.url) {
            guard bytes.count + part.readableBytes <= limit else {
                throw RequestFailure(error: .badAnswer(url: "\(answer.url)", reason: "it is over \(limit) bytes long"))
            }
            bytes += part.readableBytesView
        }
        return bytes
    }

    func next(
        _ parts: inout HTTPClientResponse.Body.AsyncIterator, _ url: HTTPURL
    ) async throws(RequestFailure) -> ByteBuffer? {
        do {
            return try await parts.next()
        } catch {
            throw failure(error, url)
        }
    }

    // MARK: - Failures

    /// Runs a request until it succeeds, or fails in a way that will not pass, or too often.
    func retrying<Result: Sendable>(
        attempts: Int? = nil, _ body: () async throws(RequestFailure) -> Result
    ) async throws(HubError) -> Result {
        var failures = 0
        while true {
            do throws(RequestFailure) {
                return try await body()
            } catch {
                failures += 1
                try await wait(after: error, failures: failures, of: attempts ?? configuration.patience.attempts)
            }
        }
    }

    /// Returns when it is time for another try.
    func wait(after failure: RequestFailure, failures: Int, of attempts: Int) async throws(HubError) {
        guard failure.isTransient, failures < attempts else {
            guard case .unreachable(let url, let reason, _) = failure.error else { throw failure.error }
            throw .unreachable(url: url, reason: reason, attempts: failures)
        }
        let patience = configuration.patience
        let asked = failure.pause.map { min($0, patience.longestPause) } ?? .zero
        let pause = max(patience.pause(afterFailures: failures), asked)
        onRetry(failure.error, pause)
        do {
            try await Task.sleep(for: pause)
        } catch {
            throw .interrupted
        }
    }

    /// What a status other than the wanted one means.
    ///
    /// - Parameter missing: What a 404 is if the server does not say it more exactly.
    func failure(_ answer: Answer, missing: HubError) -> RequestFailure {
        let code = Int(answer.response.status.code), url = "\(answer.url)", name = "\(repository)"
        let pause = answer.response.headers.first(name: "Retry-After").flatMap { Int($0) }
        // A content network refuses addresses that have grown too old; the Hub gives new ones.
        let isOld = [401, 403].contains(code) && !answer.url.hasSameOrigin(as: configuration.endpoint)
        if isOld { return RequestFailure(error: .status(url: url, code: code), isTransient: true) }
        switch (code, answer.header("X-Error-Code")) {
        case (401, let reason), (403, let reason):
            return RequestFailure(
                error: .forbidden(
                    repository: name, url: url, isGated: reason == "GatedRepo",
                    hasToken: configuration.token != nil))
        case (404, "RepoNotFound"): return RequestFailure(error: .noRepository(repository: name, url: url))
        case (404, _): return RequestFailure(error: missing)
        case (408, _), (429, _), (500, _), (502, _), (503, _), (504, _):
            return RequestFailure(
                error: .status(url: url, code: code), isTransient: true,
                pause: pause.map { .seconds(min(max($0, 0), 86_400)) })
        default: return RequestFailure(error: .status(url: url, code: code))
        }
    }

    /// What went wrong below HTTP. All of it may pass, but for a client that was told to end.
    private func failure(_ error: any Error, _ url: HTTPURL) -> RequestFailure {
        switch error {
        case is CancellationError: return RequestFailure(error: .interrupted)
        case let error as HTTPClientError where error == .cancelled: return RequestFailure(error: .interrupted)
        case let error as HTTPClientError where error == .invalidURL:
            return RequestFailure(error: .badRedirect(url: "\(url)", reason: "it is no URL"))
        default:
            return RequestFailure(
                error: .unreachable(url: "\(url)", reason: Self.reason(error), attempts: 1), isTransient: true)
        }
    }

    private static let cut = "the connection was cut"

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as HTTPClientError where error == .remoteConnectionClosed: cut
        case HTTPParserError.invalidEOFState: cut
        case is HTTPParserError: "the answer is not HTTP"
        case let error as HTTPClientError where error == .readTimeout: "no byte came for too long"
        case let error as HTTPClientError where error == .connectTimeout: "no connection in time"
        case let error as NIOConnectionError:
            "no connection to \(error.host):\(error.port)"
                + (error.connectionErrors.isEmpty ? "" : ": ")
                + error.connectionErrors.map { Self.reason($0.error) }.joined(separator: ", ")
        case let error as IOError: strerror(error.errnoCode).map { String(cString: $0) } ?? "error \(error.errnoCode)"
        default: "\(error)"
        }
    }
}
