import Foundation
import Hub
import HubTesting
import Testing

@Suite("Downloads")
struct DownloadTests {
    @Test("a model's files come into the Hub cache's layout, and nothing else of the repository does")
    func layout() async throws {
        let hub = try await HubFixture(), events = EventLog()
        let snapshot = try await hub.download(events: events)
        #expect(snapshot.commit == HubServer.commit)
        #expect(snapshot.folder == hub.snapshot && snapshot.modelPath == hub.snapshot)
        var expected = ["refs/main": "40 bytes"]
        for file in HubFixture.files where HubFixture.needed.contains(file.path) {
            expected["blobs/\(file.etag)"] = "\(file.size) bytes"
            expected["snapshots/\(HubServer.commit)/\(file.path)"] = "→ ../../blobs/\(file.etag)"
        }
        #expect(try hub.tree() == expected)
        #expect(hub.content(hub.repository + "/refs/main") == Array(HubServer.commit.utf8))
        #expect(hub.content(hub.snapshot + "/model.safetensors") == HubFixture.weights)
        #expect(hub.content(hub.cache.path + "/CACHEDIR.TAG")?.starts(with: Array("Signature: 8a477f5".utf8)) == true)
        let wanted = HubFixture.files.filter { HubFixture.needed.contains($0.path) }
        let total = wanted.reduce(0) { $0 + $1.size }
        // Two of the files are the same two bytes, so that they share a blob, and count twice.
        #expect(events.all.first == .began(fileCount: wanted.count, bytes: total))
        #expect(events.receivedBytes == total)
    }

    @Test("what is there is not fetched again, nor looked at")
    func secondTime() async throws {
        let hub = try await HubFixture()
        let first = try await hub.download()
        let before = hub.server.requests.count
        #expect(try await hub.download() == first)
        #expect(hub.server.requests[before...].map(\.path) == ["/api/models/acme/tiny-llama/revision/main"])
    }

    @Test("a file that is missing from a snapshot, or has another size than it should, is fetched again")
    func repairs() async throws {
        let hub = try await HubFixture()
        _ = try await hub.download()
        try FileManager.default.removeItem(atPath: hub.snapshot + "/tokenizer.json")
        try hub.write([1, 2, 3], to: hub.blob(HubFixture.weightsFile))
        _ = try await hub.download()
        #expect(hub.content(hub.snapshot + "/model.safetensors") == HubFixture.weights)
        #expect(hub.content(hub.snapshot + "/tokenizer.json") != nil)
        #expect(hub.fetches(of: HubFixture.weightsFile).count == 2)
        // Its blob was still there.
        #expect(hub.fetches(of: HubFixture.files[8]).count == 1)
    }

