// Loading, off the cooperative threads: it blocks for as long as the disk and the cores take.

internal import Dispatch
internal import Engine
internal import Generation
internal import ModelFiles
internal import Models
internal import Primitives
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

extension LoadPlan {
    /// Loads weights and tokenizer and starts the engine.
    ///
    /// - Parameters:
    ///   - progress: Told the share of the weights loaded, at most about once a second.
    ///   - loaded: Given the executor once its weights are there, before the engine has it.
    func load(
        names: [String], chatTemplate: String?, allowsSpecialInContent: Bool, observer: (any EngineObserver)?,
        progress: @escaping @Sendable (Double) -> Void,
        loaded: @escaping @Sendable (any MeasuredExecutor) -> Void = { _ in }
    ) async throws -> TextGenerator {
        async let model = blocking {
            try LoadedModel(checkpoint: checkpoint, names: names, root: root, chatTemplate: chatTemplate)
        }
        async let engine = startEngine(observer: observer, progress: progress, loaded: loaded)
        return TextGenerator(
            model: try await model, engine: try await engine, allowsSpecialInContent: allowsSpecialInContent)
    }

    /// Loads the weights alone and starts the engine: tokens in, tokens out.
    func startEngine(
        observer: (any EngineObserver)?, progress: @escaping @Sendable (Double) -> Void,
        loaded: @escaping @Sendable (any MeasuredExecutor) -> Void = { _ in }
    ) async throws -> InferenceEngine {
        try await blocking {
            let reporter = ProgressReporter(progress)
            let executor = try makeExecutor { reporter.report($0) }
            loaded(executor)
            return try InferenceEngine(configuration: engine, observer: observer, executor: executor)
        }
    }
}

/// Passes progress on, at most once a second.
private final class ProgressReporter: Sendable {
    private let lastReport = Mutex(Instant.now())
    private let progress: @Sendable (Double) -> Void

    init(_ progress: @escaping @Sendable (Double) -> Void) {
        self.progress = progress
    }

    func report(_ share: Double) {
        let now = Instant.now()
        let isDue = lastReport.withLock { last in
            guard now.seconds(since: last) >= 1 else { return false }
            last = now
            return true
        }
        if isDue { progress(share) }
    }
}

/// Runs `body` on a thread that may block.
func blocking<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        DispatchQueue.global().async {
            continuation.resume(with: Swift.Result { try body() })
        }
    }
}

/// The text of a file that an option names.
func readText(_ path: String) throws(CommandError) -> String {
    guard let file = fopen(path, "re") else {
        throw .invalidOption(name: "chat-template", value: path, allowed: "a file that can be read")
    }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    // A template is kilobytes; more than a megabyte is something else.
    while bytes.count <= 1 << 20 {
        let count = fread(&chunk, 1, chunk.count, file)
        guard count > 0 else { break }
        bytes += chunk[..<count]
    }
    guard bytes.count <= 1 << 20, let text = String(validating: bytes, as: UTF8.self) else {
        throw .invalidOption(name: "chat-template", value: path, allowed: "a text file of at most a megabyte")
    }
    return text
}
