// A server on a port of its own, with a scripted engine behind it.

import Access
import Engine
import EngineTesting
import Generation
import Logging
import NIOCore
import NIOPosix
import Observability
import Server
import Telemetry
import Testing
import Workload

struct TestServer: Sendable {
    let server: APIServer
    let port: Int
    let metrics: ServiceMetrics
    /// What is recorded beside the workload. Not what the engine has in all points: nobody looks at more.
    let settings: WorkloadSettings

    struct Options {
        var server = ServerConfiguration()
        var maxModelLength = 512
        var maxRunningSequences = 16
        var executor = ScriptedExecutor.Configuration()
        /// Who comes in.
        var access = AccessControl.open
        /// Names of tenants with series of their own.
        var tenants: [String] = []
        /// Whether the model is there from the start.
        var isReady = true
        /// Whether requests are followed, and what becomes of them.
        var journal: RequestJournal.Configuration?
        /// Nil: nothing is logged.
        var logger: Logger?

        init() {
            server.host = "127.0.0.1"
            server.port = 0
            server.shutdownTimeout = .zero
            executor.vocabularySize = TestModel.vocabularySize
        }
    }

    /// Runs a server while `body` does, and stops it.
    static func run(
        _ configure: (inout Options) -> Void = { _ in }, _ body: @escaping @Sendable (TestServer) async throws -> Void
    ) async throws {
        var options = Options()
        configure(&options)
        var measured = MetricsConfiguration(
            modelName: "tiny", version: "1", instructionSet: "none", maxModelLength: options.maxModelLength,
            blockSize: 16, blockCount: 1024, cacheDataType: "auto")
        measured.tenants = options.tenants
        let metrics = try ServiceMetrics(measured)
        let journal = options.journal.map { RequestJournal($0) }
        let recorder = WorkloadRecorder()
        let settings = WorkloadSettings(maxModelLength: options.maxModelLength, blockSize: 16, blockCount: 1024)
        if options.isReady { recorder.note(settings) }
        let server = try await APIServer(
            configuration: options.server, access: options.access, metrics: metrics, journal: journal,
            recorder: recorder,
            logger: options.logger ?? Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let port = try #require(server.port)
        var observers: [any EngineObserver] = [metrics.engine, recorder]
        if let journal { observers.append(journal) }
        let generator = try TestModel.generator(
            maxModelLength: options.maxModelLength,
            observer: EngineObservers(observers)
        ) { engine, executor in
            engine.maxRunningSequences = options.maxRunningSequences
            executor = options.executor
        }
        if options.isReady { server.modelReady(generator) }
        let test = TestServer(server: server, port: port, metrics: metrics, settings: settings)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            defer { server.shutdown() }
            try await body(test)
        }
        await generator.shutdown(draining: .zero)
        await journal?.settle()
    }

    // MARK: - Requests over a raw socket

    /// One request on a connection of its own.
    func request(
        _ method: String, _ path: String, headers: [String] = [], body: String? = nil
    ) async throws -> RawResponse {
        try await connect { connection in
            try await connection.send(method, path, headers: headers, body: body)
            return try await connection.response()
        }
    }

    func post(_ path: String, _ body: String, headers: [String] = []) async throws -> RawResponse {
        try await request("POST", path, headers: headers + ["Content-Type: application/json"], body: body)
    }

    func connect<Result: Sendable>(
        _ body: (inout RawConnection) async throws -> Result
    ) async throws -> Result {
        try await RawConnection.open(port: port, body)
    }

    // MARK: - Metrics

    /// The value of a series, as a scrape shows it.
    func value(of series: String) async throws -> Double? {
        let text = try await request("GET", "/metrics").body
        let line = text.split(separator: "\n").first { $0.hasPrefix(series + " ") }
        return line.flatMap { Double($0.dropFirst(series.utf8.count + 1)) }
    }

    /// All series by their names with labels.
    func scrape() async throws -> [String: Double] {
        Self.values(try await request("GET", "/metrics").body)
    }

    static func values(_ exposition: String) -> [String: Double] {
        var values: [String: Double] = [:]
        for line in exposition.split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " ") else { continue }
            values[String(line[..<space])] = Double(line[line.index(after: space)...])
        }
        return values
    }

    /// Waits until the engine has nothing to do.
    func waitUntilIdle() async throws {
        try await waitForSequences(0)
    }

    func waitForSequences(_ count: Int) async throws {
        try await eventually {
            let snapshot = metrics.engine.snapshot()
            return snapshot.runningCount + snapshot.waitingCount == count
        }
    }
}

/// Waits until a condition holds; fails after some seconds.
func eventually(_ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(20)
    while try await !condition() {
        try #require(ContinuousClock.now < deadline, "the condition never held")
        try await Task.sleep(for: .milliseconds(5))
    }
}