    @Test("a branch with a slash, a tag and a commit each find their files")
    func revisions() async throws {
        let other = String(repeating: "ab", count: 20)
        let hub = try await HubFixture()
        var repository = HubServer.Repository(HubFixture.name, files: HubFixture.files)
        repository.commits[other] = HubFixture.files.map {
            $0.path == "config.json" ? HubFile("config.json", #"{"other": true}"#) : $0
        }
        repository.revisions["refs/pr/1"] = other
        repository.revisions["v1.0"] = other
        hub.server.serve(repository)
        for revision in ["refs/pr/1", "v1.0", other] {
            let snapshot = try await hub.download(revision: revision)
            #expect(snapshot.commit == other)
            #expect(hub.content(snapshot.folder + "/config.json") == Array(#"{"other": true}"#.utf8))
        }
        #expect(hub.content(hub.repository + "/refs/refs/pr/1") == Array(other.utf8))
        #expect(hub.content(hub.repository + "/refs/v1.0") == Array(other.utf8))
        #expect(hub.content(hub.repository + "/refs/" + other) == nil)
        #expect(try await hub.download().commit == HubServer.commit)
        // The same weights are one blob.
        #expect(hub.fetches(of: HubFixture.weightsFile).count == 1)
    }

    @Test("a branch that has moved on gets a new snapshot, and keeps the blobs that stayed the same")
    func newCommit() async throws {
        let hub = try await HubFixture()
        _ = try await hub.download()
        let newer = String(repeating: "c", count: 40)
        hub.server.serve(HubServer.Repository(HubFixture.name, commit: newer, files: HubFixture.files))
        let snapshot = try await hub.download()
        #expect(snapshot.commit == newer && hub.content(snapshot.folder + "/model.safetensors") == HubFixture.weights)
        #expect(hub.content(hub.repository + "/refs/main") == Array(newer.utf8))
        #expect(hub.fetches(of: HubFixture.weightsFile).count == 1)
    }

    @Test("the shards that an index names are fetched, and no others")
    func shards() async throws {
        let index =
            #"{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}"#
        let hub = try await HubFixture(files: [
            HubFixture.config, HubFile("model.safetensors.index.json", index),
            HubFile("model-00001-of-00002.safetensors", [1], isLarge: true),
            HubFile("model-00002-of-00002.safetensors", [2], isLarge: true),
            HubFile("model-00003-of-00003.safetensors", [3], isLarge: true),
            HubFile("consolidated.safetensors", [4], isLarge: true),
        ])
        let snapshot = try await hub.download()
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: snapshot.folder).sorted() == [
                "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                "model.safetensors.index.json",
            ])
    }

    @Test(
        "a GGUF file is found by its form as its name has it, or by its name",
        arguments: [
            ("acme/tiny-llama", "tiny-Q4_K_M.gguf"), ("acme/tiny-llama:q4_0", "tiny-Q4_0.gguf"),
            ("acme/tiny-llama:Q4_K", "tiny.q4_k.gguf"), ("acme/tiny-llama:F16", "f16/tiny-F16.gguf"),
            ("acme/tiny-llama:tiny.q4_k.gguf", "tiny.q4_k.gguf"),
            ("acme/tiny-llama/f16/tiny-F16.gguf", "f16/tiny-F16.gguf"),
        ])
    func gguf(reference: String, expected: String) async throws {
        let hub = try await HubFixture(files: Self.ggufFiles)
        let snapshot = try await hub.download(reference)
        #expect(snapshot.modelPath == hub.snapshot + "/" + expected)
        #expect(hub.content(snapshot.modelPath) == Array(expected.utf8))
        let links = try hub.tree().filter { $0.key.hasPrefix("snapshots/") }
        let way = expected.contains("/") ? "../../../blobs/" : "../../blobs/"
        #expect(links.count == 1 && links.values.first?.hasPrefix("→ " + way) == true)
    }

    @Test("a GGUF file that is not there, is not the only one or is only a part is said to be so")
    func noGGUF() async throws {
        let hub = try await HubFixture(files: Self.ggufFiles + [HubFile("other-Q4_0.gguf", [0], isLarge: true)])
        #expect(
            await hub.refusal("acme/tiny-llama:Q5_K_M").contains(
                "no GGUF file for \"Q5_K_M\"; it has \"f16/tiny-F16.gguf\""))
        #expect(await hub.refusal("acme/tiny-llama:Q4_0").contains("several GGUF files for \"Q4_0\""))
        #expect(await hub.refusal("acme/tiny-llama:Q8_0").contains("in several parts"))
        #expect(await hub.refusal("acme/tiny-llama:no.gguf").contains("no GGUF file for \"no.gguf\""))
        let several = try await HubFixture(files: ["a", "b"].map { HubFile("\($0)-Q4_0.gguf", [1], isLarge: true) })
        #expect(await several.refusal().contains("name one as acme/tiny-llama:FILE, of \"a-Q4_0.gguf\""))
    }

    private static let ggufFiles =
        [
            "f16/tiny-F16.gguf", "tiny-Q4_0.gguf", "tiny-Q4_K_M.gguf", "tiny-IQ4_0_4.gguf", "tiny.q4_k.gguf",
            "mmproj-F16.gguf", "tiny-Q8_0-00001-of-00002.gguf", "tiny-Q8_0-00002-of-00002.gguf",
        ].map { HubFile($0, Array($0.utf8), isLarge: true) }
}

