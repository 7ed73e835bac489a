// swift-tools-version: 6.2
import PackageDescription

let features: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
]

/// C is for SIMD kernels and small system shims; -O3 because the inner loops live there.
let cSettings: [CSetting] = [
    .unsafeFlags(["-std=c11", "-O3", "-fno-math-errno", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"])
]

/// Open MPI as Debian installs it; used by a build with the trait MPI alone (`make build-mpi`).
#if arch(arm64)
    let openMPI = "/usr/lib/aarch64-linux-gnu/openmpi"
#else
    let openMPI = "/usr/lib/x86_64-linux-gnu/openmpi"
#endif

let log: Target.Dependency = .product(name: "Logging", package: "swift-log")
let tracing: Target.Dependency = .product(name: "Tracing", package: "swift-distributed-tracing")
let metrics: Target.Dependency = .product(name: "CoreMetrics", package: "swift-metrics")
let httpClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let tls: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOHTTP1", package: "swift-nio"),
]
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

/// A target of ours and its test target. The dependencies here are the architecture: see docs/architecture.md.
func room(
    _ name: String, _ dependencies: Target.Dependency..., packages: [Target.Dependency] = [],
    embeds resources: [String] = []
) -> [Target] {
    let all = dependencies + packages
    return [
        .target(
            name: name, dependencies: all, resources: resources.map { .embedInCode($0) }, swiftSettings: features),
        .testTarget(
            name: name + "Tests",
            dependencies: all + [.byName(name: name)] + extraTestDependencies[name, default: []],
            exclude: fixtures[name, default: []],
            swiftSettings: features),
    ]
}

/// What the tests of a target need beyond the target's own dependencies.
let extraTestDependencies: [String: [Target.Dependency]] = [
    "Access": ["AccessTesting", "TraceTesting"],
    "Benchmarking": ["EngineTesting"],
    "Engine": ["EngineTesting", "ModelFiles"],
    "Evaluation": ["EngineTesting"],
    "Generation": ["EngineTesting", "Models", "Kernels"],
    "Hub": ["HubTesting"],
    "Observability": ["EngineTesting", "Models", "Sampling", "TraceTesting"],
    "Server": ["AccessTesting", "EngineTesting", "Engine", "Models", "Tokenization", "TraceTesting", metrics],
    "Simulation": ["EngineTesting", "Models", "Sampling"],
]

/// Parts of Foundation that its static library leaves to the linker (some packages use it), and the folder where
/// tools/static-libraries.sh puts zlib's archive: the binary needs nothing at run time that a plain system lacks.
let staticLibraries = [
    "-lCoreFoundation", "-l_FoundationICU", "-l_FoundationCShims", "-l_FoundationCollections",
    "-L\(Context.packageDirectory)/.build/static", "-Xlinker", "-s",
]

/// Golden files live beside the tests that read them.
let fixtures: [String: [String]] = Dictionary(
    uniqueKeysWithValues: [
        "Evaluation", "Kernels", "Models", "Observability", "OpenAI", "Quantization", "Telemetry", "Templating",
        "Tokenization",
    ]
    .map { ($0, ["Fixtures"]) })

var targets: [Target] = [
    .target(
        name: "CPlatform", cSettings: cSettings,
        linkerSettings: [.linkedLibrary("z"), .linkedLibrary("crypt", .when(platforms: [.linux]))]),
    .target(name: "CKernels", cSettings: cSettings),
    .target(
        name: "CMPI",
        cSettings: cSettings + [
            .define("PAGODA_MPI", .when(traits: ["MPI"])),
            .unsafeFlags(["-I\(openMPI)/include"], .when(traits: ["MPI"])),
        ],
        linkerSettings: [
            .unsafeFlags(["-L\(openMPI)/lib"], .when(traits: ["MPI"])),
            .linkedLibrary("mpi", .when(traits: ["MPI"])),
        ]),
]
targets += room("Primitives")
targets += room("JSON")
targets += room("Diagnosis", "JSON")
targets += room("Telemetry", packages: [metrics])
targets += room("Kernels", "CKernels")
targets += room("ModelFiles", "JSON")
targets += room("Tokenization", "JSON", "Primitives")
targets += room("Templating", "JSON")
targets += room("OpenAI", "JSON")
targets += room("Hub", "JSON", "ModelFiles", packages: [httpClient, crypto] + nio)
targets += room("Scheduling", "Primitives")
targets += room("Workload", "JSON")
targets += room("Models", "Kernels", "ModelFiles", "Primitives")
targets += room("Sampling", "Kernels", "Primitives")
targets += room("Engine", "Models", "Kernels", "Scheduling", "Sampling", "Primitives", packages: [crypto])
targets += room("Simulation", "Workload", "Scheduling", "Engine", "Primitives")
targets += room(
    "Generation", "Engine", "Tokenization", "Templating", "Sampling", "ModelFiles", "JSON", "Primitives")
targets += room(
    "Evaluation", "Models", "Kernels", "Tokenization", "JSON", "Primitives", embeds: ["general-knowledge.jsonl"])
targets += room("Quantization", "Models", "ModelFiles", "Kernels", "JSON", "Primitives")
targets += room(
    "Observability", "Engine", "Telemetry", "Workload", "JSON", "Primitives",
    packages: [log, tracing, httpClient] + nio)
targets += room("Access", "JSON", "CPlatform", packages: [crypto, cryptoExtras, yams, httpClient] + nio)
targets += room(
    "Server", "Access", "Generation", "Observability", "OpenAI", "Diagnosis", "Telemetry", "Sampling", "Workload",
    "JSON", "Primitives", "CPlatform",
    packages: [log, tls] + nio)
targets += room(
    "MessagePassing", "Models", "Kernels", "Primitives", .target(name: "CMPI", condition: .when(traits: ["MPI"])),
    packages: [.product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio")])
targets += room("LoadTesting", "JSON", "Primitives", packages: [httpClient] + nio)
targets += room(
    "Benchmarking", "Engine", "Simulation", "Workload", "LoadTesting", "Scheduling", "Sampling", "JSON", "Primitives")
targets += room(
    "PagodaCLI", "Server", "Access", "Generation", "Observability", "Telemetry", "OpenAI", "Engine", "Evaluation",
    "Models", "ModelFiles", "Kernels", "Tokenization", "Templating", "Scheduling", "Sampling", "JSON", "Primitives",
    "CPlatform", "LoadTesting", "Benchmarking", "Simulation", "Workload", "Diagnosis", "Hub", "Quantization",
    "MessagePassing",
    packages: [argumentParser, log, httpClient, tls] + nio)
targets += [
    .executableTarget(
        name: "pagoda", dependencies: ["PagodaCLI"], swiftSettings: features,
        linkerSettings: [.unsafeFlags(["-static-stdlib"] + staticLibraries)]),
    .testTarget(name: "ArchitectureTests", swiftSettings: features),
    .testTarget(name: "DeploymentTests", dependencies: [yams], swiftSettings: features),
    .testTarget(
        name: "EndToEndTests",
        dependencies: [
            "AccessTesting", "Engine", "EngineTesting", "Generation", "HubTesting", "JSON", "Kernels", "ModelFiles",
            "Models", "Observability", "Primitives", "Sampling", "Telemetry", "TraceTesting", httpClient, tls, yams,
        ] + nio,
        exclude: ["access.py", "client.py", "hub.py", "Fixtures"], swiftSettings: features),
    .target(name: "HubTesting", dependencies: ["JSON", crypto] + nio, swiftSettings: features),
    .target(name: "AccessTesting", dependencies: [crypto, cryptoExtras], swiftSettings: features),
    .target(name: "TraceTesting", dependencies: nio, swiftSettings: features),
    .target(
        name: "EngineTesting",
        dependencies: ["Engine", "Models", "ModelFiles", "Kernels", "Scheduling", "Sampling", "Primitives"],
        swiftSettings: features),
]

let package = Package(
    name: "pagoda",
    traits: [
        .trait(name: "MPI", description: "Tensor parallel ranks in processes, on several machines, by Open MPI.")
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", exact: "1.7.3"),
        .package(url: "https://github.com/apple/swift-metrics", exact: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    ],
    targets: targets,
    swiftLanguageModes: [.v6]
)
