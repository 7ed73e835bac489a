// The file API of the Hub, on loopback, for tests.

internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// Serves one repository as huggingface.co does: a listing, a tree, and files, of which large ones come by a redirect
/// from a second address. A test may change any answer before it is sent.
public final class HubServer: Sendable {
    public struct Request: Sendable {
        public var method: String
        /// Without the query, decoded.
        public var path: String
        public var query: String
        public var headers: [(name: String, value: String)]
        /// Whether it came to the second address.
        public var isContentNetwork: Bool
        /// Of the requests for this method and path, counted from 1.
        public var number: Int

        public func header(_ name: String) -> String? {
            headers.first { $0.name.lowercased() == name.lowercased() }?.value
        }
    }

    public struct Answer: Sendable {
        public enum Body: Sendable {
            case bytes([UInt8])
            /// A part of a file of this machine.
            case file(String, Range<Int>)
        }

        public var status: Int
        public var headers: [(name: String, value: String)]
        public var body: Body
        /// After so many bytes of the body the connection is closed.
        public var cut: Int?
        /// Nothing is sent at all.
        public var isSilent = false

        public init(_ status: Int, _ headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
            self.status = status
            self.headers = headers
            self.body = .bytes(body)
        }

        /// Sets a field, or takes it away.
        public mutating func set(_ name: String, _ value: String?) {
            headers.removeAll { $0.name.lowercased() == name.lowercased() }
            if let value { headers.append((name, value)) }
        }

        /// Bytes in the body, before any cut.
        var length: Int {
            switch body {
            case .bytes(let bytes): bytes.count
            case .file(_, let range): range.count
            }
        }
    }

    public struct Repository: Sendable {
        public var name: String
        /// Branches and tags, and their commits.
        public var revisions: [String: String]
        /// The files of each commit.
        public var commits: [String: [HubFile]]

        /// A repository with one commit, on `main`.
        public init(_ name: String, commit: String = HubServer.commit, files: [HubFile]) {
            self.name = name
            revisions = ["main": commit]
            commits = [commit: files]
        }
    }

    /// A commit's hash for repositories that have only one.
    public static let commit = "0123456789abcdef0123456789abcdef01234567"

    public let port: Int
    private let shared: HubState
    private let channels: [any Channel]

    /// - Parameter edit: May change each answer.
    public init(
        _ repository: Repository, edit: @escaping @Sendable (Request, inout Answer) -> Void = { _, _ in }
    ) async throws {
        let state = HubState(repository, edit: edit)
        var channels: [any Channel] = []
        for isContentNetwork in [false, true] {
            let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                        try channel.pipeline.syncOperations.addHandler(
                            HubConnection { head in state.answer(to: head, isContentNetwork: isContentNetwork) })
                    }
                }
                .bind(host: "127.0.0.1", port: 0).get()
            channels.append(channel)
        }
        self.channels = channels
        port = channels[0].localAddress?.port ?? 0
        shared = state
        let contentPort = channels[1].localAddress?.port ?? 0
        state.start(contentPort: contentPort)
    }

    deinit {
        for channel in channels { channel.close(promise: nil) }
    }

    public var endpoint: String { "http://127.0.0.1:\(port)" }
    public var requests: [Request] { shared.requests }

    /// Replaces what is served.
    public func serve(_ repository: Repository) {
        shared.serve(repository)
    }
}