@Suite("What is chosen")
struct SelectionTests {
    @Test(
        "patterns match as Python's fnmatch does",
        arguments: [
            (["*.json"], [], ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]),
            (["*"], ["*.json", "model*"], [".gitattributes", "README.md"]),
            ([], ["*config*", "tok*", "*.safetensors", ".*"], ["README.md"]),
            (["token?zer[._]*"], [], ["tokenizer.json", "tokenizer_config.json"]),
            (["[!a-q]*.json"], ["*_*"], ["tokenizer.json"]), (["README.md", "nothing"], [], ["README.md"]),
        ])
    func patterns(include: [String], exclude: [String], expected: [String]) async throws {
        let hub = try await HubFixture()
        let snapshot = try await hub.download(selection: .patterns(include: include, exclude: exclude))
        #expect(try FileManager.default.contentsOfDirectory(atPath: snapshot.folder).sorted() == expected)
    }

    @Test("files that could run code are named, and never downloaded, whatever the pattern")
    func code() async throws {
        let hub = try await HubFixture(), events = EventLog()
        _ = try await hub.download(selection: .patterns(include: ["*"], exclude: []), events: events)
        #expect(events.all.contains(.refused(files: ["modeling_tiny.py", "onnx/model.onnx", "pytorch_model.bin"])))
        let refusal = await hub.refusal(selection: .patterns(include: ["*.bin", "*.py"], exclude: []))
        #expect(refusal.contains("could run code: \"modeling_tiny.py\", \"pytorch_model.bin\""))
        for name in ["pytorch_model.bin", "modeling_tiny.py", "model.onnx"] {
            #expect(!hub.server.requests.contains { $0.path.hasSuffix(name) })
        }
    }

    @Test(
        "a repository that has its weights as pickles only is refused",
        arguments: ["pytorch_model.bin", "model.pt", "consolidated.00.pth", "weights.pkl", "last.ckpt"])
    func pickles(name: String) async throws {
        let hub = try await HubFixture(files: [HubFixture.config, HubFile(name, [128, 2, 46], isLarge: true)])
        #expect(await hub.refusal().contains("as pickles only (\"\(name)\"), which could run code"))
        #expect(hub.server.requests.count == 1)
    }

    @Test("a repository without weights, or without a configuration, is refused before anything is fetched")
    func nothing() async throws {
        let hub = try await HubFixture(files: [HubFixture.config])
        #expect(await hub.refusal().contains("neither model.safetensors, nor"))
        let bare = try await HubFixture(files: [HubFixture.weightsFile])
        #expect(await bare.refusal().contains("no config.json"))
        #expect(hub.server.requests.count + bare.server.requests.count == 2)
    }

    @Test(
        "what is no model of the Hub is taken for a path",
        arguments: [
            "", "gpt2", "/models/x", "./x", "../x/y", "a/", "/a", "a//b", "a/b/c", "a/b/", "models/file.gguf", "a b/c",
            "a/b..c", "a--b/c", "-a/b", "a/.b", "a/b:", "a/b:../c.gguf", "a/b:/c.gguf", "a/b/../c.gguf", "a/b:x y",
            "a/b\0", "ä/b", "a/b.git", "a/\(String(repeating: "n", count: 97))", "C:\\models\\x", "https://a/b",
        ])
    func noReference(text: String) {
        #expect(HubReference(text) == nil)
    }

    @Test("a model of the Hub is read as vLLM and llama.cpp write it")
    func references() throws {
        let plain = try #require(HubReference("Qwen/Qwen2.5-0.5B-Instruct"))
        #expect(plain.repository.description == "Qwen/Qwen2.5-0.5B-Instruct" && plain.gguf == nil)
        #expect(HubReference("unsloth/x_GGUF:IQ1_S")?.gguf == .quantization("IQ1_S"))
        #expect(HubReference("unsloth/x:x-Q4.gguf")?.gguf == .file("x-Q4.gguf"))
        #expect(HubReference("unsloth/x/BF16/x.gguf")?.gguf == .file("BF16/x.gguf"))
    }
}
