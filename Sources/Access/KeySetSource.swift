// A set of keys at an address: fetched at the start, again from time to time, and when a token names a key that is new.

internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1
internal import Synchronization

final class KeySetSource: Sendable {
    private struct Wish {
        var isPending = false
        /// Of whoever waits for the next fetch.
        var waiter: AsyncStream<Void>.Continuation?
    }

    private let url: String
    private let interval: Duration
    private let shortestInterval: Duration
    private let wish = Mutex(Wish())

    private static let timeout = TimeAmount.seconds(5)
    private static let limitBytes = 256 << 10

    /// Only over TLS, or from this machine: whoever can change the set can make tokens.
    init(_ url: String, _ configuration: TokenConfiguration) throws(AccessError) {
        let isLocal = ["http://127.0.0.1:", "http://[::1]:", "http://localhost:"].contains { url.hasPrefix($0) }
        guard url.hasPrefix("https://") || isLocal, url.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .contradiction("--jwt-jwks must be a file, or an address that begins with https://.")
        }
        self.url = url
        interval = configuration.refreshInterval
        shortestInterval = configuration.shortestRefreshInterval
    }

    func refreshSoon() {
        let waiter = wish.withLock { wish in
            wish.isPending = true
            return wish.waiter
        }
        waiter?.finish()
    }

    /// - Parameters:
    ///   - report: Told of every fetch that failed; the keys stay as they were.
    ///   - accept: Whether a set is of use.
    func run(report: (String) -> Void, accept: ([VerificationKey]) -> Bool) async {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        while !Task.isCancelled {
            var delay = interval
            do {
                guard let keys = try await fetch(client), accept(keys) else { throw Unusable() }
            } catch is CancellationError {
                break
            } catch {
                if Task.isCancelled { break }
                report("the keys of tokens could not be fetched, those known before stay: \(error)")
                delay = shortestInterval
            }
            await wait(delay)
        }
        try? await client.shutdown()
    }

    private struct Unusable: Error, CustomStringConvertible {
        var description: String { "the answer is no JSON Web Key Set with a key for --jwt-algorithms" }
    }

    private func fetch(_ client: HTTPClient) async throws -> [VerificationKey]? {
        let response = try await client.execute(HTTPClientRequest(url: url), timeout: Self.timeout)
        guard response.status == .ok else { return nil }
        return VerificationKey.keys(
            ofSet: Array(try await response.body.collect(upTo: Self.limitBytes).readableBytesView))
    }

    /// Until so much time is over, or a new key is asked for; not less than the shortest interval.
    private func wait(_ duration: Duration) async {
        guard (try? await Task.sleep(for: shortestInterval)) != nil, duration > shortestInterval else {
            return
        }
        let (signals, waiter) = AsyncStream.makeStream(of: Void.self)
        let isPending = wish.withLock { wish in
            wish.waiter = waiter
            return wish.isPending
        }
        if isPending { waiter.finish() }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [shortestInterval] in try? await Task.sleep(for: duration - shortestInterval) }
            group.addTask { for await _ in signals {} }
            await group.next()
            group.cancelAll()
        }
        wish.withLock { $0 = Wish() }
    }
}
