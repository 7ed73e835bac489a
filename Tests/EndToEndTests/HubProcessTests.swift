// `pagoda pull` and `pagoda serve ORG/NAME` as processes, against a Hub on loopback.

import AsyncHTTPClient
import Foundation
import HubTesting
import JSON
import NIOCore
import NIOHTTP1
import Synchronization
import Testing

@Suite("Models of the Hub", .serialized)
struct HubProcessTests {
    private static let name = "acme/SmolLM2-GGUF"

    /// A folder for HF_HOME, removed when the test lets go of it.
    private final class Home: Sendable {
        let path: String

        init() throws {
            let url = FileManager.default.temporaryDirectory.appending(path: "pagoda-home-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
            path = url.path
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        var cache: String { path + "/hub" }

        func environment(_ hub: HubServer, _ more: [String: String] = [:]) -> [String: String] {
            ["HF_HOME": path, "HF_ENDPOINT": hub.endpoint, "HOME": path].merging(more) { $1 }
        }
    }

    private static func files() throws -> [HubFile] {
        let model = try TestFiles.model()
        return [
            HubFile("README.md", "# SmolLM2\n"), HubFile("config.json", "{}"),
            try #require(HubFile("SmolLM2-135M-Instruct-Q4_1.gguf", contentsOf: model)),
            HubFile("SmolLM2-135M-Instruct-Q8_0.gguf", [1, 2, 3], isLarge: true),
        ]
    }

    private static let completion = #"{"prompt": "The capital of France is", "max_tokens": 8, "temperature": 0}"#

    /// Whether what a link leads to is the default model.
    private static func isModel(_ link: String) throws -> Bool {
        let path = URL(filePath: link).resolvingSymlinksInPath().path, model = try TestFiles.model()
        return path.contains("/blobs/") && FileManager.default.contentsEqual(atPath: model, andPath: path)
    }

    private func text(of server: RunningServer) async throws -> String {
        let response = try await server.post("/v1/completions", Self.completion)
        #expect(response.status == .ok)
        let answer = try JSONParser.parse(String(buffer: try await response.body.collect(upTo: 1 << 20)))
        return try #require(answer["choices"]?.arrayValue?.first?["text"]?.stringValue)
    }

    @Test("a GGUF file is pulled, found offline and served under the name by which it was asked for")
    func gguf() async throws {
        let hub = try await HubServer(.init(Self.name, files: try Self.files())), home = try Home()
        let reference = Self.name + ":Q4_1"
        let pull = try Finished(["pull", reference], home.environment(hub))
        let path =
            "\(home.cache)/models--acme--SmolLM2-GGUF/snapshots/\(HubServer.commit)/SmolLM2-135M-Instruct-Q4_1.gguf"
        #expect(pull.status == 0 && pull.output == path + "\n", "\(pull.errors)")
        #expect(try Self.isModel(path))
        let lines = pull.errors.split(separator: "\n")
        #expect(lines.first == "downloading \(reference): 1 file, 98.4 MB" && !pull.errors.contains("\r"), "\(lines)")

        let before = hub.requests.count
        let server = try await RunningServer(
            model: reference, environment: home.environment(hub, ["HF_HUB_OFFLINE": "1"]))
        #expect(try await server.get("/v1/models").contains("\"id\":\"\(reference)\""))
        #expect(try await text(of: server).contains("Paris"))
        #expect(server.terminate() == 0)
        #expect(hub.requests.count == before)
    }

    @Test("serve downloads what is missing, and says so in its log")
    func serveDownloads() async throws {
        let hub = try await HubServer(.init(Self.name, files: try Self.files())), home = try Home()
        let server = try await RunningServer(
            model: Self.name + "/SmolLM2-135M-Instruct-Q4_1.gguf", environment: home.environment(hub))
        #expect(server.logText.contains("downloading \(Self.name)/SmolLM2-135M-Instruct-Q4_1.gguf: 1 file"))
        #expect(try await text(of: server).contains("Paris"))
        #expect(server.terminate() == 0)
    }

    @Test("a pull that is killed is gone on with by the next one")
    func killed() async throws {
        let files = try Self.files(), model = files[2]
        let hub = try await HubServer(.init(Self.name, files: files)) { request, answer in
            guard request.isContentNetwork, request.number == 1, case .file(let path, _) = answer.body else { return }
            // Promises all and stops in the middle.
            answer.set("Content-Length", "\(model.size)")
            answer.body = .file(path, 0..<20_000_000)
        }
        let home = try Home()
        let process = Process()
        process.executableURL = URL(filePath: try TestFiles.binary())
        process.arguments = ["pull", Self.name + ":Q4_1"]
        process.environment = home.environment(hub)
        process.standardError = FileHandle.nullDevice
        try process.run()
        let partial = "\(home.cache)/models--acme--SmolLM2-GGUF/blobs/\(model.etag).incomplete"
        func size() -> Int {
            ((try? FileManager.default.attributesOfItem(atPath: partial))?[.size] as? NSNumber)?.intValue ?? 0
        }
        let deadline = ContinuousClock.now + .seconds(30)
        while size() < 20_000_000, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(10)) }
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        #expect(size() == 20_000_000)

