// A Hub on loopback with a cache of its own, for one test.

import Foundation
import Hub
import HubTesting
import Synchronization
import Testing

/// Removed when the test lets go of it.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "pagoda-hub-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

struct HubFixture {
    static let name = "acme/tiny-llama"
    static let weights = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    static let weightsFile = HubFile("model.safetensors", weights, isLarge: true)
    static let config = HubFile("config.json", #"{"architectures": ["LlamaForCausalLM"]}"#)
    /// What a model is loaded from, among much else.
    static let files = [
        HubFile(".gitattributes", "*.safetensors filter=lfs\n"), HubFile("README.md", "# A model\n"), config,
        HubFile("generation_config.json", "{}"), HubFile("modeling_tiny.py", "import os\n"), weightsFile,
        HubFile("onnx/model.onnx", [1, 2, 3], isLarge: true), HubFile("pytorch_model.bin", [128, 2], isLarge: true),
        HubFile("tokenizer.json", "{\"version\": \"1.0\"}"), HubFile("tokenizer_config.json", "{}"),
    ]
    static let needed = [
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    ]

    let server: HubServer
    let cache: TemporaryFolder
    var token: String?
    var isOffline = false
    var attempts = 4
    var idleTimeout = Duration.seconds(30)

    /// - Parameter edit: May change each of the server's answers.
    init(
        files: [HubFile] = Self.files, token: String? = nil,
        edit: @escaping @Sendable (HubServer.Request, inout HubServer.Answer) -> Void = { _, _ in }
    ) async throws {
        server = try await HubServer(HubServer.Repository(Self.name, files: files), edit: edit)
        cache = try TemporaryFolder()
        self.token = token
    }

    var repository: String { cache.path + "/models--acme--tiny-llama" }
    var snapshot: String { "\(repository)/snapshots/\(HubServer.commit)" }

    func blob(_ file: HubFile) -> String { "\(repository)/blobs/\(file.etag)" }
    func partial(_ file: HubFile) -> String { blob(file) + ".incomplete" }

    func configuration() throws -> HubConfiguration {
        var configuration = HubConfiguration(
            cacheFolder: cache.path, endpoint: try #require(HTTPURL(server.endpoint)),
            token: try token.map { try #require(HubToken($0)) })
        configuration.isOffline = isOffline
        configuration.patience.attempts = attempts
        configuration.patience.firstPause = .milliseconds(1)
        configuration.patience.longestPause = .milliseconds(20)
        configuration.patience.idleTimeout = idleTimeout
        return configuration
    }

    /// - Parameter events: Gets what is reported.
    func download(
        _ reference: String = Self.name, revision: String = "main", selection: FileSelection = .model,
        events: EventLog? = nil
    ) async throws -> HubSnapshot {
        try await HubDownloader(try configuration()).snapshot(
            of: try #require(HubReference(reference)), revision: revision, selection: selection
        ) { events?.add($0) }
    }

    /// The error of a download that must fail, as it is shown.
    func refusal(
        _ reference: String = Self.name, revision: String = "main", selection: FileSelection = .model
    ) async -> String {
        do {
            let snapshot = try await download(reference, revision: revision, selection: selection)
            Issue.record("\(snapshot) was downloaded")
            return ""
        } catch {
            #expect(error is HubError, "\(error)")
            return "\(error)"
        }
    }

    // MARK: - The cache

    /// Paths below the repository's folder; of links, where they lead.
    func tree() throws -> [String: String] {
        var tree: [String: String] = [:]
        guard let paths = FileManager.default.enumerator(atPath: repository) else { return [:] }
        for case let path as String in paths {
            let full = "\(repository)/\(path)"
            if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: full) {
                tree[path] = "→ " + target
            } else if FileManager.default.contents(atPath: full) != nil, !isFolder(full) {
                tree[path] = "\(try #require(FileManager.default.contents(atPath: full)).count) bytes"
            }
        }
        return tree
    }

    private func isFolder(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }

    func content(_ path: String) -> [UInt8]? {
        FileManager.default.contents(atPath: path).map { Array($0) }
    }

    func write(_ bytes: some Sequence<UInt8>, to path: String) throws {
        let folder = URL(filePath: path).deletingLastPathComponent()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(filePath: path))
    }

    /// Requests for a file's content, at either address.
    func fetches(of file: HubFile) -> [HubServer.Request] {
        server.requests.filter {
            $0.method == "GET"
                && ($0.path.hasSuffix("/resolve/\(HubServer.commit)/\(file.path)") && file.sha256 == nil
                    || $0.isContentNetwork && $0.path.hasSuffix(file.etag))
        }
    }
}

final class EventLog: Sendable {
    private let state = Mutex<[HubEvent]>([])

    func add(_ event: HubEvent) { state.withLock { $0.append(event) } }

    var all: [HubEvent] { state.withLock { $0 } }

    /// The sum of the bytes that came.
    var receivedBytes: Int {
        all.reduce(0) { sum, event in if case .received(let bytes) = event { sum + bytes } else { sum } }
    }

    var retryCount: Int { all.count { if case .retrying = $0 { true } else { false } } }
}
