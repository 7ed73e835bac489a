import Testing

/// The import graph of docs/architecture.md, as data: what each target may import of ours, then of packages.
/// The standard library's own modules and swift-collections may be used anywhere.
private let allowedImports: [String: (ours: Set<String>, packages: Set<String>)] = [
    "CPlatform": ([], []),
    "CKernels": ([], []),
    "CMPI": ([], []),
    "Primitives": ([], []),
    "JSON": ([], []),
    "Telemetry": ([], ["CoreMetrics"]),
    "Diagnosis": (["JSON"], []),
    "Kernels": (["CKernels"], []),
    "ModelFiles": (["JSON"], []),
    "Tokenization": (["JSON", "Primitives"], []),
    "Templating": (["JSON"], []),
    "OpenAI": (["JSON"], []),
    "Hub": (["JSON", "ModelFiles"], ["AsyncHTTPClient", "Crypto", "NIOCore", "NIOPosix", "NIOHTTP1"]),
    "Scheduling": (["Primitives"], []),
    "Workload": (["JSON"], []),
    "Models": (["Kernels", "ModelFiles", "Primitives"], []),
    "Sampling": (["Kernels", "Primitives"], []),
    "Engine": (["Models", "Scheduling", "Sampling", "Kernels", "Primitives"], ["Crypto"]),
    "Simulation": (["Workload", "Scheduling", "Engine", "Primitives"], []),
    "Generation": (
        ["Engine", "Tokenization", "Templating", "Sampling", "ModelFiles", "JSON", "Primitives"], []
    ),
    "Evaluation": (["Models", "Kernels", "Tokenization", "JSON", "Primitives"], []),
    "Quantization": (["Models", "ModelFiles", "Kernels", "JSON", "Primitives"], []),
    "Access": (
        ["JSON", "CPlatform"], ["Crypto", "CryptoExtras", "Yams", "AsyncHTTPClient", "NIOCore", "NIOHTTP1"]
    ),
    "Observability": (
        ["Engine", "Telemetry", "Workload", "JSON", "Primitives"],
        ["Logging", "Tracing", "AsyncHTTPClient", "NIOCore", "NIOPosix", "NIOHTTP1"]
    ),
    "Server": (
        [
            "Access", "Generation", "Observability", "OpenAI", "Diagnosis", "Telemetry", "Sampling", "Workload",
            "JSON", "Primitives", "CPlatform",
        ],
        ["NIOCore", "NIOPosix", "NIOHTTP1", "NIOSSL", "Logging"]
    ),
    "MessagePassing": (["Models", "Kernels", "Primitives", "CMPI"], ["NIOCore", "NIOPosix"]),
    "LoadTesting": (["JSON", "Primitives"], ["AsyncHTTPClient", "NIOCore", "NIOPosix", "NIOHTTP1"]),
    "Benchmarking": (
        ["Engine", "Simulation", "Workload", "LoadTesting", "Scheduling", "Sampling", "JSON", "Primitives"], []
    ),
    "PagodaCLI": (
        [
            "Server", "Access", "Generation", "Observability", "Telemetry", "OpenAI", "Engine", "Evaluation", "Models",
            "ModelFiles", "Kernels", "Tokenization", "Templating", "Scheduling", "Sampling", "JSON", "Primitives",
            "CPlatform", "LoadTesting", "Benchmarking", "Simulation", "Workload", "Diagnosis", "Hub", "Quantization",
            "MessagePassing",
        ], ["ArgumentParser", "AsyncHTTPClient", "Logging", "NIOCore", "NIOHTTP1", "NIOSSL"]
    ),
    "pagoda": (["PagodaCLI"], []),
    "HubTesting": (["JSON"], ["Crypto", "NIOCore", "NIOPosix", "NIOHTTP1"]),
    "AccessTesting": ([], ["Crypto", "CryptoExtras", "Foundation"]),
    "TraceTesting": ([], ["NIOCore", "NIOPosix", "NIOHTTP1"]),
    "EngineTesting": (["Engine", "Models", "ModelFiles", "Kernels", "Scheduling", "Sampling", "Primitives"], []),
]

private let systemModules: Set<String> = [
    "Swift", "Synchronization", "Glibc", "Musl", "Darwin", "Dispatch", "_Concurrency", "Collections", "DequeModule",
    "HeapModule", "OrderedCollections", "Algorithms",
]

@Suite("Architecture")
struct ImportTests {
    @Test("every folder of Sources is a target of the table, and no other")
    func everyTargetIsListed() {
        #expect(Set(SourceTree.targets) == Set(allowedImports.keys))
    }

    @Test("a target imports only what the architecture allows", arguments: allowedImports.keys.sorted())
    func importsFollowTheTable(target: String) throws {
        let allowed = try #require(allowedImports[target])
        for file in try SourceTree.swiftFiles(in: "Sources/\(target)") {
            for (number, line) in file.lines.enumerated() {
                guard let module = importedModule(line), !systemModules.contains(module) else { continue }
                #expect(
                    allowed.ours.contains(module) || allowed.packages.contains(module),
                    "\(file.path):\(number + 1): \(target) must not import \(module)")
            }
        }
    }

    @Test("nothing imports upward: the table has no cycle")
    func noCycle() {
        var finished: Set<String> = []
        func visit(_ target: String, path: [String]) {
            #expect(!path.contains(target), "cycle: \((path + [target]).joined(separator: " → "))")
            guard !path.contains(target), finished.insert(target).inserted else { return }
            for next in allowedImports[target]?.ours ?? [] { visit(next, path: path + [target]) }
        }
        for target in allowedImports.keys { visit(target, path: []) }
    }

    private func importedModule(_ line: String) -> String? {
        var words = line.split(separator: " ").map(String.init)
        while let first = words.first,
            ["public", "internal", "package", "private", "fileprivate", "@preconcurrency"].contains(first)
        {
            words.removeFirst()
        }
        guard words.first == "import", words.count >= 2 else { return nil }
        let kinds: Set<String> = ["struct", "class", "enum", "func", "protocol", "typealias", "let", "var"]
        let name = kinds.contains(words[1]) && words.count > 2 ? words[2] : words[1]
        return name.split(separator: ".").first.map(String.init)
    }
}