        let again = try Finished(["pull", Self.name + ":Q4_1"], home.environment(hub))
        #expect(again.status == 0, "\(again.errors)")
        #expect(hub.requests.last { $0.isContentNetwork }?.header("Range") == "bytes=20000000-")
        #expect(try Self.isModel(again.output.trimmingCharacters(in: .newlines)))
    }

    @Test("processes that pull the same model at once fetch it once")
    func together() async throws {
        let hub = try await HubServer(.init(Self.name, files: try Self.files())), home = try Home()
        let environment = home.environment(hub)
        let results = try await withThrowingTaskGroup(of: Finished.self) { group in
            for _ in 0..<4 { group.addTask { try Finished(["pull", Self.name + ":Q4_1"], environment) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        for result in results {
            #expect(result.status == 0, "\(result.errors)")
            #expect(try Self.isModel(result.output.trimmingCharacters(in: .newlines)))
        }
        #expect(hub.requests.count { $0.isContentNetwork && $0.method == "GET" } == 1)
    }

    @Test("the token comes from HF_TOKEN or from the file that huggingface_hub writes, and is never shown")
    func token() async throws {
        let hub = try await HubServer(.init(Self.name, files: try Self.files())) { request, answer in
            if !request.isContentNetwork, request.header("Authorization") != "Bearer hf_right" {
                answer = HubServer.Answer(401)
            }
        }
        let home = try Home()
        let arguments = ["pull", Self.name, "--gguf", "q8_0"]
        let without = try Finished(arguments, home.environment(hub))
        #expect(without.status != 0 && without.errors.contains("and set HF_TOKEN to a token"))
        let wrong = try Finished(arguments, home.environment(hub, ["HF_TOKEN": "hf_wrong_secret"]))
        #expect(wrong.status != 0 && wrong.errors.contains("may not be read"))
        #expect(!wrong.errors.contains("hf_wrong") && !wrong.output.contains("hf_wrong"))
        try Data("hf_right\n".utf8).write(to: URL(filePath: home.path + "/token"))
        let withFile = try Finished(arguments, home.environment(hub))
        #expect(withFile.status == 0, "\(withFile.errors)")
        let other = try Home()
        let withVariable = try Finished(arguments, other.environment(hub, ["HF_TOKEN": " hf_right\n"]))
        #expect(withVariable.status == 0, "\(withVariable.errors)")
        let strange = try Finished(arguments, home.environment(hub, ["HF_TOKEN": "hf_é"]))
        #expect(strange.status != 0 && strange.errors.contains("must be visible ASCII"))
        #expect(!strange.errors.contains("hf_é"))
    }

    @Test("the cache is where the environment or --download-dir says")
    func cacheFolder() async throws {
        let hub = try await HubServer(.init(Self.name, files: try Self.files())), home = try Home()
        let arguments = ["pull", Self.name, "--include", "*.md"]
        for (more, environment, folder) in [
            ([], ["HF_HUB_CACHE": home.path + "/a"], "/a"), ([], ["HF_HOME": home.path + "/b"], "/b/hub"),
            ([], ["HF_HOME": "~/c"], "/c/hub"),
            ([], ["HF_HOME": "", "XDG_CACHE_HOME": home.path + "/d"], "/d/huggingface/hub"),
            ([], ["HF_HOME": ""], "/.cache/huggingface/hub"), (["--download-dir", home.path + "/e"], [:], "/e"),
        ] as [([String], [String: String], String)] {
            let pull = try Finished(arguments + more, home.environment(hub, environment))
            let repository = "\(home.path)\(folder)/models--acme--SmolLM2-GGUF"
            #expect(pull.output == "\(repository)/snapshots/\(HubServer.commit)\n", "\(pull.errors)")
        }
    }

    @Test("what cannot be done ends with a sentence and a status other than 0")
    func refusals() async throws {
        let hub = try await HubServer(.init(Self.name, files: try Self.files())), home = try Home()
        for (arguments, environment, message) in [
            (["pull", Self.name], ["HF_HUB_OFFLINE": "1"], "HF_HUB_OFFLINE is set; unset it to download"),
            (["serve", Self.name], ["HF_HUB_OFFLINE": "TRUE"], "HF_HUB_OFFLINE is set; unset it to download"),
            (["pull", Self.name], [:], "several GGUF files; name one as acme/SmolLM2-GGUF:FILE"),
            (["pull", Self.name + ":Q4_1", "--gguf", "Q8_0"], [:], "one form or file"),
            (["pull", home.path], [:], "what is on this machine needs no download"),
            (["pull", Self.name, "--revision", "../x"], [:], "cannot be a revision"),
            (["pull", Self.name, "--include", "*.bin"], [:], "No file of acme/SmolLM2-GGUF is left"),
            (["pull", "acme/none"], [:], "nor a repository that http://127.0.0.1:"),
            (["pull", Self.name], ["HF_ENDPOINT": "huggingface.co"], "HF_ENDPOINT must be http"),
            (["serve", home.path, "--revision", "v1"], [:], "only with a model of the Hub"),
        ] as [([String], [String: String], String)] {
            let result = try Finished(arguments, home.environment(hub, environment))
            #expect(result.status != 0 && result.errors.contains(message), "\(arguments): \(result.errors)")
        }
    }

    @Test("what is at a path wins over a model of the Hub of the same name")
    func localWins() async throws {
        let hub = try await HubServer(.init(Self.name, files: try Self.files())), home = try Home()
        try FileManager.default.createDirectory(atPath: "\(home.path)/\(Self.name)", withIntermediateDirectories: true)
        let result = try Finished(["serve", Self.name], home.environment(hub), folder: home.path)
        #expect(result.status != 0 && result.errors.contains("\(Self.name) has no config.json"))
        #expect(hub.requests.isEmpty)
    }

    // MARK: - Beside huggingface_hub

    /// The Hugging Face form of the default model, if tools/quantized-checkpoints.py has made it.
    private static let folder = TestFiles.quantizedCheckpoint("hf-smollm2")

    @Test(
        "the cache of a Hugging Face folder is that of Python's huggingface_hub, which finds it, and it is served",
        .enabled(if: folder != nil, "run tools/quantized-checkpoints.py"))
    func sharedCache() async throws {
        let folder = try #require(Self.folder), name = "acme/SmolLM2-135M"
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        let files = try names.map { try #require(HubFile($0, contentsOf: "\(folder)/\($0)")) }
        let hub = try await HubServer(
            .init(name, files: files + [HubFile("pytorch_model.bin", [128, 2], isLarge: true)]))
        let ours = try Home(), theirs = try Home()
        let script = TestFiles.root.appending(path: "Tests/EndToEndTests/hub.py").path
        let pull = try Finished(["pull", name], ours.environment(hub))
        #expect(pull.status == 0, "\(pull.errors)")
        let python = try TestFiles.python()
        let filled = try output(of: python, [script, "download", hub.endpoint, theirs.cache, name] + names)
        #expect(filled.hasSuffix("/models--acme--SmolLM2-135M/snapshots/\(HubServer.commit)\n"))

        let tree = try Self.tree(ours.cache + "/models--acme--SmolLM2-135M")
        #expect(tree.count == 1 + 2 * names.count)
        // Besides, it keeps the listing.
        let expected = try Self.tree(theirs.cache + "/models--acme--SmolLM2-135M").filter {
            !$0.key.hasPrefix("trees/")
        }
        #expect(tree == expected)
        for path in tree.keys {
            let parts = [ours, theirs].map { "\($0.cache)/models--acme--SmolLM2-135M/\(path)" }
            #expect(FileManager.default.contentsEqual(atPath: parts[0], andPath: parts[1]), "\(path)")
        }

        // It finds what is ours, without the network.
        let found = try JSONParser.parse(try output(of: python, [script, "find", ours.cache, name] + names))
        #expect(found["folder"]?.stringValue == pull.output.trimmingCharacters(in: .newlines))
        #expect(found["warnings"] == [] && found["refs"] == ["main"] && found["repositories"] == [.string(name)])
        #expect(found["bytes"]?.integerValue == Int64(files.reduce(0) { $0 + $1.size }))
        for file in files { #expect(found["files"]?[file.path]?.integerValue == Int64(file.size)) }

        // And what is its own is found here.
        let before = hub.requests.count { $0.method != "GET" || !$0.path.hasPrefix("/api/") }
        let again = try Finished(["pull", name], theirs.environment(hub))
        #expect(again.output == filled && again.errors.isEmpty, "\(again.errors)")
        #expect(hub.requests.count { $0.method != "GET" || !$0.path.hasPrefix("/api/") } == before)

        let server = try await RunningServer(
            model: name, environment: ours.environment(hub, ["HF_HUB_OFFLINE": "1"]))
        #expect(server.logText.contains("model SmolLM2-135M: "))
        #expect(try await text(of: server).contains("Paris"))
        #expect(server.terminate() == 0)
    }

    /// Paths of the files and links in a repository's folder, links with where they lead, files with their sizes.
    private static func tree(_ folder: String) throws -> [String: String] {
        var tree: [String: String] = [:]
        let paths = try #require(FileManager.default.enumerator(atPath: folder))
        for case let path as String in paths {
            let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(path)")
            switch attributes[.type] as? FileAttributeType {
            case FileAttributeType.typeSymbolicLink:
                tree[path] = try FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\(path)")
            case FileAttributeType.typeRegular:
                tree[path] = "\(attributes[.size] ?? 0) bytes, mode \(attributes[.posixPermissions] ?? 0)"
            default: break
            }
        }
        return tree
    }
}

/// A run of the program that has ended.
private struct Finished: Sendable {
    let status: Int32
    let output: String
    let errors: String

    init(_ arguments: [String], _ environment: [String: String], folder: String? = nil) throws {
        let process = Process()
        process.executableURL = URL(filePath: try TestFiles.binary())
        process.arguments = arguments
        process.environment = environment
        if let folder { process.currentDirectoryURL = URL(filePath: folder) }
        let output = Pipe(), errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        // Both are a few lines, which a pipe holds.
        self.output = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        self.errors = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        status = process.terminationStatus
    }
}
